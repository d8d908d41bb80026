//! `<address>` inside `<source>`, and `<driver>` beside it: where the host finds a device, and what
//! it does with it.

use base::{PciAddress, YesNo, words};
use xml::{Origin, Xml};

use crate::address::Hex;

/// A device of the host, with its bus.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(key = "type", default = "pci")]
pub enum HostAddress {
    /// A PCI device.
    #[xml(word = "pci")]
    Pci(HostPciAddress),
    /// A USB device.
    #[xml(word = "usb")]
    Usb(HostUsbAddress),
}

/// A PCI device of the host.
///
/// libvirt: `virPCIDeviceAddressParseXML`, `virPCIDeviceAddressFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct HostPciAddress {
    /// Where it was written.
    pub origin: Origin,
    /// The PCI domain.
    #[xml(attribute)]
    pub domain: Hex<4, 0xffff_ffff>,
    /// The bus.
    #[xml(attribute)]
    pub bus: Hex<2, 0xff>,
    /// The slot on the bus.
    #[xml(attribute)]
    pub slot: Hex<2, 0x1f>,
    /// The function in the slot.
    #[xml(attribute)]
    pub function: Hex<1, 7>,
}

impl HostPciAddress {
    /// The address.
    pub fn address(&self) -> PciAddress {
        PciAddress {
            domain: self.domain.0 as u32,
            bus: self.bus.0 as u32,
            slot: self.slot.0 as u32,
            function: self.function.0 as u32,
        }
    }
}

/// A USB device of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct HostUsbAddress {
    /// Where it was written.
    pub origin: Origin,
    /// The bus.
    #[xml(attribute)]
    pub bus: u32,
    /// The number of the device on the bus, which changes whenever it is plugged in.
    #[xml(attribute)]
    pub device: u32,
}

/// `<driver>` of a PCI device of the host.
///
/// libvirt: `virDeviceHostdevPCIDriverInfoParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct HostdevDriver {
    /// What gives the guest the device. Absent: VFIO.
    #[xml(attribute)]
    pub name: Option<HostdevDriverName>,
    /// The kernel's driver. Absent: the one made for the device, else `vfio-pci`.
    #[xml(attribute)]
    pub model: Option<String>,
    /// Whether QEMU reaches the host's IOMMU by IOMMUFD (QEMU: `iommufd`). Absent: no, but by VFIO's
    /// groups. libvirt: since 12.1.0.
    #[xml(attribute)]
    pub iommufd: Option<YesNo>,
}

words! {
    /// What gives the guest a PCI device of the host.
    ///
    /// libvirt: `virDeviceHostdevPCIDriverName`.
    pub enum HostdevDriverName unset "default" {
        /// The way of old KVM, long gone.
        Kvm = "kvm",
        /// VFIO.
        Vfio = "vfio",
        /// Xen.
        Xen = "xen",
    }
}
