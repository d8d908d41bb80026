//! The images of a disk, from the topmost down: what the document says, then what the images
//! themselves say.

use std::borrow::Cow;

use conf::device::Disk;
use conf::device::disk::BackingStore;
use conf::device::disk::auth::Auth;
use conf::device::disk::driver::{MetadataCache, StorageFormat};
use conf::device::disk::encryption::Encryption;
use conf::device::disk::source::{DataStore, Slice, Source, SourceCommon, StartupPolicy};
use xml::{Origin, Part, Problem};

use super::header_name::{self, Named};
use super::volume;
use crate::answers::{Answer, Answers, Image, PathKind, Question};
use crate::host::Host;

/// How many images a chain may have. QEMU has no limit, but opening them takes a descriptor each.
const MAX_DEPTH: usize = 200;

/// The images of a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain<'a> {
    /// From the topmost down.
    pub(super) layers: Vec<Layer<'a>>,
    /// Whether it is known that there is nothing below the last one.
    pub(super) ends: bool,
    /// What would have to be looked at to know more.
    pub(super) unanswered: Vec<Question>,
    /// What is wrong with it.
    pub(super) problems: Vec<Problem>,
    /// The image that may be missing is missing.
    pub(super) is_dropped: bool,
}

/// One image.
#[derive(Clone, Debug)]
pub(super) struct Layer<'a> {
    /// Where it is.
    pub(super) place: Place<'a>,
    /// Its format.
    pub(super) format: StorageFormat,
    /// The part of the file or device that it is.
    pub(super) slice: Option<Slice>,
    /// How many bytes of its tables are kept.
    pub(super) metadata_cache: Option<u64>,
    /// The file that holds its data.
    pub(super) data: Option<Box<Layer<'a>>>,
    /// How it is encrypted.
    pub(super) encryption: Option<&'a Encryption>,
    /// Who QEMU is to its server.
    pub(super) auth: Option<Cow<'a, Auth>>,
    /// What the document says about its source.
    pub(super) common: Option<&'a SourceCommon>,
    /// The element that names it, directly or by an image above it.
    pub(super) origin: Origin,
    /// How large a file is made for it, in bytes, if it is not there yet.
    pub(super) new: Option<u64>,
}

/// Where an image is.
#[derive(Clone, Debug)]
pub(super) enum Place<'a> {
    /// A file or block device of this host.
    Local { path: String, block: bool },
    /// A directory of this host, which the guest sees as a FAT file system.
    Directory { path: String },
    /// Anything else that the document names, or a storage pool stands for.
    Other(Box<Cow<'a, Source>>),
}

