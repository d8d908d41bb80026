//! `<disk>`: disks, CD-ROM drives, floppy drives.

pub mod auth;
pub mod backing_store;
pub mod driver;
pub mod encryption;
pub mod network_source;
pub mod source;
pub mod target;
pub mod target_name;

use std::num::NonZeroU32;

use base::{BadValue, Datatype, NonEmpty, Value, YesNo, words};
use xml::{El, Origin, Part, Reader, Xml};

use crate::device_info::DeviceInfo;
use crate::throttle::{Iotune, ThrottleFilter};

pub use auth::Auth;
pub use backing_store::{BackingImage, BackingStore};
pub use driver::Driver;
pub use encryption::Encryption;
pub use source::Source;
pub use target::{Bus, Target};
pub use target_name::TargetName;

words! {
    /// What the guest sees.
    ///
    /// libvirt: `virDomainDiskDevice`.
    pub enum DiskDevice {
        /// A disk.
        Disk = "disk",
        /// A CD-ROM drive, which may be empty.
        Cdrom = "cdrom",
        /// A floppy drive, which may be empty.
        Floppy = "floppy",
        /// A SCSI device of the host, whose commands are passed through.
        Lun = "lun",
    }
}

words! {
    /// How a snapshot of the guest treats the disk.
    ///
    /// libvirt: `virDomainSnapshotLocation`.
    pub enum Snapshot {
        /// It leaves it out.
        No = "no",
        /// The snapshot is stored in the image.
        Internal = "internal",
        /// The snapshot starts a new image on top.
        External = "external",
        /// Somebody else makes the snapshot.
        Manual = "manual",
    }
}

words! {
    /// Which SCSI commands of the guest reach the device.
    ///
    /// libvirt: `virDomainDeviceSGIO`.
    pub enum Sgio {
        /// Those that the kernel takes for harmless.
        Filtered = "filtered",
        /// All; no kernel since 5.x has the knob.
        Unfiltered = "unfiltered",
    }
}

words! {
    /// Which device of its bus a disk is.
    ///
    /// libvirt: `virDomainDiskModel`.
    pub enum DiskModel {
        /// virtio of the generation that the slot suggests.
        Virtio = "virtio",
        /// virtio 0.9 and 1.0.
        VirtioTransitional = "virtio-transitional",
        /// virtio 1.0 alone.
        VirtioNonTransitional = "virtio-non-transitional",
        /// USB storage with one unit (QEMU: `usb-storage`); since libvirt 11.5.
        UsbStorage = "usb-storage",
        /// USB storage with a SCSI bus, which takes CD-ROM drives too (QEMU: `usb-bot`); since
        /// libvirt 11.5.
        UsbBot = "usb-bot",
    }
}

