//! How many processors.
//!
//! libvirt: `qemuValidateDomainVCpuTopology`.

use base::OnOff;
use xml::Part;

use super::{Check, Rule};
use crate::machine::{Family, MAX_VCPUS_WITHOUT_EXTENDED_INTERRUPTS};

pub(super) const RULES: &[Rule] = &[
    Rule::new("machine-takes-processors", "each machine has a largest number", machine_limit),
    Rule::new("topology-adds-up", "each processor has one place in the topology", topology),
    Rule::new("many-processors-need-q35", "more than 255 need an IOMMU's help", many),
];

fn machine_limit(check: &mut Check<'_>) {
    let name = check.domain.os.kind.machine.as_deref().unwrap_or_default();
    let Some(machine) = check.capabilities.machine(name) else { return };
    let (limit, count) = (machine.max_cpus, check.domain.max_vcpus());
    if limit > 0 && count > limit {
        let origin = check.domain.vcpu.as_ref().map_or(check.domain.origin, |vcpu| vcpu.origin);
        let message = format!("the machine '{name}' takes no {count} processors");
        check.refuse(origin, Part::Text, message, format!("{limit} are its most"));
    }
}

fn topology(check: &mut Check<'_>) {
    let Some(topology) = check.domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref()) else {
        return;
    };
    let count = check.domain.max_vcpus();
    let room = topology.processors();
    if room != Some(count) {
        let room = room.map_or_else(|| "too many".to_owned(), |room| room.to_string());
        let message = format!("<topology> has room for {room} processors, and <vcpu> says {count}");
        check.refuse(
            topology.origin,
            Part::Name,
            message,
            "make sockets × dies × clusters × cores × threads the number in <vcpu>",
        );
    }
}

fn many(check: &mut Check<'_>) {
    let domain = check.domain;
    let count = domain.max_vcpus();
    if count <= MAX_VCPUS_WITHOUT_EXTENDED_INTERRUPTS {
        return;
    }
    let origin = domain.vcpu.as_ref().map_or(domain.origin, |vcpu| vcpu.origin);
    let driver = domain.devices.iommu.as_ref().and_then(|iommu| iommu.driver.as_ref());
    if check.family != Family::Q35 {
        let message = format!("{count} processors need a q35 machine");
        check.refuse(origin, Part::Text, message, "write machine='q35', or 255 or fewer");
    } else if driver.is_none_or(|driver| driver.eim != Some(OnOff::On)) {
        let message = format!("{count} processors need an IOMMU with extended interrupt mode");
        let help = "write <iommu model='intel'><driver intremap='on' eim='on'/></iommu>";
        check.refuse(origin, Part::Text, message, help);
    }
}
