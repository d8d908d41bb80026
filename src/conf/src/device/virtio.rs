//! What every virtio device has: the generation of its model, and options of its driver.

use base::{OnOff, words};
use xml::Xml;

words! {
    /// Which generations of virtio a device speaks. Absent, where it may be: as `virtio`.
    ///
    /// libvirt: `virDomainDiskModel`, `virDomainFSModel`, `virDomainVsockModel` and others.
    pub enum VirtioModel {
        /// What the slot it sits in suggests.
        Virtio = "virtio",
        /// Both 0.9 and 1.0.
        Transitional = "virtio-transitional",
        /// Only 1.0.
        NonTransitional = "virtio-non-transitional",
    }
}

/// What `<driver>` of every virtio device takes besides what is its own. Absent: QEMU's default.
///
/// libvirt: `virDomainVirtioOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct VirtioOptions {
    /// Whether the device uses the addresses of an emulated IOMMU (QEMU: `iommu_platform`).
    #[xml(attribute)]
    pub iommu: Option<OnOff>,
    /// Whether it caches translations of that IOMMU (QEMU: `ats`).
    #[xml(attribute)]
    pub ats: Option<OnOff>,
    /// Whether packed queues are offered (QEMU: `packed`).
    #[xml(attribute)]
    pub packed: Option<OnOff>,
    /// Whether each queue's doorbell has a page of its own (QEMU: `page-per-vq`).
    #[xml(attribute)]
    pub page_per_vq: Option<OnOff>,
}