/// A disk.
///
/// libvirt: `virDomainDiskDefParseXML`, `virDomainDiskDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Disk::finish, ignores = "mirror")]
pub struct Disk {
    /// Where it was written.
    pub origin: Origin,
    /// What the guest sees.
    #[xml(attribute)]
    pub device: DiskDevice,
    /// Which device of its bus it is. Absent: the bus's usual one.
    #[xml(attribute)]
    pub model: Option<DiskModel>,
    /// Whether QEMU may send any SCSI command (`CAP_SYS_RAWIO`); only `lun`.
    #[xml(attribute)]
    pub rawio: Option<YesNo>,
    /// Which SCSI commands pass; only `lun`.
    #[xml(attribute)]
    pub sgio: Option<Sgio>,
    /// How a snapshot treats it. Absent: as the snapshot says.
    #[xml(attribute, print_if = Disk::prints_snapshot)]
    pub snapshot: Option<Snapshot>,
    /// How it is opened, cached and served.
    #[xml(child)]
    pub driver: Driver,
    /// Who QEMU is to the server, where that was said here and not in `<source>`.
    #[xml(child)]
    pub auth: Option<Auth>,
    /// What is behind it.
    #[xml(flatten, key_first, within = "source")]
    pub source: Source,
    /// The image below the topmost one. Absent: what the image itself says.
    #[xml(child, name = "backingStore", keep_empty)]
    pub backing_store: Option<BackingStore>,
    /// The domain that does the work; only Xen has one.
    #[xml(attribute_child = "name", name = "backenddomain")]
    pub backend_domain: Option<String>,
    /// Cylinders, heads and sectors. Absent: QEMU guesses them.
    #[xml(child)]
    pub geometry: Option<Geometry>,
    /// Block sizes that the guest sees.
    #[xml(child)]
    pub blockio: Blockio,
    /// Bus and name.
    #[xml(child, required)]
    pub target: Target,
    /// Limits of its own.
    #[xml(child)]
    pub iotune: Option<Iotune>,
    /// Throttle groups that requests pass, in this order.
    #[xml(child, name = "throttlefilter", within = "throttlefilters")]
    pub throttle_filters: Vec<ThrottleFilter>,
    /// The guest cannot write.
    #[xml(flag)]
    pub readonly: bool,
    /// Several guests may write at once.
    #[xml(flag)]
    pub shareable: bool,
    /// What the guest writes is thrown away when it ends.
    #[xml(child, keep_empty)]
    pub transient: Option<Transient>,
    /// The serial number that the guest sees.
    #[xml(text_child)]
    pub serial: Option<NonEmpty>,
    /// The world-wide name that the guest sees: 16 hexadecimal digits.
    #[xml(text_child)]
    pub wwn: Option<Wwn>,
    /// The vendor that the guest sees on a SCSI disk.
    #[xml(text_child)]
    pub vendor: Option<ScsiText<8>>,
    /// The product that the guest sees on a SCSI disk.
    #[xml(text_child)]
    pub product: Option<ScsiText<16>>,
    /// How the image is encrypted, where that was said here and not in `<source>`.
    #[xml(child)]
    pub encryption: Option<Encryption>,
    /// Its boot order, name and address.
    #[xml(flatten, with = "boot")]
    pub info: DeviceInfo,
}

impl super::Devices {
    /// The place of the disk that a word means: its name, or where its image is.
    ///
    /// libvirt: `virDomainDiskByName`.
    pub fn disk(&self, word: &str) -> Option<usize> {
        let is_at = |disk: &Disk| {
            let network = disk.source.network().and_then(|network| network.name.as_ref());
            disk.source.path() == Some(word) || network.is_some_and(|name| name.to_string() == word)
        };
        let named = self.disks.iter().position(|disk| disk.name() == word);
        named.or_else(|| self.disks.iter().position(is_at))
    }
}

impl Disk {
    /// Whether it is a CD-ROM drive.
    pub fn is_cdrom(&self) -> bool {
        self.device == DiskDevice::Cdrom
    }

    /// Whether it is a floppy drive.
    pub fn is_floppy(&self) -> bool {
        self.device == DiskDevice::Floppy
    }

    /// Whether it is a SCSI device of the host, passed through.
    pub fn is_lun(&self) -> bool {
        self.device == DiskDevice::Lun
    }

    /// Whether the medium can be changed.
    pub fn is_removable(&self) -> bool {
        self.is_cdrom() || self.is_floppy()
    }

    /// Whether the drive has no medium.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// The bus, once it is known.
    pub fn bus(&self) -> Option<Bus> {
        self.target.bus
    }

    /// The name in the guest, such as `vda`.
    pub fn name(&self) -> &str {
        self.target.dev.as_str()
    }

    /// Who QEMU is to the server, wherever that was said.
    pub fn auth(&self) -> Option<&Auth> {
        self.auth.as_ref().or_else(|| self.source.auth())
    }

    /// How the image is encrypted, wherever that was said.
    pub fn encryption(&self) -> Option<&Encryption> {
        self.encryption.as_ref().or_else(|| self.source.common().encryption.as_ref())
    }

    /// The images below the topmost one that the document names, from the top.
    pub fn backing_images(&self) -> impl Iterator<Item = &BackingImage> {
        let top = self.backing_store.as_ref().and_then(BackingStore::image);
        std::iter::successors(top, |image| image.backing_store.as_ref()?.image())
    }

    /// Whether what the guest writes is thrown away.
    pub fn is_transient(&self) -> bool {
        self.transient.is_some()
    }

