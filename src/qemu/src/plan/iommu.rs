//! The IOMMU.

use std::num::NonZeroU32;

use conf::device::iommu::{Iommu, IommuModel};

use super::Builder;
use super::device::Device;

/// The IOMMU.
///
/// libvirt: `qemuBuildIOMMUCommandLine`.
pub(super) fn iommu(builder: &mut Builder<'_>, iommu: &Iommu) {
    builder.part("IOMMU", iommu.origin);
    let mut device = match iommu.model {
        IommuModel::Intel => Device::new("intel-iommu"),
        IommuModel::Virtio => Device::new("virtio-iommu"),
        IommuModel::Smmuv3 => {
            builder.refuse("this machine has no IOMMU 'smmuv3'");
            return;
        }
    };
    device.set("id", "iommu0");
    if let (IommuModel::Intel, Some(driver)) = (iommu.model, &iommu.driver) {
        device.on_off("intremap", driver.intremap);
        device.switch("caching-mode", driver.caching_mode);
        device.on_off("eim", driver.eim);
        device.switch("device-iotlb", driver.iotlb);
        device.maybe("aw-bits", driver.aw_bits.map(NonZeroU32::get));
        device.switch("dma-translation", driver.dma_translation);
    }
    device.address(&iommu.info, builder);
    builder.device(device);
}
