//! `<filesystem>`: folders shared with the guest.

use std::num::{NonZeroU32, NonZeroU64};

use base::{BadValue, Bytes, Datatype, OnOff, SanitizedPath, Value, words};
use xml::{El, Origin, Part, Reader, Xml};

use crate::device::disk::driver::StorageFormat;
use crate::device::virtio::{VirtioModel, VirtioOptions};
use crate::device_info::DeviceInfo;
use crate::idmap::Idmap;

/// A folder shared with the guest, by 9p or by virtiofs.
///
/// libvirt: `virDomainFSDefParseXML`, `virDomainFSDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Filesystem::finish)]
pub struct Filesystem {
    /// Where it was written.
    pub origin: Origin,
    /// How owners and modes are kept. Absent: `passthrough`, which completion fills in unless the
    /// source is a socket.
    #[xml(attribute)]
    pub accessmode: Option<AccessMode>,
    /// The generation of virtio. Absent: `virtio`.
    #[xml(attribute)]
    pub model: Option<VirtioModel>,
    /// Of 9p: what happens when the folder spans several file systems of the host.
    #[xml(attribute)]
    pub multidevs: Option<Multidevs>,
    /// Of 9p: the mode of new files.
    #[xml(attribute)]
    pub fmode: Option<FileMode>,
    /// Of 9p: the mode of new folders.
    #[xml(attribute)]
    pub dmode: Option<FileMode>,
    /// What serves it.
    #[xml(child)]
    pub driver: Driver,
    /// Of virtiofs: the daemon.
    #[xml(child, read_if = Filesystem::is_virtiofs)]
    pub binary: Option<Binary>,
    /// Of virtiofs: how users and groups of the guest become those of the host.
    #[xml(child, read_if = Filesystem::is_virtiofs)]
    pub idmap: Option<Idmap>,
    /// What is shared.
    #[xml(flatten, key_first, within = "source")]
    pub source: Source,
    /// Under which name the guest finds it.
    #[xml(child)]
    pub target: Target,
    /// The guest cannot write.
    #[xml(flag)]
    pub readonly: bool,
    /// Its boot order, name and address.
    #[xml(flatten, with = "boot")]
    pub info: DeviceInfo,
    /// How much a container may keep there.
    #[xml(text_child, unit)]
    pub space_hard_limit: Option<Bytes>,
    /// How much a container may keep there for a while.
    #[xml(text_child, unit)]
    pub space_soft_limit: Option<Bytes>,
}

impl Filesystem {
    /// Whether virtiofs serves it; 9p does otherwise.
    pub fn is_virtiofs(&self) -> bool {
        self.driver.kind == Some(DriverKind::Virtiofs)
    }

    /// The folder of the host, if a path says which.
    pub fn dir(&self) -> Option<&str> {
        match &self.source {
            Source::Mount(mount) => mount.dir.as_deref(),
            Source::Bind(bind) => bind.dir.as_deref(),
            _ => None,
        }
    }

    /// The socket of a virtiofs daemon that somebody else has started.
    pub fn socket(&self) -> Option<&str> {
        match &self.source {
            Source::Mount(mount) => mount.socket.as_deref(),
            _ => None,
        }
    }

    /// The name under which the guest finds it.
    pub fn tag(&self) -> Option<&str> {
        self.target.dir.as_deref()
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let mut needs = |what: &str| {
            let message = format!("<filesystem type='{}'> needs {what}", self.source.word());
            reader.error(el.origin(), Part::Name, message);
        };
        if let Some(attribute) = self.source.missing() {
            needs(&format!("<source {attribute}='…'/>"));
        }
        if self.target.dir.as_deref().is_none_or(str::is_empty) {
            needs("<target dir='…'/>");
        }
    }
}

words! {
    /// How owners and modes are kept.
    ///
    /// libvirt: `virDomainFSAccessMode`; QEMU: `security_model` of 9p.
    pub enum AccessMode {
        /// As the host's own.
        Passthrough = "passthrough",
        /// In extended attributes.
        Mapped = "mapped",
        /// As the host's own, where QEMU may set them (QEMU: `none`).
        Squash = "squash",
    }
}