    /// libvirt leaves out `no` where it goes without saying.
    fn prints_snapshot(&self) -> bool {
        !(self.readonly && self.snapshot == Some(Snapshot::No))
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if el.child("source").is_none() {
            self.source = Source::default();
        }
        for name in ["auth", "encryption"] {
            let inside = el.child("source").and_then(|source| source.child(name));
            if let Some(child) = el.child(name).filter(|_| inside.is_some()) {
                let message = format!("<{name}> stands both here and in <source>; one must go");
                reader.error(child.origin(), Part::Name, message);
            }
        }
        if self.geometry.as_ref().is_some_and(|geometry| !geometry.is_complete()) {
            let origin = el.child("geometry").map_or(el.origin(), El::origin);
            let message = "<geometry> has no effect without cyls, heads and secs above 0";
            reader.warning(origin, Part::Name, message);
            self.geometry = None;
        }
    }
}

/// `<geometry>`.
///
/// libvirt: `virDomainDiskDefGeometryParse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Geometry {
    /// Cylinders.
    #[xml(attribute)]
    pub cyls: Option<NonZeroU32>,
    /// Heads.
    #[xml(attribute)]
    pub heads: Option<NonZeroU32>,
    /// Sectors.
    #[xml(attribute)]
    pub secs: Option<NonZeroU32>,
    /// How the BIOS translates.
    #[xml(attribute)]
    pub trans: Option<GeometryTranslation>,
}

impl Geometry {
    fn is_complete(&self) -> bool {
        self.cyls.is_some() && self.heads.is_some() && self.secs.is_some()
    }
}

words! {
    /// How the BIOS translates the geometry of a disk.
    ///
    /// libvirt: `virDomainDiskGeometryTrans`.
    pub enum GeometryTranslation unset "default" {
        /// Not at all.
        None = "none",
        /// As it thinks fit.
        Auto = "auto",
        /// By logical block addresses.
        Lba = "lba",
    }
}

/// `<blockio>`: sizes in bytes. Absent: QEMU's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Blockio {
    /// The smallest unit that the guest can address.
    #[xml(attribute)]
    pub logical_block_size: Option<NonZeroU32>,
    /// The unit that the disk writes at once.
    #[xml(attribute)]
    pub physical_block_size: Option<NonZeroU32>,
    /// The smallest unit that can be discarded; 0 means that none can.
    #[xml(attribute)]
    pub discard_granularity: Option<u32>,
}

/// `<transient>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Transient {
    /// Whether other guests may use the image at the same time.
    #[xml(attribute, name = "shareBacking")]
    pub share_backing: Option<YesNo>,
}

/// A world-wide name: 16 hexadecimal digits, perhaps with `0x` in front, printed as written.
///
/// libvirt: `virValidateWWN`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wwn(String);

impl Wwn {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number.
    pub fn number(&self) -> u64 {
        let digits = self.0.strip_prefix("0x").unwrap_or(&self.0);
        u64::from_str_radix(digits, 16).expect("reading let only 16 hexadecimal digits through")
    }
}

impl Value for Wwn {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let good = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bad = || BadValue::new("a world-wide name of 16 hexadecimal digits");
        if good { Ok(Some(Self(text.to_owned()))) } else { Err(bad()) }
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("(0x)?[0-9a-fA-F]{16}")
    }
}

/// A text of at most `MAX` printable ASCII characters.
///
/// libvirt: `virDomainDiskDefParseXML` and `virStringIsPrintable`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScsiText<const MAX: usize>(String);

impl<const MAX: usize> ScsiText<MAX> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Value for ScsiText<MAX> {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let good = text.len() <= MAX && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let bad = || BadValue::new(format!("at most {MAX} printable ASCII characters"));
        if good { Ok(Some(Self(text.to_owned()))) } else { Err(bad()) }
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }

    fn datatype() -> Datatype {
        match MAX {
            8 => Datatype::Pattern("[ -~]{0,8}"),
            16 => Datatype::Pattern("[ -~]{0,16}"),
            _ => Datatype::Pattern("[ -~]*"),
        }
    }
}

#[cfg(test)]
mod tests;
