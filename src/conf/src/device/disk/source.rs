//! `<source>` of a disk, of a backing image, of a data file, of NVRAM: where an image is kept.

use base::{NonEmpty, YesNo, words};
use xml::{El, Origin, Part, Reader, Xml};

use crate::device::disk::auth::Auth;
use crate::device::disk::encryption::Encryption;
use crate::device::disk::network_source::Network;
use crate::device::host_address::HostPciAddress;
use crate::device::reconnect::Reconnect;
use crate::seclabel::DeviceSeclabel;

/// Where an image is kept. The key `type` stands on the parent of `<source>`, which flattens this
/// with `within = "source"`.
///
/// libvirt: `virStorageType`, `virDomainStorageSourceParse`, `virDomainDiskSourceFormat`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type", default = "file")]
pub enum Source {
    /// A file.
    #[xml(word = "file")]
    File(File),
    /// A block device.
    #[xml(word = "block")]
    Block(Block),
    /// A directory, shown as a FAT file system.
    #[xml(word = "dir")]
    Dir(Dir),
    /// A server.
    #[xml(word = "network")]
    Network(Box<Network>),
    /// A volume of a libvirt storage pool.
    #[xml(word = "volume")]
    Volume(Volume),
    /// A name space of an NVMe controller of the host.
    #[xml(word = "nvme")]
    Nvme(Nvme),
    /// A vhost-user process.
    #[xml(word = "vhostuser")]
    VhostUser(VhostUser),
    /// A vDPA device.
    #[xml(word = "vhostvdpa")]
    VhostVdpa(VhostVdpa),
}

impl Source {
    /// A file at `path`.
    pub fn file(path: impl Into<String>) -> Self {
        Self::File(File { file: Some(NonEmpty(path.into())), ..File::default() })
    }

    /// Whether nothing is said of where the image is, as in an empty CD-ROM drive.
    ///
    /// libvirt: `virStorageSourceIsEmpty`.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::File(file) => file.file.is_none(),
            Self::Block(block) => block.dev.is_none(),
            Self::Dir(dir) => dir.dir.is_none(),
            Self::Volume(volume) => volume.pool.is_none(),
            Self::Network(_) | Self::Nvme(_) | Self::VhostUser(_) | Self::VhostVdpa(_) => false,
        }
    }

    /// The path on this host, of a file, block device, directory, socket or vDPA device.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::File(file) => file.file.as_deref(),
            Self::Block(block) => block.dev.as_deref(),
            Self::Dir(dir) => dir.dir.as_deref(),
            Self::VhostUser(vhost) => Some(&vhost.path),
            Self::VhostVdpa(vdpa) => Some(&vdpa.dev),
            Self::Network(_) | Self::Volume(_) | Self::Nvme(_) => None,
        }
    }

    /// Whether the image is on this host, in a file, block device or directory.
    ///
    /// libvirt: `virStorageSourceIsLocalStorage`, less volumes and NVMe.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::File(_) | Self::Block(_) | Self::Dir(_))
    }

    /// The server.
    pub fn network(&self) -> Option<&Network> {
        match self {
            Self::Network(network) => Some(network),
            _ => None,
        }
    }

    /// What every kind of source can have.
    pub fn common(&self) -> &SourceCommon {
        match self {
            Self::File(File { common, .. })
            | Self::Block(Block { common, .. })
            | Self::Dir(Dir { common, .. })
            | Self::Volume(Volume { common, .. })
            | Self::Nvme(Nvme { common, .. })
            | Self::VhostUser(VhostUser { common, .. })
            | Self::VhostVdpa(VhostVdpa { common, .. }) => common,
            Self::Network(network) => &network.common,
        }
    }

    /// What every kind of source can have.
    pub fn common_mut(&mut self) -> &mut SourceCommon {
        match self {
            Self::File(File { common, .. })
            | Self::Block(Block { common, .. })
            | Self::Dir(Dir { common, .. })
            | Self::Volume(Volume { common, .. })
            | Self::Nvme(Nvme { common, .. })
            | Self::VhostUser(VhostUser { common, .. })
            | Self::VhostVdpa(VhostVdpa { common, .. }) => common,
            Self::Network(network) => &mut network.common,
        }
    }

    /// Forgets what happens when the image is missing, which is said of a disk's own image only.
    ///
    /// libvirt: `virDomainDiskDefParseXML`, which reads it, and not `virDomainStorageSourceParse`.
    pub(crate) fn has_no_startup_policy(&mut self, reader: &mut Reader) {
        let common = self.common_mut();
        if common.startup_policy.take().is_some() {
            let part = Part::AttributeName("startupPolicy".to_owned());
            let message = "'startupPolicy' has no effect but on the image of a disk";
            reader.warning(common.origin, part, message);
        }
    }

    /// Who QEMU is to the server, if that was said in `<source>`.
    pub fn auth(&self) -> Option<&Auth> {
        self.common().auth.as_ref()
    }
}

