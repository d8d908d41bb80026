//! Memory modules.
//!
//! libvirt: `virDomainMemoryDefValidate`, `qemuValidateDomainDeviceDefMemory`.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use base::YesNo;
use conf::address::Address;
use conf::architecture::Architecture;
use conf::device::MemoryDevice;
use conf::device::memory_device::{MemoryAddress, MemoryModel};
use conf::memory_backing::MemoryAccess;
use xml::{Origin, Part};

use super::{Check, Rule, attribute, within};

/// The smallest block that virtio-mem adds or takes away, in KiB: a transparent huge page.
const SMALLEST_BLOCK: u64 = 2048;

pub(super) const RULES: &[Rule] = &[
    Rule::new("modules-have-room", "QEMU keeps addresses and slots free for them", room),
    Rule::new("module-belongs-to-a-node", "guest memory belongs to a NUMA node", node),
    Rule::new("module-address-fits", "virtio modules sit on PCI", address),
    Rule::new("module-uuid-is-of-powerpc", "no other guest is told of it", uuid),
    Rule::new("module-has-a-file", "persistent memory is kept in a file", file),
    Rule::new("enclave-memory-is-the-processors", "it is there or not, and has no slot", enclave),
    Rule::new("module-block-fits", "memory comes and goes in whole blocks", block),
    Rule::new("module-slots-are-known", "only newer QEMUs map memory piece by piece", slots),
    Rule::new("modules-do-not-overlap", "an address leads to one place", overlap),
];

fn each(check: &mut Check<'_>, rule: impl Fn(&mut Check<'_>, &MemoryDevice)) {
    for module in &check.domain.devices.memories {
        rule(check, module);
    }
}

fn target(module: &MemoryDevice) -> Origin {
    match &module.model {
        MemoryModel::Dimm(dimm) => dimm.target.origin,
        MemoryModel::Nvdimm(nvdimm) => nvdimm.target.origin,
        MemoryModel::VirtioPmem(pmem) => pmem.target.origin,
        MemoryModel::VirtioMem(mem) => mem.target.origin,
        MemoryModel::SgxEpc(epc) => epc.target.origin,
    }
}

/// libvirt: `qemuDomainDefValidateMemoryHotplug`, `qemuDomainDefValidateMemoryHotplugDevice`.
fn room(check: &mut Check<'_>) {
    let Some(max) = &check.domain.max_memory else {
        if let [first, ..] = &*check.domain.devices.memories {
            let message = "without <maxMemory> there is no room for memory modules";
            let help = "write <maxMemory slots='…'> with the size that memory can grow to";
            check.refuse(first.origin, Part::Name, message, help);
        }
        return;
    };
    let mut taken = BTreeSet::new();
    for module in &check.domain.devices.memories {
        let Some(Address::Dimm(address)) = &module.info.address else { continue };
        let slot = address.slot;
        let (message, help) = if slot >= max.slots.map_or(0, NonZeroU32::get) {
            let help = "give <maxMemory> more 'slots', which are counted from 0, or leave it out";
            (format!("there is no slot {slot} for this module"), help)
        } else if !taken.insert(slot) {
            (format!("two modules are in slot {slot}"), "leave 'slot' out to have one chosen")
        } else {
            continue;
        };
        check.refuse(module.origin, within("address@slot"), message, help);
    }
}

fn node(check: &mut Check<'_>) {
    let cells = check.domain.cpu.as_ref().map_or(0, |cpu| cpu.numa_cells().len()) as u32;
    each(check, |check, module| {
        let Some(node) = module.model.node() else {
            let is_free =
                matches!(module.model, MemoryModel::VirtioPmem(_) | MemoryModel::SgxEpc(_));
            if cells > 0 && !is_free {
                let message = "this module belongs to no NUMA node";
                check.refuse(target(module), Part::Name, message, "add <node>0</node>");
            }
            return;
        };
        if matches!(module.model, MemoryModel::VirtioPmem(_)) {
            let message = "virtio-pmem belongs to no NUMA node";
            check.refuse(target(module), Part::Name, message, "leave out <node>");
        } else if node >= cells {
            let message = format!("there is no NUMA node {node} for this module to belong to");
            let help = format!("the guest has {cells} of them, counted from 0");
            check.refuse(target(module), Part::Name, message, help);
        }
    });
}

