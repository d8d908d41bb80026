//! The memory balloon, and the NVRAM device of other architectures.
//!
//! libvirt: `qemuValidateDomainDeviceDefMemballoon`, `qemuValidateDomainDeviceDefNVRAM`.

use conf::device::memballoon::MemballoonModel;
use xml::Part;

use super::{Check, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule::new("balloon-is-of-qemu", "another hypervisor has a balloon of its own", model),
    Rule::new("nvram-device-is-of-powerpc", "a PC keeps variables elsewhere", nvram),
];

fn model(check: &mut Check<'_>) {
    let balloon = check.domain.devices.memballoon.as_ref();
    if let Some(balloon) = balloon.filter(|balloon| balloon.model == MemballoonModel::Xen) {
        let message = "QEMU has no balloon 'xen'";
        check.refuse_value(balloon.origin, "model", message, "virtio or none");
    }
}

fn nvram(check: &mut Check<'_>) {
    if let Some(nvram) = &check.domain.devices.nvram {
        let message = "only guests of PowerPC have an <nvram> device";
        check.refuse(nvram.origin, Part::Name, message, "leave it out; UEFI has <os><nvram>");
    }
}
