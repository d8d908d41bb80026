//! `<panic>`: a device through which the guest says that it panicked.

use base::words;
use xml::{Origin, Xml};

use crate::device_info::DeviceInfo;

/// What reports a guest's panic.
///
/// libvirt: `virDomainPanicDefParseXML`, `virDomainPanicDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Panic {
    /// Where it was written.
    pub origin: Origin,
    /// How the guest reports. Absent: completion chooses the one of the machine.
    #[xml(attribute)]
    pub model: Option<PanicModel>,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

words! {
    /// How a guest reports a panic.
    ///
    /// libvirt: `virDomainPanicModel`.
    pub enum PanicModel unset "default" {
        /// By a port of the ISA bus. QEMU: `pvpanic`.
        Isa = "isa",
        /// By a call of PowerPC's firmware.
        Pseries = "pseries",
        /// By registers of Hyper-V. QEMU: the CPU's `hv-crash`.
        Hyperv = "hyperv",
        /// By a wait state of s390.
        S390 = "s390",
        /// By a PCI device. QEMU: `pvpanic-pci`.
        Pvpanic = "pvpanic",
    }
}
