//! `<target>` of a disk: its bus and its name in the guest.

use std::num::NonZeroU32;

use base::{OnOff, words};
use xml::{Origin, Xml};

use crate::device::disk::target_name::TargetName;

/// `<target>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Target {
    /// Where it was written.
    pub origin: Origin,
    /// A name such as `vda`: it orders disks and gives those on a controller their place.
    #[xml(attribute, required)]
    pub dev: TargetName,
    /// The bus. Absent: what the name suggests.
    #[xml(attribute)]
    pub bus: Option<Bus>,
    /// Whether the tray is open. Absent: closed.
    #[xml(attribute)]
    pub tray: Option<Tray>,
    /// Whether the guest sees removable storage. libvirt gives it to a SCSI disk too, but does not
    /// print it there.
    #[xml(attribute, print_if = Target::is_usb)]
    pub removable: Option<OnOff>,
    /// Turns per minute, or 1 for a solid state disk.
    #[xml(attribute)]
    pub rotation_rate: Option<NonZeroU32>,
}

impl Target {
    fn is_usb(&self) -> bool {
        self.bus == Some(Bus::Usb)
    }
}

words! {
    /// The bus of a disk.
    ///
    /// libvirt: `virDomainDiskBus`.
    pub enum Bus {
        /// IDE.
        Ide = "ide",
        /// The floppy controller.
        Fdc = "fdc",
        /// SCSI.
        Scsi = "scsi",
        /// virtio-blk.
        Virtio = "virtio",
        /// Xen.
        Xen = "xen",
        /// USB storage.
        Usb = "usb",
        /// User-mode Linux.
        Uml = "uml",
        /// SATA.
        Sata = "sata",
        /// An SD card slot of the machine.
        Sd = "sd",
        /// A name space of an NVMe controller; since libvirt 11.5.
        Nvme = "nvme",
    }
}

words! {
    /// The tray of a drive whose medium can be changed; `closed` goes without saying.
    ///
    /// libvirt: `virDomainDiskTray`.
    pub enum Tray unset "closed" {
        /// Open.
        Open = "open",
    }
}
