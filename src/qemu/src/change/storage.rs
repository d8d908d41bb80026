//! Disks whose images another program has opened, and knows by names of its own.
//!
//! systemd calls them storage: `AddStorage`, `RemoveStorage` and `ReplaceStorage` of
//! `io.systemd.MachineInstance`, in `src/vmspawn/vmspawn-varlink.c`.

use base::NonEmpty;
use conf::Domain;
use conf::device::disk::TargetName;
use conf::device::disk::source::{Block, File, Source};
use conf::device::{DeviceKind, Disk};
use serde_json::{Value, json};
use xml::Tag;

use super::{Change, Medium, Step};
use crate::alias::Aliases;
use crate::plan::{Access, Command, Fd, Inventory, Open};

/// An image that somebody has opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Where it is, for people: it may be gone, or never have been there.
    pub path: String,
    /// Whether it is a block device; else it is a file.
    pub block: bool,
    /// Whether it was opened for reading only.
    pub readonly: bool,
    /// Whether it was opened past the host's cache (`O_DIRECT`).
    pub direct: bool,
}

/// What the guest sees of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// A virtio disk.
    VirtioBlk,
    /// A SCSI disk.
    VirtioScsi,
    /// A SCSI drive for CD-ROMs, which only reads.
    ScsiCd,
}

impl Model {
    /// systemd's word for it.
    ///
    /// systemd: `disk_type_table` in `src/shared/machine-util.c`, less `nvme`, whose controllers are part
    /// of the machine here.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "virtio-blk" => Some(Self::VirtioBlk),
            "virtio-scsi" => Some(Self::VirtioScsi),
            "scsi-cd" => Some(Self::ScsiCd),
            _ => None,
        }
    }
}

/// A document of the disk with the image at `path`, and the name that the disk has in it: the first that
/// no disk of the guest has.
pub fn document(live: &Domain, image: &Opened, model: Model, path: &str) -> (String, String) {
    let (prefix, bus, device) = match model {
        Model::VirtioBlk => ("vd", "virtio", "disk"),
        Model::VirtioScsi => ("sd", "scsi", "disk"),
        Model::ScsiCd => ("sd", "scsi", "cdrom"),
    };
    let is_free = |name: &TargetName| live.devices.disk(name.as_str()).is_none();
    let target = (0..).map(|index| TargetName::of(prefix, index)).find(is_free);
    let target = target.map(|name| name.as_str().to_owned()).unwrap_or_default();
    let mut disk = Tag::new("disk");
    disk.attribute("type", if image.block { "block" } else { "file" });
    disk.attribute("device", device);
    disk.child("driver", |driver| {
        driver.attribute("name", "qemu");
        driver.attribute("type", "raw");
        if image.direct {
            driver.attribute("cache", "none");
        }
    });
    disk.attribute_child("source", if image.block { "dev" } else { "file" }, path);
    disk.child("target", |tag| {
        tag.attribute("dev", &target);
        tag.attribute("bus", bus);
    });
    if image.readonly || model == Model::ScsiCd {
        disk.child("readonly", |_| {});
    }
    (disk.into_text(), target)
}

/// The text of a live document whose disk `target` is at another place, and how QEMU calls the disk.
/// `None`: it has no such disk, or is no document.
pub fn placed(document: &str, target: &str, image: &Opened) -> Option<(String, String)> {
    let mut alias = String::new();
    let text = super::edited(document, |domain| {
        let at = domain.devices.disk(target)?;
        alias = Aliases::assign(domain).get(DeviceKind::Disk, at).to_owned();
        place(&mut domain.devices.disks[at], image);
        Some(())
    })?;
    Some((text, alias))
}

/// Says where the image of a disk is.
fn place(disk: &mut Disk, image: &Opened) {
    let common = disk.source.common().clone();
    let path = Some(NonEmpty(image.path.clone()));
    disk.source = match image.block {
        true => Source::Block(Block { dev: path, common }),
        false => Source::File(File { file: path, common, ..File::default() }),
    };
}

/// What is done to put another image behind a disk, which the guest does not notice. `None` where QEMU
/// has something else for the disk than one raw image: a job is under way with it, or it has overlays.
///
/// systemd has QEMU reopen a node; here the device gets another one.
/// QEMU: `set_drive_helper` in `hw/core/qdev-properties-system.c`.
pub fn replace(
    live: &Domain,
    inventory: &Inventory,
    device: &str,
    image: &Opened,
) -> Option<Change> {
    let id = Aliases::assign(live).find(device).filter(|id| id.kind == DeviceKind::Disk)?;
    let disk = live.devices.disks.get(id.pos)?;
    let images = inventory.images(device);
    let [open] = images.as_slice() else { return None };
    let old = inventory.drive(device).filter(|drive| *drive == open.node)?;
    let has_format = open.node != open.storage;
    let mut domain = live.clone();
    place(&mut domain.devices.disks[id.pos], image);

    let (set, number) = (inventory.free_fdset(), inventory.free_node());
    let name = format!("{device}-image-{number}");
    let purpose = format!("disk {}", disk.name());
    let command = |execute: &str, arguments: Value| Command {
        execute: execute.to_owned(),
        arguments,
        purpose: purpose.clone(),
        ..Command::default()
    };
    let mut add_fd = command("add-fd", json!({ "fdset-id": set, "opaque": name }));
    add_fd.fds.push(name.clone());
    let storage = format!("libvirt-{number}-storage");
    let arguments = json!({
        "driver": if image.block { "host_device" } else { "file" },
        "filename": format!("/dev/fdset/{set}"), "node-name": storage,
    });
    let arguments = opened_as(arguments, image);
    let mut steps = vec![Step::new(add_fd), Step::new(command("blockdev-add", arguments))];
    let mut node = storage.clone();
    if has_format {
        node = format!("libvirt-{number}-format");
        let arguments = json!({ "driver": "raw", "file": storage, "node-name": node });
        let arguments = opened_as(arguments, image);
        steps.push(Step::new(command("blockdev-add", arguments)));
    }
    let drive = |node: &str| {
        let path = format!("/machine/peripheral/{device}");
        ("qom-set", json!({ "path": path, "property": "drive", "value": node }))
    };
    steps.push(Step::with_undo(drive(&node), Some(drive(old)), &purpose));
    let access = if image.readonly { Access::Ro } else { Access::Rw };
    let fd = Fd {
        name,
        source: image.path.clone(),
        open: Open::File { access, direct: image.direct },
        fdset: Some(set),
        purpose: purpose.clone(),
        ..Fd::default()
    };
    Some(Change {
        fds: vec![fd],
        medium: Some(Medium { device: device.to_owned(), node: Some(node) }),
        afterwards: inventory.below_node(old),
        ..Change::of_steps(inventory, &domain, format!("replace {purpose}"), steps)
    })
}

/// A node with what it says about how the image was opened.
fn opened_as(mut node: Value, image: &Opened) -> Value {
    node["read-only"] = image.readonly.into();
    if image.direct {
        node["cache"] = json!({ "direct": true, "no-flush": false });
    }
    node
}
