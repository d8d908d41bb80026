//! Images of a disk of a guest that runs: those that QEMU has open, and new ones.

use base::Value;
use conf::device::Disk;
use conf::device::disk::driver::StorageFormat;
use serde_json::json;
use xml::{Origin, Part, Problem};

use super::blockdev::{self, Nodes};
use super::chain::{self, Layer, Place, qemu_format};
use super::disk::style;
use super::{Access, Builder, Inventory, Open};
use crate::answers::Answers;
use crate::change::Image;
use crate::host::Host;

/// An image of a disk that QEMU has open.
#[derive(Clone, Debug)]
pub(crate) struct OpenImage {
    /// Which one it is.
    pub(crate) image: Image,
    /// The node that the guest, or the image above it, uses.
    pub(crate) node: String,
    /// The node of the file or block device.
    pub(crate) storage: String,
    /// The set of descriptors that it was opened from.
    pub(crate) fdset: Option<u64>,
    /// Whether it was opened for reading only.
    pub(crate) is_read_only: bool,
}

/// The images of a disk, from the topmost down.
///
/// # Errors
/// The images cannot be worked on while the guest runs.
pub(crate) fn images(
    disk: &Disk,
    alias: &str,
    there: &Inventory,
    (host, answers): (&Host, &Answers),
) -> Result<Vec<OpenImage>, Vec<Problem>> {
    let name = disk.name();
    let refuse = |origin: Origin, message: String| {
        vec![Problem::error(origin, Part::Name, format!("disk {name}: {message}"))]
    };
    if disk.is_transient() {
        return Err(refuse(disk.origin, "what is written to it is not kept (<transient/>)".into()));
    }
    let chain = chain::chain(disk, host, answers);
    let errors: Vec<Problem> =
        chain.problems.iter().filter(|problem| problem.is_error()).cloned().collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    if chain.layers.is_empty() {
        return Err(refuse(disk.origin, "it has no image".to_owned()));
    }
    if !chain.ends {
        return Err(refuse(disk.origin, "not all of its images could be looked at".to_owned()));
    }
    let nodes = there.images(alias);
    if nodes.len() != chain.layers.len() {
        let message = format!(
            "its images are not those that QEMU has: the document and the images name {}, QEMU has {}",
            chain.layers.len(),
            nodes.len()
        );
        return Err(refuse(disk.origin, message));
    }
    let open = chain.layers.iter().zip(nodes).map(|(layer, node)| {
        let Layer { place: Place::Local { path, block }, slice: None, data: None, .. } = layer
        else {
            let message = "only images that are whole files or block devices of this host can be \
                           worked on while the guest runs";
            return Err(refuse(layer.origin, message.to_owned()));
        };
        if layer.encryption.is_some() {
            let message = "its images are encrypted, and cannot be worked on while the guest runs";
            return Err(refuse(layer.origin, message.to_owned()));
        }
        let image = Image { path: path.clone(), block: *block, format: layer.format.to_string() };
        Ok(OpenImage { image, ..node })
    });
    open.collect()
}

/// What to look at before the images of a disk are worked on.
pub(crate) fn questions(disk: &Disk, host: &Host, answers: &Answers) -> Vec<crate::Question> {
    super::disk::questions(disk, host, answers)
}

/// An image that a disk of a guest that runs is to have.
#[derive(Clone, Debug)]
pub(crate) struct NewImage<'a> {
    /// Which one.
    pub(crate) image: &'a Image,
    /// What its descriptor is called.
    pub(crate) name: String,
    /// How many bytes the guest sees of it.
    pub(crate) size: u64,
    /// Whether it is there already, with what is in it.
    pub(crate) is_reused: bool,
    /// The image below it, which its header names.
    pub(crate) backing: Option<&'a Image>,
    /// The node of that; `None` if it gets one later, or never.
    pub(crate) backing_node: Option<&'a str>,
}

/// Makes the image if it is not there, and opens it; the name of its node. `None`: it was refused.
///
/// libvirt: `qemuBlockStorageSourceCreate`.
pub(crate) fn add(builder: &mut Builder<'_>, disk: &Disk, new: &NewImage<'_>) -> Option<String> {
    let Image { path, block, format } = new.image;
    let Ok(Some(kind)) = StorageFormat::parse(format) else {
        builder.refuse(format!("there is no format '{format}'"));
        return None;
    };
    let takes_backing = matches!(kind, StorageFormat::Qcow2);
    if !takes_backing && (kind != StorageFormat::Raw || new.backing.is_some()) {
        let what = if new.backing.is_some() { "an image on top of another" } else { "a new image" };
        let refused = builder.refuse(format!("{what} cannot be of the format '{format}'"));
        refused.help = Some("the format is qcow2".to_owned());
        return None;
    }
    let options = (takes_backing && !new.is_reused).then(|| {
        let mut options = json!({"driver": "qcow2", "size": new.size});
        if let Some(backing) = new.backing {
            options["backing-file"] = backing.path.as_str().into();
            options["backing-fmt"] = backing.qemu_format().into();
        }
        options
    });
    let mut layer =
        Layer::found(Place::Local { path: path.clone(), block: *block }, kind, disk.origin);
    if !new.is_reused && !block {
        layer.new = Some(if takes_backing { 0 } else { new.size });
    }
    let prefix = format!("libvirt-{}", builder.next_node());
    let nodes = Nodes {
        name: &new.name,
        prefix: &prefix,
        top: true,
        readonly: false,
        has_format: blockdev::has_raw_nodes(builder),
        create: options,
    };
    let below = takes_backing.then(|| new.backing_node.into());
    blockdev::image(builder, &nodes, &layer, (below, None), style(disk))
}

/// Gives QEMU a descriptor for an image that it opens again with another access, in place of the one
/// in the set.
///
/// What is in the set shares its locks with what QEMU has open: it goes before QEMU opens the image
/// again, or QEMU's locks would stay with it and keep QEMU itself from the image.
pub(crate) fn lend(builder: &mut Builder<'_>, disk: &Disk, image: &OpenImage, access: Access) {
    let Some(set) = image.fdset else { return };
    let word = match access {
        Access::Ro => "reading",
        Access::Rw => "writing",
    };
    let open = Open::File { access, direct: style(disk).direct() };
    let fd = builder.fd(format!("{}-{word}", image.node), image.image.path.clone(), open);
    builder.afterwards("remove-fd", json!({"fdset-id": set}));
    builder.afterwards_in_set(fd, set);
}

impl Image {
    /// QEMU's driver of its format.
    pub(crate) fn qemu_format(&self) -> &str {
        match StorageFormat::parse(&self.format) {
            Ok(Some(format)) => qemu_format(format),
            _ => &self.format,
        }
    }
}
