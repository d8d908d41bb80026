//! `<driver>` of a disk: how the image is opened, cached and served.

use std::num::NonZeroU32;

use base::{Bytes, OnOff, Positive, words};
use xml::{El, Origin, Part, Reader, Xml};

use crate::device::iothread_mapping::IothreadMapping;
use crate::device::virtio::VirtioOptions;

/// `<driver>` of a disk. What is absent is QEMU's default, unless said otherwise.
///
/// libvirt: `virDomainDiskDefDriverParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Driver::finish)]
pub struct Driver {
    /// Where it was written.
    pub origin: Origin,
    /// The program that serves it: `qemu`, which completion fills in.
    #[xml(attribute)]
    pub name: Option<String>,
    /// The format of the image. Absent: raw, which completion fills in, except for a volume.
    #[xml(attribute, name = "type")]
    pub format: Option<StorageFormat>,
    /// How the host's page cache is used.
    #[xml(attribute)]
    pub cache: Option<Cache>,
    /// What happens when writing fails; reading too, unless `rerror_policy` is given.
    #[xml(attribute)]
    pub error_policy: Option<ErrorPolicy>,
    /// What happens when reading fails; all but `enospace`.
    #[xml(attribute)]
    pub rerror_policy: Option<ErrorPolicy>,
    /// How QEMU reads and writes.
    #[xml(attribute)]
    pub io: Option<Io>,
    /// Whether QEMU takes requests outside of the processor's thread.
    #[xml(attribute)]
    pub ioeventfd: Option<OnOff>,
    /// Whether the guest can say from which request on it wants to hear.
    #[xml(attribute)]
    pub event_idx: Option<OnOff>,
    /// Whether what is read from a backing image is written into the topmost one.
    #[xml(attribute)]
    pub copy_on_read: Option<OnOff>,
    /// What becomes of the guest's discard requests.
    #[xml(attribute)]
    pub discard: Option<Discard>,
    /// The I/O thread that serves it; only virtio and CCW.
    #[xml(attribute)]
    pub iothread: Option<Positive>,
    /// Whether writing zeroes becomes something cheaper.
    #[xml(attribute)]
    pub detect_zeroes: Option<DetectZeroes>,
    /// Of qcow2: whether discarded clusters keep their place.
    #[xml(attribute)]
    pub discard_no_unref: Option<OnOff>,
    /// How many queues for requests; only virtio.
    #[xml(attribute)]
    pub queues: Option<NonZeroU32>,
    /// How many requests a queue holds; only virtio.
    #[xml(attribute)]
    pub queue_size: Option<NonZeroU32>,
    /// Virtio options.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    /// Of qcow2: the cache of its tables.
    #[xml(child)]
    pub metadata_cache: MetadataCache,
    /// The I/O threads that serve its queues; only virtio.
    #[xml(child)]
    pub iothreads: Option<IothreadMapping>,
}

impl Driver {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.rerror_policy == Some(ErrorPolicy::Enospace) {
            let part = Part::Attribute("rerror_policy".to_owned());
            let message = "'enospace' is not a value of 'rerror_policy': reading needs no space";
            reader.error(el.origin(), part, message);
        }
    }
}

words! {
    /// The format of a disk image. QEMU takes `raw`, `bochs`, `cloop`, `dmg`, `vpc`, `vdi`, `fat`
    /// (with a directory), `ploop`, `qcow`, `qcow2`, `qed` and `vmdk`.
    ///
    /// libvirt: `virStorageFileFormat`.
    pub enum StorageFormat {
        /// No format: the bytes of the disk.
        Raw = "raw" | "aio",
        /// A directory.
        Dir = "dir",
        /// Bochs.
        Bochs = "bochs",
        /// Knoppix's compressed loop.
        Cloop = "cloop",
        /// Apple's disk image.
        Dmg = "dmg",
        /// ISO 9660, which is `raw` to QEMU.
        Iso = "iso",
        /// Microsoft's VHD.
        Vpc = "vpc",
        /// VirtualBox's.
        Vdi = "vdi",
        /// A directory shown as a FAT file system.
        Fat = "fat",
        /// Microsoft's VHD, under the name that only Xen uses.
        Vhd = "vhd",
        /// Parallels'.
        Ploop = "ploop",
        /// User-mode Linux's; QEMU has none since 2.2.
        Cow = "cow",
        /// The first version of QEMU's.
        Qcow = "qcow",
        /// QEMU's.
        Qcow2 = "qcow2",
        /// QEMU's other one.
        Qed = "qed",
        /// VMware's.
        Vmdk = "vmdk",
    }
}

words! {
    /// How the host's page cache is used, and what a flush does.
    ///
    /// libvirt: `virDomainDiskCache`; QEMU: `cache=` of `-drive`.
    pub enum Cache unset "default" {
        /// Not used (`O_DIRECT`); the guest sees a write cache.
        None = "none",
        /// Used for reading; each write reaches the disk.
        Writethrough = "writethrough",
        /// Used for both; the guest sees a write cache.
        Writeback = "writeback",
        /// Not used (`O_DIRECT`); each write reaches the disk.
        Directsync = "directsync",
        /// Used for both, and flushes are ignored.
        Unsafe = "unsafe",
    }
}

words! {
    /// What happens when reading or writing fails.
    ///
    /// libvirt: `virDomainDiskErrorPolicy`.
    pub enum ErrorPolicy {
        /// The guest stops.
        Stop = "stop",
        /// The guest hears of it.
        Report = "report",
        /// Nothing.
        Ignore = "ignore",
        /// The guest stops when there is no space left, and hears of all else.
        Enospace = "enospace",
    }
}

words! {
    /// How QEMU reads and writes.
    ///
    /// libvirt: `virDomainDiskIo`; QEMU: `aio`.
    pub enum Io {
        /// Linux AIO, which needs a cache mode with `O_DIRECT`.
        Native = "native",
        /// Threads.
        Threads = "threads",
        /// io_uring.
        IoUring = "io_uring",
    }
}

words! {
    /// What becomes of the guest's discard requests.
    ///
    /// libvirt: `virDomainDiskDiscard`.
    pub enum Discard {
        /// They free space in the image.
        Unmap = "unmap",
        /// Nothing.
        Ignore = "ignore",
    }
}

words! {
    /// Whether writing zeroes becomes something cheaper.
    ///
    /// libvirt: `virDomainDiskDetectZeroes`.
    pub enum DetectZeroes {
        /// No.
        Off = "off",
        /// It becomes a request to write zeroes.
        On = "on",
        /// It frees space in the image, where discard does.
        Unmap = "unmap",
    }
}

/// `<metadata_cache>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct MetadataCache {
    /// How many bytes of tables are kept (QEMU: `cache-size`).
    #[xml(text_child, unit)]
    pub max_size: Option<Bytes>,
}
