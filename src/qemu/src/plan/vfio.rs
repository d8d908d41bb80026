//! PCI devices of the host that the guest gets.

use base::{PciAddress, YesNo};
use conf::device::host_address::HostdevDriver;
use serde_json::json;

use super::device::Device;
use super::{Access, Builder, Open};

/// QEMU's object for the host's IOMMU.
const IOMMUFD: &str = "iommufd0";

/// A PCI device of the host as the guest's device `alias`.
///
/// libvirt: `qemuBuildPCIHostdevDevProps`.
pub(super) fn pci(
    builder: &mut Builder<'_>,
    address: PciAddress,
    driver: &HostdevDriver,
    alias: &str,
) -> Device {
    let host = address.to_string();
    builder.by_path(format!("pci:{host}"), "QEMU opens devices of VFIO by itself");
    let mut device = Device::new("vfio-pci");
    device.set("host", host).set("id", alias);
    device.maybe("iommufd", iommufd(builder, driver));
    device
}

/// The object through which QEMU reaches the host's IOMMU, if not by VFIO's groups: one for all
/// devices.
fn iommufd(builder: &mut Builder<'_>, driver: &HostdevDriver) -> Option<&'static str> {
    if driver.iommufd != Some(YesNo::Yes) {
        return None;
    }
    if !builder.capabilities.has("iommufd") {
        let problem = builder.refuse("this QEMU has no IOMMUFD");
        problem.help = Some("leave out 'iommufd', or use QEMU 9.0 or later".to_owned());
    }
    if !builder.has_object(IOMMUFD) {
        let fd = builder.fd("iommufd", "/dev/iommu", Open::Device { access: Access::Rw });
        let number = builder.inherit(fd).to_string();
        builder.object(json!({"qom-type": "iommufd", "id": IOMMUFD, "fd": number}));
    }
    Some(IOMMUFD)
}