words! {
    /// What happens when the folder spans several file systems of the host, whose inode numbers
    /// may be the same.
    ///
    /// libvirt: `virDomainFSMultidevs`; QEMU: `multidevs` of 9p.
    pub enum Multidevs unset "default" {
        /// The guest sees other inode numbers.
        Remap = "remap",
        /// The guest sees only the first one.
        Forbid = "forbid",
        /// QEMU writes a line into its log.
        Warn = "warn",
    }
}

/// A mode of files, written in octal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl Value for FileMode {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
        mode.map(|mode| Some(Self(mode)))
            .ok_or_else(|| BadValue::new("an octal mode from 0000 to 0777"))
    }

    fn write(&self, out: &mut String) {
        out.push_str(&format!("{:04o}", self.0));
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("[0-7]{1,4}")
    }
}

/// `<driver>` of a filesystem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Driver {
    /// Where it was written.
    pub origin: Origin,
    /// What serves the folder. Absent: QEMU, by 9p.
    #[xml(attribute, name = "type")]
    pub kind: Option<DriverKind>,
    /// Of a container: the format of the image.
    #[xml(attribute, read_if = Driver::has_kind)]
    pub format: Option<StorageFormat>,
    /// Of 9p: when what the guest writes reaches the disk. Absent: when the host thinks fit.
    #[xml(attribute, read_if = Driver::has_kind)]
    pub wrpolicy: Option<WritePolicy>,
    /// Of virtiofs: how many requests the queue holds.
    #[xml(attribute, read_if = Driver::is_virtiofs)]
    pub queue: Option<NonZeroU64>,
    /// Virtio options.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
}

impl Driver {
    fn has_kind(&self) -> bool {
        self.kind.is_some()
    }

    fn is_virtiofs(&self) -> bool {
        self.kind == Some(DriverKind::Virtiofs)
    }
}

words! {
    /// What serves a folder.
    ///
    /// libvirt: `virDomainFSDriverType`.
    pub enum DriverKind unset "default" {
        /// QEMU, by 9p.
        Path = "path",
        /// QEMU, by 9p and file handles; QEMU has it no more.
        Handle = "handle",
        /// A loop device of a container.
        Loop = "loop",
        /// A network block device of a container.
        Nbd = "nbd",
        /// Parallels' disk of a container.
        Ploop = "ploop",
        /// virtiofsd, by vhost-user.
        Virtiofs = "virtiofs",
        /// QEMU, as a USB media player.
        Mtp = "mtp",
    }
}

words! {
    /// When what the guest writes reaches the disk.
    ///
    /// libvirt: `virDomainFSWrpolicy`; QEMU: `writeout` of 9p.
    pub enum WritePolicy unset "default" {
        /// At once.
        Immediate = "immediate",
    }
}

/// What is shared. The keys of QEMU are `mount` alone; the others are those of containers.
///
/// libvirt: `virDomainFSType`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type", default = "mount")]
pub enum Source {
    /// A folder of the host.
    #[xml(word = "mount")]
    Mount(Mount),
    /// A file system on a block device of the host.
    #[xml(word = "block")]
    Block(Block),
    /// A file system in a file of the host.
    #[xml(word = "file")]
    File(File),
    /// A template of OpenVZ.
    #[xml(word = "template")]
    Template(Template),
    /// A file system in memory.
    #[xml(word = "ram")]
    Ram(Ram),
    /// A folder of the container.
    #[xml(word = "bind")]
    Bind(Bind),
    /// A volume of a storage pool.
    #[xml(word = "volume")]
    Volume(Volume),
}

impl Source {
    /// The attribute that is needed and not there.
    fn missing(&self) -> Option<&'static str> {
        match self {
            Self::Mount(mount) => (mount.dir.is_none() && mount.socket.is_none()).then_some("dir"),
            Self::Bind(bind) => bind.dir.is_none().then_some("dir"),
            Self::Block(block) => block.dev.is_none().then_some("dev"),
            Self::File(file) => file.file.is_none().then_some("file"),
            Self::Template(template) => template.name.is_none().then_some("name"),
            Self::Ram(_) | Self::Volume(_) => None,
        }
    }
}

/// `type='mount'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Mount {
    /// The folder.
    #[xml(attribute)]
    pub dir: Option<String>,
    /// The socket of a virtiofs daemon that somebody else has started, in place of the folder.
    #[xml(attribute)]
    pub socket: Option<String>,
}

