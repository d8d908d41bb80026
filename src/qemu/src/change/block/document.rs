//! What becomes of documents when images of a disk have changed.

use base::{NonEmpty, Value};
use conf::Domain;
use conf::device::Disk;
use conf::device::disk::backing_store::BackingFormat;
use conf::device::disk::driver::{MetadataCache, StorageFormat};
use conf::device::disk::source::Block;
use conf::device::disk::{BackingImage, BackingStore, Source as Place};
use xml::Source;

use super::{DiskImages, Image, JobKind};

/// The text of a live document in which disks have the images that they have now; `None` if that does
/// not concern it.
pub fn live_after(text: &str, images: &[DiskImages]) -> Option<String> {
    let source = Source::new("live document", text).without_places();
    let (domain, _) = conf::parse_live(&source).ok()?;
    after(domain, images, live_with)
}

/// The text of a stored document in which disks have the images that they have after work of this kind;
/// `None` if that does not concern it.
pub fn stored_after(text: &str, images: &[DiskImages], kind: JobKind) -> Option<String> {
    let source = Source::new("stored document", text).without_places();
    let (domain, _) = conf::parse(&source).ok()?;
    after(domain, images, |domain, images| stored_with(domain, images, kind))
}

fn after(
    mut domain: Domain,
    images: &[DiskImages],
    with: impl Fn(&Domain, &DiskImages) -> Option<Domain>,
) -> Option<String> {
    let mut is_changed = false;
    for images in images {
        if let Some(other) = with(&domain, images) {
            domain = other;
            is_changed = true;
        }
    }
    is_changed.then(|| conf::print(&domain))
}

/// The live document in which a disk has the images that it has now, all of them named; `None` if it has
/// no such disk, or that has another image in it.
fn live_with(domain: &Domain, images: &DiskImages) -> Option<Domain> {
    with(domain, images, |layers, _| {
        let after = images.after.iter().map(|image| of(image, &layers)).collect();
        (after, Some(BackingStore::End))
    })
}

/// The stored document with the images that a disk has after work of this kind; `None` if it has no
/// such disk, or that has another image in it.
///
/// It names the images that it named before. Where these are not those of the guest, what is below the
/// topmost one is left to the images to say.
///
/// libvirt: `qemuSnapshotDiskUpdateSource`, `qemuBlockJobProcessEventCompletedPull`,
/// `qemuBlockJobProcessEventCompletedCommit`, `qemuBlockJobProcessEventCompletedActiveCommit`,
/// `qemuBlockJobProcessEventConcludedCopyPivot`.
fn stored_with(domain: &Domain, images: &DiskImages, kind: JobKind) -> Option<Domain> {
    with(domain, images, |layers, ends| {
        let end = ends.then_some(BackingStore::End);
        let top = images.after.first().map(|image| of(image, &layers));
        let is_named = images.before.len() <= layers.len()
            && layers.iter().zip(&images.before).all(|(layer, image)| is_at(layer, image));
        let stays = |layer: &BackingImage| {
            let is_in = |images: &[Image]| images.iter().any(|image| is_at(layer, image));
            is_in(&images.after) || !is_in(&images.before)
        };
        match kind {
            JobKind::Snapshot => (top.into_iter().chain(layers).collect(), end),
            JobKind::Pull | JobKind::Commit | JobKind::ActiveCommit if is_named => {
                (layers.into_iter().filter(stays).collect(), end)
            }
            _ => (top.into_iter().collect(), None),
        }
    })
}

/// A document in which a disk has other images: those that `others` makes of the ones that it names.
fn with(
    domain: &Domain,
    images: &DiskImages,
    others: impl FnOnce(Vec<BackingImage>, bool) -> (Vec<BackingImage>, Option<BackingStore>),
) -> Option<Domain> {
    let pos = domain.devices.disk(&images.disk)?;
    let disk = &domain.devices.disks[pos];
    if disk.source.path() != Some(images.before.first()?.path.as_str()) {
        return None;
    }
    let (layers, ends) = layers(disk);
    let (after, end) = others(layers, ends);
    let mut domain = domain.clone();
    set(&mut domain.devices.disks[pos], after, end);
    Some(domain)
}

/// The images that a document names of a disk, from the topmost down, none knowing of the others; and
/// whether it says that there are no more.
fn layers(disk: &Disk) -> (Vec<BackingImage>, bool) {
    let format = BackingFormat {
        format: disk.driver.format.unwrap_or(StorageFormat::Raw),
        metadata_cache: disk.driver.metadata_cache.clone(),
    };
    let source = disk.source.clone();
    let mut layers = vec![BackingImage { format, source, ..BackingImage::default() }];
    let mut ends = disk.backing_store == Some(BackingStore::End);
    for image in disk.backing_images() {
        ends = image.backing_store == Some(BackingStore::End);
        layers.push(BackingImage { backing_store: None, ..image.clone() });
    }
    (layers, ends)
}

fn is_at(layer: &BackingImage, image: &Image) -> bool {
    layer.source.path() == Some(image.path.as_str())
}

/// An image as an element: as the document has it, if it does.
fn of(image: &Image, layers: &[BackingImage]) -> BackingImage {
    if let Some(layer) = layers.iter().find(|layer| is_at(layer, image)) {
        return layer.clone();
    }
    let format = StorageFormat::parse(&image.format).ok().flatten().unwrap_or_default();
    let source = match image.block {
        false => Place::file(image.path.clone()),
        true => Place::Block(Block { dev: Some(NonEmpty(image.path.clone())), ..Block::default() }),
    };
    let format = BackingFormat { format, metadata_cache: MetadataCache::default() };
    BackingImage { format, source, ..BackingImage::default() }
}

/// Gives a disk its images.
fn set(disk: &mut Disk, layers: Vec<BackingImage>, end: Option<BackingStore>) {
    let mut below = end;
    let mut layers = layers.into_iter();
    let Some(mut top) = layers.next() else { return };
    for mut layer in layers.rev() {
        // What happens when an image is missing is said of the topmost one alone.
        layer.source.common_mut().startup_policy = None;
        layer.backing_store = below.take();
        below = Some(BackingStore::Image(Box::new(layer)));
    }
    let policy = disk.source.common().startup_policy;
    top.source.common_mut().startup_policy = policy;
    disk.source = top.source;
    disk.driver.format = Some(top.format.format);
    disk.driver.metadata_cache = top.format.metadata_cache;
    disk.backing_store = below;
}
