//! The processor: the default model, and how it is checked.

use base::{CpuSet, NonEmpty, OnOff, YesNo};
use conf::cpu::{Cpu, CpuCheck, CpuMatch, CpuMode, CpuModel, Fallback, Numa, NumaCell};
use conf::device::memory_device::{
    Dimm, MemoryModel, Nvdimm, NvdimmTarget, PlainTarget, VirtioMem, VirtioMemTarget,
};
use conf::vcpu::Vcpus;
use conf::{Domain, DomainType};
use xml::{Origin, Part, Problem};

use super::Mode;
use super::context::Context;

/// A guest that names no CPU model gets the one that the machine has by default, which is then kept.
///
/// libvirt: `qemuDomainDefCPUPostParse`, `qemuDomainDefSetDefaultCPU`.
pub(super) fn default_model(domain: &mut Domain, context: &mut Context<'_>) {
    let cpu = domain.cpu.as_ref();
    if cpu.is_some_and(|cpu| cpu.mode != CpuMode::Custom || cpu.model_name().is_some()) {
        return;
    }
    let Some(default) = domain
        .os
        .kind
        .machine
        .as_deref()
        .and_then(|name| context.capabilities.machine(name))
        .and_then(|machine| machine.default_cpu.clone())
    else {
        return;
    };
    let cpu = domain
        .cpu
        .get_or_insert_with(|| Cpu { origin: Origin::Step("default CPU model"), ..Cpu::default() });
    cpu.mode = CpuMode::Custom;
    cpu.matching = CpuMatch::Exact;
    cpu.check = Some(CpuCheck::None);
    let model = cpu.model.get_or_insert_with(CpuModel::default);
    model.name = Some(NonEmpty(default));
    model.fallback = Fallback::Forbid;
}

/// A processor that is the host's can be migrated unless the document says otherwise, and any is
/// checked as far as its kind allows.
///
/// libvirt: `qemuDomainDefCPUPostParse`.
pub(super) fn default_check(domain: &mut Domain, context: &mut Context<'_>) {
    let kind = domain.kind;
    let Some(cpu) = &mut domain.cpu else { return };
    if cpu.mode == CpuMode::HostPassthrough
        && cpu.migratable.is_none()
        && context.capabilities.has_migratable_cpu()
    {
        cpu.migratable = Some(OnOff::On);
    }
    if cpu.mode == CpuMode::Custom && cpu.model_name().is_none() {
        return;
    }
    cpu.check.get_or_insert(match cpu.mode {
        CpuMode::HostPassthrough | CpuMode::Maximum => CpuCheck::None,
        CpuMode::HostModel => CpuCheck::Partial,
        CpuMode::Custom if kind == DomainType::Qemu => CpuCheck::None,
        CpuMode::Custom => CpuCheck::Partial,
    });
}

/// In a new definition a guest that is going to have memory devices has at least one NUMA cell; and
/// processors that are in no cell are in the first one.
///
/// libvirt: `qemuDomainDefNumaAutoAdd`, `qemuDomainDefNumaCPUsPostParse`.
pub(super) fn numa(domain: &mut Domain, context: &mut Context<'_>) {
    let count = domain.max_vcpus();
    let has_cells = domain.cpu.as_ref().is_some_and(|cpu| !cpu.numa_cells().is_empty());
    if context.mode == Mode::Define && domain.max_memory.is_some() && !has_cells {
        add_cell(domain, count);
    }
    let Some(cells) =
        domain.cpu.as_mut().and_then(|cpu| cpu.numa.as_mut()).map(|numa| &mut numa.cells)
    else {
        return;
    };
    let Some((first, others)) = cells.split_first_mut() else { return };
    let mut left = CpuSet::first(count);
    for cpu in others.iter().filter_map(|cell| cell.cpus.as_ref()).flat_map(|set| &set.0) {
        left.0.remove(cpu);
    }
    let mine = first.cpus.clone().unwrap_or_default();
    if !left.0.is_subset(&mine.0) {
        first.cpus = Some(left);
    }
}

/// One cell with all processors and all memory that is there from the start.
fn add_cell(domain: &mut Domain, count: u32) {
    let memory = domain.initial_memory();
    let cpu = domain.cpu.get_or_insert_with(Cpu::default);
    let origin = Origin::Step("NUMA cell for memory devices");
    let cell = NumaCell {
        origin,
        id: Some(0),
        cpus: Some(CpuSet::first(count)),
        memory,
        ..NumaCell::default()
    };
    cpu.numa.get_or_insert_with(Numa::default).cells.push(cell);
    for module in &mut domain.devices.memories {
        if let MemoryModel::Dimm(Dimm { target: PlainTarget { node, .. }, .. })
        | MemoryModel::Nvdimm(Nvdimm { target: NvdimmTarget { node, .. }, .. })
        | MemoryModel::VirtioMem(VirtioMem { target: VirtioMemTarget { node, .. }, .. }) =
            &mut module.model
        {
            node.get_or_insert(0);
        }
    }
}

/// The first processor is there from the start and stays, and those that can go are added in order.
///
/// libvirt: `qemuDomainDefVcpusPostParse`.
pub(super) fn check_vcpu_order(domain: &mut Domain, context: &mut Context<'_>) {
    let mut problem = |origin, attribute: &str, message: &str, help: &str| {
        let part = Part::Attribute(attribute.to_owned());
        context.problems.push(Problem::error(origin, part, message).help(help));
    };
    let Some(Vcpus { vcpus, .. }) = &domain.vcpus else {
        if let Some(vcpu) = domain.vcpu.as_ref().filter(|vcpu| vcpu.online() == 0) {
            let message = "no processor is there from the start";
            problem(vcpu.origin, "current", message, "write current='1' or more");
        }
        return;
    };
    if let Some(first) = vcpus.first() {
        if first.enabled == YesNo::No {
            problem(
                first.origin,
                "enabled",
                "processor 0 is not there from the start",
                "write enabled='yes'",
            );
        }
        if first.hotpluggable == Some(YesNo::Yes) {
            problem(
                first.origin,
                "hotpluggable",
                "processor 0 cannot be taken away",
                "write hotpluggable='no'",
            );
        }
        if first.order.is_some_and(|order| order.get() != 1) {
            problem(
                first.origin,
                "order",
                "processor 0 comes first",
                "write order='1' or leave it out",
            );
        }
        let is_ordered = first.order.is_some();
        for (before, vcpu) in vcpus.iter().zip(&vcpus[1..]) {
            if vcpu.enabled == YesNo::Yes && vcpu.order.is_some() != is_ordered {
                let message = "processors have an order all or none";
                problem(
                    vcpu.origin,
                    "order",
                    message,
                    "write it for each that is there, or for none",
                );
            } else if vcpu.hotpluggable == Some(YesNo::No)
                && (before.hotpluggable == Some(YesNo::Yes) || before.order > vcpu.order)
            {
                let message =
                    format!("processor {} stays, but comes after one that can go", vcpu.id);
                let help = "let those that stay be the first, in order";
                problem(vcpu.origin, "hotpluggable", &message, help);
            }
        }
    }
}