impl<'a> Layer<'a> {
    /// An image that the document names. `format`: what it says about that.
    pub(super) fn of(
        source: &'a Source,
        format: Option<StorageFormat>,
        cache: &MetadataCache,
        (host, chain): (&Host, &mut Chain<'_>),
        answers: &Answers,
    ) -> Option<Self> {
        let common = source.common();
        let mut pool_auth = None;
        let place = match source {
            Source::File(_) | Source::Block(_) => Place::Local {
                path: source.path().unwrap_or_default().to_owned(),
                block: matches!(source, Source::Block(_)),
            },
            Source::Dir(_) => {
                Place::Directory { path: source.path().unwrap_or_default().to_owned() }
            }
            Source::Volume(volume) => match volume::find(volume, host, answers) {
                Ok(found) => {
                    chain.unanswered.extend(found.unanswered);
                    pool_auth = found.auth;
                    found.place
                }
                Err(problem) => {
                    chain.problems.push(problem);
                    return None;
                }
            },
            other => Place::Other(Box::new(Cow::Borrowed(other))),
        };
        let data = match common.data_store.as_deref() {
            Some(DataStore { source, .. }) => {
                let (raw, cache) = (Some(StorageFormat::Raw), MetadataCache::default());
                Some(Box::new(Self::of(source, raw, &cache, (host, chain), answers)?))
            }
            None => None,
        };
        let usual = match place {
            Place::Directory { .. } => StorageFormat::Fat,
            _ => StorageFormat::Raw,
        };
        Some(Self {
            place,
            format: format.unwrap_or(usual),
            slice: common.storage_slice().cloned(),
            metadata_cache: cache.max_size.map(|size| size.0.into()),
            data,
            encryption: common.encryption.as_ref(),
            auth: source.auth().map(Cow::Borrowed).or(pool_auth.map(Cow::Owned)),
            common: Some(common),
            origin: common.origin,
            new: None,
        })
    }

    /// An image of which the document says no more than its format.
    pub(super) fn found(place: Place<'a>, format: StorageFormat, origin: Origin) -> Self {
        Self {
            place,
            format,
            slice: None,
            metadata_cache: None,
            data: None,
            encryption: None,
            auth: None,
            common: None,
            origin,
            new: None,
        }
    }

    /// The path on this host.
    pub(super) fn path(&self) -> Option<&str> {
        match &self.place {
            Place::Local { path, .. } => Some(path),
            Place::Directory { .. } | Place::Other(_) => None,
        }
    }

    /// Whether its format has a place for the name of an image below it.
    pub(super) fn can_have_backing(&self) -> bool {
        use StorageFormat::{Cow, Qcow, Qcow2, Qed, Vmdk};
        matches!(self.format, Cow | Qcow | Qcow2 | Qed | Vmdk)
    }

    fn error(&self, message: String) -> Problem {
        Problem::error(self.origin, Part::Name, message)
    }
}

/// Follows the images of a disk as far as the document and what was seen tell.
pub(super) fn chain<'a>(disk: &'a Disk, host: &Host, answers: &Answers) -> Chain<'a> {
    let mut chain = Chain::default();
    if disk.is_empty() || matches!(disk.source, Source::VhostUser(_)) {
        return chain;
    }
    let cache = &disk.driver.metadata_cache;
    let mut next = Layer::of(&disk.source, disk.driver.format, cache, (host, &mut chain), answers);
    if let Some(top) = &mut next {
        top.encryption = disk.encryption();
        top.auth = disk.auth().map(Cow::Borrowed).or(top.auth.take());
    } else if is_optional(&disk.source) {
        chain.is_dropped = true;
        chain.problems.clear();
    }
    let mut said = disk.backing_store.as_ref();
    while let Some(mut layer) = next.take() {
        let is_top = chain.layers.is_empty();
        if let Some(path) = layer.path()
            && chain.layers.iter().any(|above| above.path() == Some(path))
        {
            chain.problems.push(layer.error(format!("'{path}' is its own backing image")));
            break;
        }
        if chain.layers.len() == MAX_DEPTH {
            let message = format!("the chain has more than {MAX_DEPTH} images");
            chain.problems.push(layer.error(message));
            break;
        }
        // A drive of the host may be empty, and its medium may change.
        let is_drive = disk.is_cdrom() && matches!(layer.place, Place::Local { block: true, .. });
        let seen = if is_drive { None } else { chain.look(&layer, answers) };
        if is_top && chain.may_be_dropped(&disk.source, &layer, answers) {
            return chain;
        }
        if let Some(seen) = seen.filter(|_| layer.data.is_none()) {
            layer.data = chain.data(&layer, seen, answers);
        }
        match said {
            Some(BackingStore::End) => chain.ends = true,
            Some(BackingStore::Image(image)) => {
                let (format, cache) = (Some(image.format.format), &image.format.metadata_cache);
                next = Layer::of(&image.source, format, cache, (host, &mut chain), answers);
                said = image.backing_store.as_ref();
            }
            None if !layer.can_have_backing() => chain.ends = true,
            None => next = chain.below(&layer, seen, answers),
        }
        chain.layers.push(layer);
    }
    chain
}

impl<'a> Chain<'a> {
    /// How many numbers its images take, data files among them; an empty drive takes one, too.
    pub(super) fn images(&self) -> usize {
        let images = self.layers.iter().map(|layer| 1 + usize::from(layer.data.is_some()));
        images.sum::<usize>().max(1)
    }

    /// What was seen of an image, which is compared with what is said of it.
    fn look<'b>(&mut self, layer: &Layer<'a>, answers: &'b Answers) -> Option<&'b Image> {
        let Place::Local { path, block } = &layer.place else { return None };
        let question = Question::Image(path.clone());
        match answers.get(&question) {
            None => {
                self.unanswered.push(question);
                None
            }
            Some(Answer::Image(image)) => {
                self.compare(layer, path, *block, image);
                Some(image)
            }
            Some(Answer::Failed(reason)) => {
                self.problems.push(layer.error(reason.clone()));
                None
            }
            Some(Answer::Path(PathKind::Missing)) => {
                let message = format!("cannot open '{path}': no such file or directory");
                self.problems.push(layer.error(message));
                None
            }
            // A character device such as a SCSI tape has no first bytes.
            Some(Answer::Path(PathKind::CharacterDevice)) if *block => None,
            Some(_) => {
                let message = format!("'{path}' is neither a file nor a block device");
                self.problems.push(layer.error(message));
                None
            }
        }
    }

    fn compare(&mut self, layer: &Layer<'a>, path: &str, block: bool, image: &Image) {
        match (block, image.kind) {
            (false, PathKind::BlockDevice) => {
                let message = format!("'{path}' is a block device, not a file");
                self.problems
                    .push(layer.error(message).help("write type='block' and <source dev='…'/>"));
            }
            (true, PathKind::File) => {
                let message = format!("'{path}' is a file, not a block device");
                self.problems
                    .push(layer.error(message).help("write type='file' and <source file='…'/>"));
            }
            _ => {}
        }
        if layer.slice.is_some() || layer.encryption.is_some() {
            return;
        }
        let said = qemu_format(layer.format);
        if said == image.format || image.format == "luks" {
            return;
        }
        if said == "raw" {
            let message = format!(
                "'{path}' begins as a {} image does, but the guest gets its bytes as they are",
                image.format
            );
            let help = format!("write type='{}' in <driver> if that is its format", image.format);
            self.problems.push(Problem::warning(layer.origin, Part::Name, message).help(help));
        } else if image.format == "raw" && has_no_magic(layer.format) {
            // Nothing to compare with.
        } else {
            let message = format!("'{path}' is not a {said} image");
            let found = match image.format.as_str() {
                "raw" => "it is raw, or not an image at all".to_owned(),
                found => format!("it is a {found} image"),
            };
            self.problems.push(layer.error(format!("{message}: {found}")).help(format!(
                "write type='{}' where its format is given, if that is right",
                image.format
            )));
        }
    }

