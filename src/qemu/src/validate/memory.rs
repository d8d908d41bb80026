//! Memory and what is behind it.
//!
//! libvirt: `qemuValidateDomainDefMemory`, `qemuDomainDefValidateMemoryHotplug`,
//! `virDomainDefMemtuneValidate`.

use conf::memory_backing::{AllocationMode, MemoryAccess, MemorySource};
use xml::{Origin, Part};

use super::{Check, Rule, attribute};

pub(super) const QEMU_RULES: &[Rule] = &[
    Rule::new("no-guaranteed-minimum", "Linux has no such limit", min_guarantee),
    Rule::new("hotplug-needs-numa", "a memory module belongs to a NUMA node", hotplug),
    Rule::new("hugepages-fit-source", "huge pages come from files or memfds", hugepages),
];

pub(super) const RULES: &[Rule] =
    &[Rule::new("hugepages-are-clear", "each NUMA node has pages of one size", hugepage_nodes)];

fn min_guarantee(check: &mut Check<'_>) {
    if let Some(tune) = check.domain.memtune.as_ref().filter(|tune| tune.min_guarantee.is_some()) {
        let message = "<min_guarantee> cannot be kept";
        check.refuse(tune.origin, Part::Name, message, "leave it out");
    }
}

fn hotplug(check: &mut Check<'_>) {
    let cells = check.domain.cpu.as_ref().map_or(0, |cpu| cpu.numa_cells().len());
    if let Some(max) = check.domain.max_memory.as_ref().filter(|_| cells == 0) {
        check.refuse(
            max.origin,
            Part::Name,
            "<maxMemory> needs a NUMA cell that memory modules can belong to",
            "write <cpu><numa><cell id='0' cpus='…' memory='…'/></numa></cpu>",
        );
    }
}

fn hugepages(check: &mut Check<'_>) {
    let Some(backing) = &check.domain.memory_backing else { return };
    let Some(hugepages) = &backing.hugepages else { return };
    let origin = hugepages.origin;
    let is_ondemand =
        backing.allocation.as_ref().is_some_and(|a| a.mode == Some(AllocationMode::Ondemand));
    if is_ondemand {
        check.refuse(
            origin,
            Part::Name,
            "huge pages are taken when the guest starts, not on demand",
            "leave out <allocation mode='ondemand'/>, or <hugepages>",
        );
    }
    if backing.source == Some(MemorySource::Anonymous) {
        check.refuse(
            origin,
            Part::Name,
            "huge pages are no anonymous memory",
            "write <source type='memfd'/>, or leave <source> out",
        );
    }
}

fn hugepage_nodes(check: &mut Check<'_>) {
    let cells = check.domain.cpu.as_ref().map_or(0, |cpu| cpu.numa_cells().len()) as u32;
    let backing = check.domain.memory_backing.as_ref();
    let Some(hugepages) = backing.and_then(|backing| backing.hugepages.as_ref()) else { return };
    for (at, page) in hugepages.pages.iter().enumerate() {
        for other in &hugepages.pages[..at] {
            let sizes = format!("{} and {} KiB", other.size.0, page.size.0);
            match (&page.nodeset, &other.nodeset) {
                (None, None) => check.refuse(
                    page.origin,
                    Part::Name,
                    format!("two sizes of pages, {sizes}, are for all nodes"),
                    "say with 'nodeset' which guest nodes each is for",
                ),
                (Some(nodes), Some(others)) if !nodes.0.is_disjoint(&others.0) => check.refuse(
                    page.origin,
                    attribute("nodeset"),
                    format!("two sizes of pages, {sizes}, are for the same node"),
                    "name each guest node once",
                ),
                _ => {}
            }
        }
        let last = page.nodeset.as_ref().and_then(|nodes| nodes.0.last());
        if let Some(node) = last.filter(|node| **node >= cells) {
            let message = format!("there is no guest node {node} to have pages of its own");
            let expected = match cells {
                0 => "no 'nodeset', as there are no NUMA cells".to_owned(),
                cells => format!("numbers below {cells}"),
            };
            check.refuse_value(page.origin, "nodeset", message, expected);
        }
    }
}

impl Check<'_> {
    /// Refuses a device that reads the guest's memory from another process, where it cannot.
    ///
    /// libvirt: `qemuValidateDomainDefVhostUserRequireSharedMemory`.
    pub(super) fn need_shared_memory(&mut self, origin: Origin, what: &str) {
        if !is_shared(self.domain) {
            let message = format!("{what} is served by another process, which needs shared memory");
            self.refuse(
                origin,
                Part::Name,
                message,
                "write <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>",
            );
        }
    }
}

/// Whether other processes can map all of the guest's memory.
pub(crate) fn is_shared(domain: &conf::Domain) -> bool {
    let access = domain.memory_backing.as_ref().and_then(|backing| backing.access);
    let cells = domain.cpu.as_ref().map_or(&[][..], |cpu| cpu.numa_cells());
    match cells {
        [] => access == Some(MemoryAccess::Shared),
        cells => cells.iter().all(|cell| cell.access.or(access) == Some(MemoryAccess::Shared)),
    }
}