/// `type='bind'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Bind {
    /// The folder.
    #[xml(attribute)]
    pub dir: Option<String>,
}

/// `type='block'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Block {
    /// The device.
    #[xml(attribute)]
    pub dev: Option<String>,
}

/// `type='file'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct File {
    /// The file.
    #[xml(attribute)]
    pub file: Option<String>,
}

/// `type='template'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Template {
    /// Its name.
    #[xml(attribute)]
    pub name: Option<String>,
}

/// `type='ram'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Ram {
    /// How much it may hold.
    #[xml(attribute)]
    pub usage: Option<u64>,
    /// The unit of `usage`. Absent: KiB.
    #[xml(attribute)]
    pub units: Option<String>,
}

/// `type='volume'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Volume {
    /// The name of the pool.
    #[xml(attribute)]
    pub pool: Option<String>,
    /// The name of the volume.
    #[xml(attribute)]
    pub volume: Option<String>,
}

/// `<target>` of a filesystem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Target {
    /// The name under which the guest mounts it; no path, though often written as one.
    #[xml(attribute)]
    pub dir: Option<String>,
}

/// `<binary>`: the virtiofs daemon. What is absent is its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Binary {
    /// Where it was written.
    pub origin: Origin,
    /// The program. Absent: the one that the host's descriptors name.
    #[xml(attribute)]
    pub path: Option<SanitizedPath>,
    /// Whether extended attributes pass.
    #[xml(attribute)]
    pub xattr: Option<OnOff>,
    /// How long the guest may trust what it has read.
    #[xml(attribute_child = "mode")]
    pub cache: Option<Cache>,
    /// How the daemon shuts itself in.
    #[xml(attribute_child = "mode")]
    pub sandbox: Option<Sandbox>,
    /// Whether locks reach the host.
    #[xml(child)]
    pub lock: Lock,
    /// How many threads serve requests; 0 means none besides the first.
    #[xml(attribute_child = "size", name = "thread_pool")]
    pub thread_pool: Option<u32>,
    /// How many files the daemon may have open.
    #[xml(attribute_child = "max", name = "openfiles")]
    pub open_files: Option<NonZeroU32>,
}

words! {
    /// How long the guest may trust what it has read.
    ///
    /// libvirt: `virDomainFSCacheMode`.
    pub enum Cache unset "default" {
        /// Not at all.
        None = "none",
        /// For good.
        Always = "always",
    }
}

words! {
    /// How virtiofsd shuts itself in.
    ///
    /// libvirt: `virDomainFSSandboxMode`.
    pub enum Sandbox unset "default" {
        /// In namespaces.
        Namespace = "namespace",
        /// By `chroot`.
        Chroot = "chroot",
    }
}

/// `<lock>`: whether locks reach the host; virtiofsd in Rust knows neither.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Lock {
    /// Those of `fcntl`.
    #[xml(attribute)]
    pub posix: Option<OnOff>,
    /// Those of `flock`.
    #[xml(attribute)]
    pub flock: Option<OnOff>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn modes_are_octal_with_four_digits() {
        let text = "<filesystem fmode='640'><source dir='/a'/><target dir='t'/></filesystem>";
        let (filesystem, _) = read::<Filesystem>("filesystem", text).unwrap();
        assert_eq!(filesystem.fmode, Some(FileMode(0o640)));
        assert!(xml::print(&filesystem, "filesystem").contains(" fmode='0640'"));
        assert!(FileMode::parse("1000").is_err());
        assert!(FileMode::parse("8").is_err());
    }

    #[test]
    fn the_daemon_is_read_only_for_virtiofs() {
        let text =
            "<filesystem><binary path='/d'/><source dir='/a'/><target dir='t'/></filesystem>";
        let (filesystem, problems) = read::<Filesystem>("filesystem", text).unwrap();
        assert_eq!(filesystem.binary, None);
        assert_eq!(problems, ["<binary> has no effect in this <filesystem>"]);
    }

    #[test]
    fn a_source_and_a_target_are_needed() {
        assert_eq!(
            reprint::<Filesystem>("filesystem", "<filesystem/>").unwrap_err(),
            [
                "<filesystem type='mount'> needs <source dir='…'/>",
                "<filesystem type='mount'> needs <target dir='…'/>",
            ]
        );
    }
}
