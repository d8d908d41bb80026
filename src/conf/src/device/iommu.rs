//! `<iommu>`: the unit that translates the addresses of devices.

use std::num::NonZeroU32;

use base::{OnOff, words};
use xml::{Origin, Xml};

use crate::device_info::DeviceInfo;

/// The IOMMU.
///
/// libvirt: `virDomainIOMMUDefParseXML`, `virDomainIOMMUDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Iommu {
    /// Where it was written.
    pub origin: Origin,
    /// What the guest sees.
    #[xml(attribute, required)]
    pub model: IommuModel,
    /// How it works.
    #[xml(child)]
    pub driver: Option<IommuDriver>,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// `<driver>` of an IOMMU; only Intel's has options. Absent: QEMU's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct IommuDriver {
    /// Whether interrupts are remapped; needs a split I/O APIC (QEMU: `intremap`).
    #[xml(attribute)]
    pub intremap: Option<OnOff>,
    /// Whether the guest says of each change in its tables, without which no device of the host can
    /// be behind it (QEMU: `caching-mode`).
    #[xml(attribute)]
    pub caching_mode: Option<OnOff>,
    /// Whether interrupts can reach more than 255 processors; needs `intremap` (QEMU: `eim`).
    #[xml(attribute)]
    pub eim: Option<OnOff>,
    /// Whether devices may cache translations (QEMU: `device-iotlb`).
    #[xml(attribute)]
    pub iotlb: Option<OnOff>,
    /// How many bits its addresses have: 39 or 48 (QEMU: `aw-bits`).
    #[xml(attribute)]
    pub aw_bits: Option<NonZeroU32>,
    /// Whether addresses are translated at all, or only interrupts (QEMU: `dma-translation`).
    #[xml(attribute)]
    pub dma_translation: Option<OnOff>,
}

words! {
    /// What the guest sees of an IOMMU.
    ///
    /// libvirt: `virDomainIOMMUModel`.
    pub enum IommuModel {
        /// Intel's VT-d. QEMU: `intel-iommu`.
        Intel = "intel",
        /// Arm's SMMU. QEMU: an option of the machine.
        Smmuv3 = "smmuv3",
        /// A virtio device. QEMU: `virtio-iommu-pci`.
        Virtio = "virtio",
    }
}
