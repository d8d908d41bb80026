//! PCI devices of the host that the guest gets.

use base::{PciAddress, YesNo};
use conf::Domain;
use conf::device::disk::source::Source;
use conf::device::host_address::HostdevDriver;
use conf::device::hostdev::HostdevKind;
use conf::device::interface::InterfaceKind;
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

/// How often the guest's memory is mapped for devices of the host: once for all that VFIO assigns, or
/// for each where the guest has an IOMMU; and for each that vDPA or QEMU's NVMe driver uses.
pub(super) fn memory_maps(domain: &Domain) -> u64 {
    let devices = &domain.devices;
    let hostdevs = devices.hostdevs.iter();
    let assigned = hostdevs
        .filter(|hostdev| matches!(hostdev.kind, HostdevKind::Pci(_) | HostdevKind::Mdev(_)))
        .count();
    let interfaces = |is_it: fn(&InterfaceKind) -> bool| {
        devices.interfaces.iter().filter(|interface| is_it(&interface.kind)).count()
    };
    let assigned = assigned + interfaces(|kind| matches!(kind, InterfaceKind::Hostdev(_)));
    let by_vfio = if domain.devices.iommu.is_some() { assigned } else { assigned.min(1) };
    let disks = devices
        .disks
        .iter()
        .filter(|disk| matches!(disk.source, Source::Nvme(_) | Source::VhostVdpa(_)));
    let by_others = disks.count() + interfaces(|kind| matches!(kind, InterfaceKind::Vdpa(_)));
    (by_vfio + by_others) as u64
}
