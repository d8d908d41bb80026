//! PCI devices of the host that the guest gets.

use base::PciAddress;

use super::Builder;
use super::device::Device;

/// A PCI device of the host as the guest's device `alias`.
///
/// libvirt: `qemuBuildPCIHostdevDevProps`.
pub(super) fn pci(builder: &mut Builder<'_>, address: PciAddress, alias: &str) -> Device {
    let host = address.to_string();
    builder.by_path(format!("pci:{host}"), "QEMU opens devices of VFIO by itself");
    let mut device = Device::new("vfio-pci");
    device.set("host", host).set("id", alias);
    device
}