/// What every kind of `<source>` can have.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(ignores = "index privateData")]
pub struct SourceCommon {
    /// Where `<source>` was written.
    pub origin: Origin,
    /// Which part of the file, device or object is the image.
    #[xml(child, name = "slice", within = "slices")]
    pub slices: Vec<Slice>,
    /// Labels of security drivers for this image alone.
    #[xml(child, on_request)]
    pub seclabel: Vec<DeviceSeclabel>,
    /// Who QEMU is to the server.
    #[xml(child, on_request)]
    pub auth: Option<Auth>,
    /// How the image is encrypted.
    #[xml(child)]
    pub encryption: Option<Encryption>,
    /// Who makes persistent reservations for the guest.
    #[xml(child)]
    pub reservations: Option<Reservations>,
    /// The file that holds a qcow2 image's data.
    #[xml(child, name = "dataStore")]
    pub data_store: Option<Box<DataStore>>,
    /// What happens when the image is missing at start.
    #[xml(attribute, name = "startupPolicy", on_request)]
    pub startup_policy: Option<StartupPolicy>,
}

impl SourceCommon {
    /// The part that is the image.
    ///
    /// libvirt reads no other kind: `virDomainStorageSourceParseSlices`.
    pub fn storage_slice(&self) -> Option<&Slice> {
        self.slices.first()
    }
}

/// `type='file'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct File {
    /// The path. Absent or empty: no medium.
    #[xml(attribute)]
    pub file: Option<NonEmpty>,
    /// The name of a set of descriptors that an application handed to libvirt.
    #[xml(attribute)]
    pub fdgroup: Option<String>,
    /// What every source can have.
    #[xml(flatten, with = "seclabel auth startupPolicy")]
    pub common: SourceCommon,
}

/// `type='block'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Block {
    /// The path. Absent or empty: no medium.
    #[xml(attribute)]
    pub dev: Option<NonEmpty>,
    /// What every source can have.
    #[xml(flatten, with = "seclabel auth startupPolicy")]
    pub common: SourceCommon,
}

/// `type='dir'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Dir {
    /// The path. Absent or empty: no medium.
    #[xml(attribute)]
    pub dir: Option<NonEmpty>,
    /// What every source can have.
    #[xml(flatten, with = "seclabel auth startupPolicy")]
    pub common: SourceCommon,
}

/// `type='volume'`.
///
/// libvirt: `virDomainDiskSourcePoolDefParse`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Volume::finish)]
pub struct Volume {
    /// The name of the pool.
    #[xml(attribute)]
    pub pool: Option<String>,
    /// The name of the volume in the pool.
    #[xml(attribute)]
    pub volume: Option<String>,
    /// Of an iSCSI pool: how the volume is reached. Absent: `host`.
    #[xml(attribute)]
    pub mode: Option<VolumeMode>,
    /// What every source can have.
    #[xml(flatten, with = "seclabel startupPolicy")]
    pub common: SourceCommon,
}

impl Volume {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.pool.is_some() != self.volume.is_some() {
            let message = "<source> of a volume needs both 'pool' and 'volume'";
            reader.error(el.origin(), Part::Name, message);
        }
    }
}

words! {
    /// How a volume of an iSCSI pool is reached.
    ///
    /// libvirt: `virStorageSourcePoolMode`.
    pub enum VolumeMode {
        /// By the block device that the host has for it.
        Host = "host",
        /// By QEMU itself.
        Direct = "direct",
    }
}