fn file(check: &mut Check<'_>) {
    each(check, |check, module| {
        let is_pmem = matches!(module.model, MemoryModel::VirtioPmem(_));
        if !is_pmem && !matches!(module.model, MemoryModel::Nvdimm(_)) {
            return;
        }
        if module.model.path().is_none() {
            let message = "persistent memory needs a file to be kept in";
            check.refuse(module.origin, Part::Name, message, "add <source><path>…</path></source>");
        }
        if module.discard == Some(YesNo::Yes) {
            let message = "persistent memory cannot be thrown away";
            check.refuse(module.origin, attribute("discard"), message, "leave it out");
        }
        if is_pmem && module.access != Some(MemoryAccess::Shared) {
            let message = "virtio-pmem is shared with its file";
            check.refuse(module.origin, attribute("access"), message, "write access='shared'");
        }
    });
}

/// libvirt: `qemuDomainDefValidateMemoryHotplugDevice`.
fn address(check: &mut Check<'_>) {
    each(check, |check, module| {
        let is_virtio =
            matches!(module.model, MemoryModel::VirtioPmem(_) | MemoryModel::VirtioMem(_));
        if is_virtio && !matches!(module.info.address, None | Some(Address::Pci(_))) {
            let message = "a virtio memory module has no such <address>";
            let help = "write <address type='pci' …/>, or leave it out";
            check.refuse(module.origin, within("address@type"), message, help);
        }
    });
}

fn uuid(check: &mut Check<'_>) {
    let architecture = check.domain.os.kind.architecture;
    if !matches!(architecture, Some(Architecture::X86_64 | Architecture::I686)) {
        return;
    }
    each(check, |check, module| {
        if let MemoryModel::Nvdimm(nvdimm) = &module.model
            && nvdimm.uuid.is_some()
        {
            let message = "only an NVDIMM of PowerPC has a UUID";
            check.refuse(module.origin, within("uuid"), message, "leave it out");
        }
    });
}

fn enclave(check: &mut Check<'_>) {
    each(check, |check, module| {
        if !matches!(module.model, MemoryModel::SgxEpc(_)) {
            return;
        }
        check.need_type("sgx-epc", module.origin, "memory for enclaves on this host");
        if module.info.address.is_some() {
            let message = "memory for enclaves has no <address>";
            check.refuse(module.origin, within("address"), message, "leave it out");
        }
    });
}

fn block(check: &mut Check<'_>) {
    each(check, |check, module| {
        let MemoryModel::VirtioMem(mem) = &module.model else { return };
        let target = &mem.target;
        let Some(block) = target.block.map(|block| block.get().0) else { return };
        let address = base(target.address.as_ref()).unwrap_or(0);
        let (message, help) = if !block.is_power_of_two() || block < SMALLEST_BLOCK {
            ("virtio-mem has no such blocks", "write a power of two of 2048 KiB or more in <block>")
        } else if target.requested > target.size {
            ("more is requested than there is", "write at most <size> in <requested>")
        } else if !target.requested.0.is_multiple_of(block) {
            ("what is requested is not in whole blocks", "write a multiple of <block>")
        } else if !address.is_multiple_of(block * 1024) {
            ("the address is inside a block", "write a multiple of <block>, or leave it out")
        } else {
            return;
        };
        check.refuse(target.origin, Part::Name, message, help);
    });
}

fn slots(check: &mut Check<'_>) {
    each(check, |check, module| {
        let MemoryModel::VirtioMem(mem) = &module.model else { return };
        if mem.target.dynamic_memslots == Some(YesNo::Yes)
            && !check.capabilities.has_property("virtio-mem-pci", "dynamic-memslots")
        {
            let message = "the virtio-mem of this QEMU has no dynamic slots";
            let help = "leave out 'dynamicMemslots', or use QEMU 8.2 or later";
            check.refuse(mem.target.origin, attribute("dynamicMemslots"), message, help);
        }
    });
}

fn base(address: Option<&MemoryAddress>) -> Option<u64> {
    address?.base.map(|base| base.0.get())
}

/// Where a module that is given an address lies: its first byte and the one behind its last.
fn range(module: &MemoryDevice) -> Option<(u64, u64)> {
    let start = match &module.model {
        MemoryModel::VirtioPmem(pmem) => base(pmem.target.address.as_ref()),
        MemoryModel::VirtioMem(mem) => base(mem.target.address.as_ref()),
        _ => None,
    }?;
    Some((start, start.saturating_add(module.model.size().bytes())))
}

fn overlap(check: &mut Check<'_>) {
    let modules = &check.domain.devices.memories;
    for (at, module) in modules.iter().enumerate() {
        let Some((start, end)) = range(module) else { continue };
        let mut before = modules[..at].iter().filter_map(range);
        if let Some((other, _)) = before.find(|(other, last)| start < *last && *other < end) {
            let message = format!(
                "memory from {start:#x} up to {end:#x} overlaps with that from {other:#x} on"
            );
            check.refuse(target(module), Part::Name, message, "give them addresses further apart");
        }
    }
}
