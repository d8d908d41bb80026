//! The IOMMU.
//!
//! libvirt: `virDomainIOMMUDefValidate`, `virDomainDefIOMMUValidate`,
//! `qemuValidateDomainDeviceDefIOMMU`.

use base::OnOff;
use conf::address::Address;
use conf::device::iommu::{IommuDriver, IommuModel};
use conf::features::IoapicDriver;
use xml::Part;

use super::{Check, Rule, attribute, within};
use crate::machine::Family;

pub(super) const RULES: &[Rule] = &[
    Rule::new("iommu-fits-machine", "it is part of a q35 machine's chipset", machine),
    Rule::new("iommu-options-fit", "only Intel's has options", options),
    Rule::new("iommu-is-where-it-can-be", "Intel's is not on a bus", address),
    Rule::new("interrupt-remapping-is-possible", "QEMU must see the interrupts", remapping),
];

fn machine(check: &mut Check<'_>) {
    let Some(iommu) = &check.domain.devices.iommu else { return };
    let (origin, model) = (iommu.origin, iommu.model);
    if model == IommuModel::Smmuv3 || check.family != Family::Q35 {
        let machine = check.domain.os.kind.machine.as_deref().unwrap_or_default();
        let message = format!("the machine '{machine}' has no IOMMU '{model}'");
        let help = "write machine='q35' and model='intel' or 'virtio'";
        check.refuse(origin, attribute("model"), message, help);
        return;
    }
    match model {
        IommuModel::Intel => check.need_type("intel-iommu", origin, "IOMMU of Intel"),
        IommuModel::Virtio => {
            check.need_type("virtio-iommu-pci", origin, "virtio IOMMU");
            if !check.domain.features.as_ref().is_some_and(|features| features.acpi) {
                let message = "the guest finds a virtio IOMMU by ACPI, which it has not";
                let help = "write <features><acpi/></features>";
                check.refuse(origin, Part::Name, message, help);
            }
        }
        IommuModel::Smmuv3 => {}
    }
}

fn options(check: &mut Check<'_>) {
    let Some(iommu) = &check.domain.devices.iommu else { return };
    let is_plain = iommu.driver.as_ref().is_none_or(|driver| *driver == IommuDriver::default());
    if iommu.model != IommuModel::Intel && !is_plain {
        let message = format!("an IOMMU '{}' has no options", iommu.model);
        check.refuse(iommu.origin, within("driver"), message, "leave out <driver>");
    }
}

fn address(check: &mut Check<'_>) {
    let Some(iommu) = &check.domain.devices.iommu else { return };
    let fits = match iommu.model {
        IommuModel::Virtio => matches!(iommu.info.address, None | Some(Address::Pci(_))),
        IommuModel::Intel | IommuModel::Smmuv3 => iommu.info.address.is_none(),
    };
    if !fits {
        let message = format!("an IOMMU '{}' has no such <address>", iommu.model);
        check.refuse(iommu.origin, Part::Name, message, "leave it out");
    }
}

fn remapping(check: &mut Check<'_>) {
    let Some(iommu) = &check.domain.devices.iommu else { return };
    let Some(driver) = &iommu.driver else { return };
    let remaps = driver.intremap == Some(OnOff::On);
    let ioapic = check.domain.features.as_ref().and_then(|features| features.ioapic);
    if remaps && ioapic != Some(IoapicDriver::Qemu) {
        let message = "intremap='on' needs the I/O APIC in QEMU";
        let help = "write <features><ioapic driver='qemu'/></features>";
        check.refuse(iommu.origin, Part::Name, message, help);
    }
    if driver.eim == Some(OnOff::On) && !remaps {
        let message = "eim='on' needs intremap='on'";
        check.refuse(iommu.origin, Part::Name, message, "write both, or leave out 'eim'");
    }
}