/// `type='nvme'`.
///
/// libvirt: `virDomainDiskSourceNVMeParse`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Nvme {
    /// The bus of the host's controller.
    #[xml(attribute, name = "type", required)]
    pub kind: NvmeBus,
    /// Whether the host lets go of the controller at start. Absent: yes, which completion fills in.
    #[xml(attribute)]
    pub managed: Option<YesNo>,
    /// The name space, from 1.
    #[xml(attribute, required)]
    pub namespace: u64,
    /// The controller.
    #[xml(child, required)]
    pub address: HostPciAddress,
    /// What every source can have.
    #[xml(flatten, with = "seclabel auth startupPolicy")]
    pub common: SourceCommon,
}

words! {
    /// The bus of an NVMe controller of the host.
    pub enum NvmeBus {
        /// PCI.
        Pci = "pci",
    }
}

/// `type='vhostuser'`.
///
/// libvirt: `virDomainDiskSourceVHostUserParse`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct VhostUser {
    /// How the process is reached.
    #[xml(attribute, name = "type", required)]
    pub kind: SocketKind,
    /// The socket on which it listens.
    #[xml(attribute, required)]
    pub path: String,
    /// Whether QEMU connects again.
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
    /// What every source can have.
    #[xml(flatten, with = "seclabel auth startupPolicy")]
    pub common: SourceCommon,
}

words! {
    /// The kind of a socket.
    pub enum SocketKind {
        /// A UNIX socket.
        Unix = "unix",
    }
}

/// `type='vhostvdpa'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct VhostVdpa {
    /// The device node.
    #[xml(attribute, required)]
    pub dev: String,
    /// What every source can have.
    #[xml(flatten, with = "seclabel auth startupPolicy")]
    pub common: SourceCommon,
}

words! {
    /// What happens when the image is missing at start.
    ///
    /// libvirt: `virDomainStartupPolicy`.
    pub enum StartupPolicy {
        /// The start is refused.
        Mandatory = "mandatory",
        /// The start is refused; after a migration or restore the drive is empty.
        Requisite = "requisite",
        /// The drive is empty.
        Optional = "optional",
    }
}

/// `<slice>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Slice {
    /// Where it was written.
    pub origin: Origin,
    /// What it is a part of.
    #[xml(attribute, name = "type", required)]
    pub kind: SliceKind,
    /// The first byte.
    #[xml(attribute, required)]
    pub offset: u64,
    /// The number of bytes.
    #[xml(attribute, required)]
    pub size: u64,
}

words! {
    /// What a slice is a part of.
    pub enum SliceKind {
        /// The file, device or object.
        Storage = "storage",
    }
}

/// `<reservations>`: persistent reservations of SCSI.
///
/// libvirt: `virStoragePRDefParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Reservations::finish)]
pub struct Reservations {
    /// Where it was written.
    pub origin: Origin,
    /// Whether the helper is started with the guest.
    #[xml(attribute, required)]
    pub managed: Option<YesNo>,
    /// Where a helper listens that somebody else has started.
    #[xml(child)]
    pub source: Option<ReservationsSource>,
}

impl Reservations {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.managed == Some(YesNo::No) && self.source.is_none() {
            let message = "<reservations managed='no'> needs <source type='unix' path='…' \
                           mode='client'/>";
            reader.error(el.origin(), Part::Name, message);
        }
    }
}

/// `<source>` of `<reservations>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct ReservationsSource {
    /// How the helper is reached.
    #[xml(attribute, name = "type", required)]
    pub kind: SocketKind,
    /// Its socket.
    #[xml(attribute, required)]
    pub path: String,
    /// QEMU's part.
    #[xml(attribute, required)]
    pub mode: ReservationsMode,
}

words! {
    /// QEMU's part in talking to a reservations helper.
    pub enum ReservationsMode {
        /// It connects.
        Client = "client",
    }
}

/// `<dataStore>`: the raw file that holds a qcow2 image's data.
///
/// libvirt: `virDomainStorageSourceParseDataStore`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = DataStore::finish)]
pub struct DataStore {
    /// Where it was written.
    pub origin: Origin,
    /// Its format.
    #[xml(attribute_child = "type", required)]
    pub format: DataStoreFormat,
    /// Where it is.
    #[xml(flatten, key_first, within = "source")]
    pub source: Source,
}

impl DataStore {
    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        self.source.has_no_startup_policy(reader);
    }
}

words! {
    /// The format of a data file.
    pub enum DataStoreFormat {
        /// The bytes of the disk.
        Raw = "raw",
    }
}