    /// Whether the image may be missing, and is.
    fn may_be_dropped(&mut self, source: &Source, layer: &Layer<'a>, answers: &Answers) -> bool {
        let Some(path) = layer.path() else { return false };
        let optional = is_optional(source);
        let seen = answers.get(&Question::Image(path.to_owned()));
        self.is_dropped =
            optional && matches!(seen, Some(Answer::Failed(_) | Answer::Path(PathKind::Missing)));
        if self.is_dropped {
            self.problems.clear();
        }
        self.is_dropped
    }

    /// The image that is named in the header of the one above it.
    fn below(
        &mut self,
        above: &Layer<'a>,
        seen: Option<&Image>,
        answers: &Answers,
    ) -> Option<Layer<'a>> {
        let seen = seen?;
        let Some(name) = &seen.backing_file else {
            self.ends = true;
            return None;
        };
        let (place, slice) = self.named(above, "backing image", name, answers)?;
        let path = above.path()?;
        let Some(format) = seen.backing_format.as_deref().and_then(conf_format) else {
            let message = match &seen.backing_format {
                Some(format) => format!("the format '{format}' of '{name}' is not known"),
                None => format!("'{path}' does not say of which format its backing image is"),
            };
            self.problems.push(above.error(message).help(format!(
                "say so in <backingStore>, or write it into the image: \
                 qemu-img rebase -u -F FORMAT -b '{name}' '{path}'"
            )));
            return None;
        };
        Some(Layer { slice, ..Layer::found(place, format, above.origin) })
    }

    /// The file that is named in the header of an image, which keeps its data there.
    fn data(&mut self, of: &Layer<'a>, seen: &Image, answers: &Answers) -> Option<Box<Layer<'a>>> {
        let name = seen.data_file.as_deref()?;
        let (place, slice) = self.named(of, "data file", name, answers)?;
        let data = Layer { slice, ..Layer::found(place, StorageFormat::Raw, of.origin) };
        self.look(&data, answers);
        Some(Box::new(data))
    }

    /// What a name in the header of an image stands for. `what`: what the name is of.
    fn named(
        &mut self,
        image: &Layer<'a>,
        what: &str,
        name: &str,
        answers: &Answers,
    ) -> Option<(Place<'a>, Option<Slice>)> {
        let path = image.path()?;
        let Named { source, slice } = match header_name::parse(name, path) {
            Ok(backing) => backing,
            Err(reason) => {
                let message = format!("the name of the {what} in '{path}' {reason}");
                let help = "say in the document where it is and of which format";
                self.problems.push(image.error(message).help(help));
                return None;
            }
        };
        let Some(path) = source.path() else {
            return Some((Place::Other(Box::new(Cow::Owned(source))), slice));
        };
        let seen = answers.image(path);
        let block = seen
            .map_or(!matches!(source, Source::File(_)), |seen| seen.kind == PathKind::BlockDevice);
        Some((Place::Local { path: path.to_owned(), block }, slice))
    }
}

/// Whether a guest can do without an image that is missing.
fn is_optional(source: &Source) -> bool {
    source.common().startup_policy == Some(StartupPolicy::Optional)
}

/// Formats that cannot be told from their first bytes.
fn has_no_magic(format: StorageFormat) -> bool {
    use StorageFormat::{Bochs, Cloop, Dmg, Fat, Ploop, Vpc};
    matches!(format, Bochs | Cloop | Dmg | Fat | Ploop | Vpc)
}

/// QEMU's driver of a format.
///
/// libvirt: `qemuBlockStorageSourceGetBlockdevFormatProps`.
pub(super) fn qemu_format(format: StorageFormat) -> &'static str {
    use StorageFormat as F;
    match format {
        F::Raw | F::Iso | F::Dir | F::Fat => "raw",
        F::Qcow2 => "qcow2",
        F::Qcow => "qcow",
        F::Qed => "qed",
        F::Vmdk => "vmdk",
        F::Vdi => "vdi",
        F::Vpc => "vpc",
        F::Vhd => "vhdx",
        F::Ploop => "parallels",
        F::Bochs => "bochs",
        F::Cloop => "cloop",
        F::Dmg => "dmg",
        F::Cow => "cow",
    }
}

/// A format in the words of an image's header.
fn conf_format(name: &str) -> Option<StorageFormat> {
    use StorageFormat as F;
    [F::Raw, F::Qcow2, F::Qcow, F::Qed, F::Vmdk, F::Vdi, F::Vpc, F::Ploop]
        .into_iter()
        .find(|format| qemu_format(*format) == name)
}
