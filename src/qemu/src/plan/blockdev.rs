//! Block nodes: what QEMU makes of the images of a disk.

use base::OnOff;
use conf::device::disk::driver::{Cache, DetectZeroes, Discard, Driver, Io};
use serde_json::{Map, Value, json};

use conf::device::disk::driver::StorageFormat;
use conf::device::disk::encryption::{Encryption, EncryptionEngine, EncryptionFormat};

use super::chain::{Chain, Layer, Place, qemu_format};
use super::{Access, Builder, Fd, Open, network_source, reservations};

/// How the images of one disk are opened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// Whether the topmost image is only read.
    pub(super) readonly: bool,
    /// How the host's cache is used.
    pub(super) cache: Option<Cache>,
    /// How QEMU reads and writes.
    pub(super) io: Option<Io>,
    /// What becomes of discarded space.
    pub(super) discard: Option<Discard>,
    /// What becomes of written zeroes.
    pub(super) detect_zeroes: Option<DetectZeroes>,
    /// Of qcow2: whether discarded clusters keep their place.
    pub(super) discard_no_unref: Option<OnOff>,
    /// Whether the drive of the guest is one for CD-ROMs.
    pub(super) cdrom: bool,
    /// Whether the drive of the guest is one for floppies.
    pub(super) floppy: bool,
}

impl Style {
    /// What `<driver>` says; the rest is the disk's.
    pub(super) fn of(driver: &Driver) -> Self {
        Self {
            cache: driver.cache,
            io: driver.io,
            discard: driver.discard,
            detect_zeroes: driver.detect_zeroes,
            discard_no_unref: driver.discard_no_unref,
            ..Self::default()
        }
    }

    /// Whether the host's cache is passed by.
    pub(super) fn direct(self) -> bool {
        matches!(self.cache, Some(Cache::None | Cache::Directsync))
    }
}

/// Whether the guest sees a write cache; `None` leaves it to QEMU.
pub(super) fn write_cache(cache: Option<Cache>) -> Option<bool> {
    cache.map(|cache| matches!(cache, Cache::None | Cache::Writeback | Cache::Unsafe))
}

/// What a node is to the image it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The topmost node of an image, which the guest or the image above it uses.
    Effective { top: bool, readonly: bool },
    /// A node below it.
    Lower { readonly: bool },
}

/// Nodes of a disk's images, from the deepest up; the name of the topmost one.
///
/// libvirt: `qemuBuildStorageSourceChainAttachPrepareBlockdev`, and `src/qemu/qemu_block.c`.
pub(super) fn nodes(
    builder: &mut Builder<'_>,
    name: &str,
    chain: &Chain<'_>,
    numbers: &[u32],
    style: Style,
) -> Option<String> {
    let mut numbers: Vec<u32> = numbers.to_vec();
    let mut below = chain.ends.then_some(Value::Null);
    let has_format = has_raw_nodes(builder);
    for (depth, layer) in chain.layers.iter().enumerate().rev() {
        let top = depth == 0;
        let readonly = style.readonly || !top;
        let image = match depth {
            0 => format!("{name}-image"),
            depth => format!("{name}-backing{depth}"),
        };
        let data = match &layer.data {
            Some(data) => {
                let prefix = prefix(numbers.pop()?);
                let role = Role::Effective { top, readonly };
                Some(storage(builder, &format!("{image}-data"), data, &prefix, role, style)?)
            }
            None => None,
        };
        let prefix = prefix(numbers.pop()?);
        let nodes =
            Nodes { name: &image, prefix: &prefix, top, readonly, has_format, create: None };
        below = Some(self::image(builder, &nodes, layer, (below, data), style)?.into());
    }
    below?.as_str().map(str::to_owned)
}

/// What the names of an image's nodes begin with.
fn prefix(number: u32) -> String {
    format!("libvirt-{number}")
}

/// The nodes of one image.
#[derive(Clone, Debug)]
pub(super) struct Nodes<'a> {
    /// What its descriptors are called.
    pub(super) name: &'a str,
    /// What the names of its nodes begin with.
    pub(super) prefix: &'a str,
    /// Whether it is the topmost of a chain.
    pub(super) top: bool,
    /// Whether it is only read.
    pub(super) readonly: bool,
    /// Whether there is a node for its format even where none is needed.
    pub(super) has_format: bool,
    /// The options of `blockdev-create`, less the file, if the image is made.
    pub(super) create: Option<Value>,
}

/// The nodes of one image; the name of the effective one.
pub(super) fn image(
    builder: &mut Builder<'_>,
    nodes: &Nodes<'_>,
    layer: &Layer<'_>,
    (below, data): (Option<Value>, Option<String>),
    style: Style,
) -> Option<String> {
    let Nodes { name, prefix, top, readonly, .. } = *nodes;
    let effective = Role::Effective { top, readonly };
    let lower = Role::Lower { readonly };
    let encryption = layer.encryption.filter(|encryption| is_by_qemu(encryption));
    let has_format = nodes.has_format || layer.format != StorageFormat::Raw || encryption.is_some();
    let role = |last: bool| if last { effective } else { lower };
    let mut file =
        storage(builder, name, layer, prefix, role(!has_format && layer.slice.is_none()), style)?;
    if let Some(slice) = &layer.slice {
        let node = format!("{prefix}-slice-sto");
        let mut slice = object(json!({
            "driver": "raw", "file": file, "offset": slice.offset, "size": slice.size,
        }));
        slice.extend(common(&node, role(!has_format), style));
        builder.blockdev(slice.into());
        file = node;
    }
    if !has_format {
        return Some(file);
    }
    let node = format!("{prefix}-format");
    if let Some(mut options) = nodes.create.clone() {
        options["file"] = file.as_str().into();
        builder.create(format!("create-{node}"), options);
    }
    let key = match encryption {
        Some(encryption) => {
            let before = builder.problems.len();
            let keys = network_source::passphrases(builder, encryption, &node);
            if builder.problems.len() > before {
                return None;
            }
            keys.into_iter().next()
        }
        None => None,
    };
    let mut properties = common(&node, effective, style);
    properties.extend(format(layer, encryption, key, data, style));
    properties.insert("file".to_owned(), file.into());
    if layer.can_have_backing() {
        match below {
            Some(below) => {
                properties.insert("backing".to_owned(), below);
            }
            None if matches!(layer.place, Place::Other(_)) => builder.by_path(
                format!("backing image of {node}"),
                "only QEMU can read the header of an image on a server; write <backingStore/> if \
                 there is nothing below it",
            ),
            None => {}
        }
    }
    builder.blockdev(properties.into());
    Some(node)
}

/// Whether each image has a node of its own for its format, raw ones too.
///
/// QEMU before 9.2 names the wrong file in an image's header when a job changes what is above a
/// storage node.
pub(super) fn has_raw_nodes(builder: &Builder<'_>) -> bool {
    !builder.capabilities.at_least(9, 2)
}

/// Whether it is QEMU that encrypts, not the client library of the server.
fn is_by_qemu(encryption: &Encryption) -> bool {
    encryption.engine != Some(EncryptionEngine::Librbd)
}

/// What a node for a format says about that.
///
/// libvirt: `qemuBlockStorageSourceGetBlockdevFormatProps`.
fn format(
    layer: &Layer<'_>,
    encryption: Option<&Encryption>,
    key: Option<String>,
    data: Option<String>,
    style: Style,
) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    let format = qemu_format(layer.format);
    match encryption {
        Some(encryption) if format == "raw" && encryption.format == EncryptionFormat::Luks => {
            set("driver", "luks".into());
            set("key-secret", key.into());
        }
        Some(encryption) => {
            let cipher = match encryption.format {
                EncryptionFormat::Luks => "luks",
                _ => "aes",
            };
            set("driver", format.into());
            set("encrypt", json!({"format": cipher, "key-secret": key}));
        }
        None => {
            set("driver", format.into());
        }
    }
    if format == "qcow2" {
        if let Some(size) = layer.metadata_cache {
            set("cache-size", size.into());
        }
        if let Some(keep) = style.discard_no_unref {
            set("discard-no-unref", bool::from(keep).into());
        }
        if let Some(data) = data {
            set("data-file", data.into());
        }
    }
    properties
}

/// The node of what holds an image; its name.
fn storage(
    builder: &mut Builder<'_>,
    name: &str,
    layer: &Layer<'_>,
    prefix: &str,
    role: Role,
    style: Style,
) -> Option<String> {
    let node = format!("{prefix}-storage");
    let mut properties = match &layer.place {
        Place::Local { path, block } => {
            let manager = reservations::manager(builder, layer, &node);
            let driver = match block {
                true if style.cdrom && is_cdrom_drive(path) => "host_cdrom",
                true => "host_device",
                false => "file",
            };
            let mut fds = images(builder, name, path, &[access(role)], style);
            for fd in &mut fds {
                fd.origin = layer.origin;
                if let Some(size) = layer.new {
                    fd.open = Open::Create { size, direct: style.direct() };
                }
            }
            let path = builder.fdset(fds);
            let mut properties = object(json!({"driver": driver, "filename": path}));
            if let Some(aio) = aio(builder, style) {
                properties.insert("aio".to_owned(), aio.into());
            }
            if let Some(manager) = manager {
                properties.insert("pr-manager".to_owned(), manager.into());
            }
            properties
        }
        Place::Directory { path } => {
            let fd = builder.fd(format!("{name}-directory"), path.clone(), Open::Directory);
            let directory = builder.inherited_path(fd);
            let (Role::Effective { readonly, .. } | Role::Lower { readonly }) = role;
            object(json!({
                "driver": "vvfat", "dir": directory, "floppy": style.floppy, "rw": !readonly,
            }))
        }
        Place::Other(source) if source.network().is_some() => {
            // The secrets of a library that encrypts are called after the image's topmost node.
            let is_top = matches!(role, Role::Effective { .. });
            let upper = if is_top { node.clone() } else { format!("{prefix}-format") };
            network_source::properties(builder, layer, &node, &upper)?
        }
        Place::Other(source) => network_source::elsewhere(builder, name, source)?,
    };
    properties.extend(common(&node, role, style));
    if let (Place::Local { .. }, Role::Lower { readonly: false }) = (&layer.place, role) {
        properties.remove("auto-read-only");
        properties.insert("read-only".to_owned(), false.into());
    }
    builder.blockdev(properties.into());
    Some(node)
}

/// The descriptors of a file or block device, one for each access that QEMU asks for.
pub(super) fn images(
    builder: &mut Builder<'_>,
    name: &str,
    path: &str,
    accesses: &[Access],
    style: Style,
) -> Vec<Fd> {
    let fd = |access: &Access| {
        let name = match access {
            Access::Ro if accesses.len() > 1 => format!("{name}-ro"),
            _ => name.to_owned(),
        };
        let open = Open::File { access: *access, direct: style.direct() };
        builder.fd(name, path, open)
    };
    accesses.iter().map(fd).collect()
}

/// With which access QEMU asks for the file of a node: for an image that the guest writes always the
/// same, as libvirt has it of images that it is given as descriptors.
///
/// A node that is now written and now only read (`auto-read-only`) would go from one descriptor to
/// another. QEMU's locks belong to a descriptor and stay with the one that is left in the set, and
/// then keep QEMU itself from the image: no snapshot could be made, and nothing committed.
fn access(role: Role) -> Access {
    match role {
        Role::Effective { readonly: true, .. } | Role::Lower { readonly: true } => Access::Ro,
        Role::Effective { readonly: false, .. } | Role::Lower { readonly: false } => Access::Rw,
    }
}

/// How QEMU reads and writes. The guest cannot see which way is taken, so that where this QEMU lacks
/// io_uring its default does.
fn aio(builder: &mut Builder<'_>, style: Style) -> Option<&'static str> {
    match style.io? {
        Io::Native => Some("native"),
        Io::Threads => Some("threads"),
        Io::IoUring => builder.io_uring_works().then_some("io_uring"),
    }
}

/// Whether a block device is a CD-ROM drive of the host, whose medium can change.
///
/// libvirt asks the device (`virFileIsCDROM`); these are the names that Linux and udev give.
fn is_cdrom_drive(path: &str) -> bool {
    ["/dev/cdrom", "/dev/dvd", "/dev/sr", "/dev/scd"].iter().any(|name| path.starts_with(name))
}

/// What every node says, in libvirt's order.
fn common(node: &str, role: Role, style: Style) -> Map<String, Value> {
    let mut properties = object(json!({"node-name": node}));
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    match role {
        Role::Effective { top, readonly } => {
            set("read-only", readonly.into());
            if let Some(discard) = style.discard {
                set("discard", discard.to_string().into());
            }
            if let Some(detect) = style.detect_zeroes.filter(|_| top) {
                let unmaps = style.discard == Some(Discard::Unmap);
                let detect = match detect {
                    DetectZeroes::Unmap if !unmaps => DetectZeroes::On,
                    detect => detect,
                };
                set("detect-zeroes", detect.to_string().into());
            }
        }
        Role::Lower { .. } => {
            set("auto-read-only", true.into());
            set("discard", "unmap".into());
        }
    }
    if let Some(cache) = style.cache {
        let unsafe_ = cache == Cache::Unsafe;
        set("cache", json!({"direct": style.direct(), "no-flush": unsafe_}));
    }
    properties
}

/// The members of a JSON object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
