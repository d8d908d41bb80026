//! The guest's memory, and what is behind it.

use std::num::NonZeroU32;

use base::YesNo;
use conf::Domain;
use conf::memory_backing::{AllocationMode, MemoryAccess, MemoryBacking, MemorySource};
use serde_json::{Map, Value};

use super::argument::Argument;
use super::{Builder, Open, cpu, numa};

/// The memory of a machine, of one of its NUMA nodes, or of a memory device.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// The id of the object, which migration knows it by.
    pub(super) id: String,
    /// Its size in bytes.
    pub(super) size: u64,
    /// The guest's NUMA node.
    pub(super) node: Option<u32>,
    /// Whether others can map it, where that is said of this memory alone.
    pub(super) access: Option<MemoryAccess>,
    /// Whether it is dropped when QEMU ends, where that is said of this memory alone.
    pub(super) discard: Option<YesNo>,
    /// Whether it is all that the machine has: then its id is kept short for migration.
    pub(super) is_default: bool,
}

/// The object behind the memory of a machine without NUMA nodes.
fn default_id(builder: &Builder<'_>) -> Option<String> {
    if cpu::numa(builder.domain).is_some() {
        return None;
    }
    let machine = builder.domain.os.kind.machine.as_deref().unwrap_or_default();
    builder.capabilities.machine(machine)?.default_ram_id.clone()
}

/// What `-machine` says about memory.
pub(super) fn of_machine(machine: &mut Argument, builder: &Builder<'_>) {
    machine.maybe("memory-backend", default_id(builder));
}

/// How much memory the machine is made with, in KiB: all but what memory devices have.
pub(super) fn initial(domain: &Domain) -> u64 {
    match cpu::numa(domain) {
        Some(numa) => numa.cells.iter().map(|cell| aligned(cell.memory.0)).sum(),
        None => aligned(domain.memory.as_ref().map_or(0, |memory| memory.size.0)),
    }
}

/// Memory comes in whole MiB; what is asked for is rounded up at each start.
///
/// libvirt: `qemuDomainAlignMemorySizes`.
pub(super) fn aligned(size: u64) -> u64 {
    size.next_multiple_of(1024)
}

/// `-m`, the object behind it, and `-overcommit`.
///
/// libvirt: `qemuBuildMemCommandLine`.
pub(super) fn memory(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    builder.part("memory", domain.memory.as_ref().map_or(domain.origin, |memory| memory.origin));
    let initial = initial(domain);
    let mut argument = Argument::new("");
    argument.add("size", format!("{initial}k"));
    if let Some(max) = &domain.max_memory {
        argument.maybe("slots", max.slots);
        argument.add("maxmem", format!("{}k", aligned(max.size.0)));
    }
    builder.argument("m", argument.into_text());
    if let Some(id) = default_id(builder) {
        let request = Request { id, size: initial << 10, is_default: true, ..Request::default() };
        if let Some(object) = backend(builder, &request) {
            builder.argument("object", object.to_string());
        }
    }
    let locked = domain.memory_backing.as_ref().is_some_and(|backing| backing.locked);
    let mut overcommit = Argument::new("");
    overcommit.switch("mem-lock", Some(locked));
    builder.argument("overcommit", overcommit.into_text());
}

/// The object behind some memory.
///
/// libvirt: `qemuBuildMemoryBackendProps`.
pub(super) fn backend(builder: &mut Builder<'_>, request: &Request) -> Option<Value> {
    let default = MemoryBacking::default();
    let backing = builder.domain.memory_backing.as_ref().unwrap_or(&default);
    let huge = huge_page(builder, backing, request.node)?;
    let access = request.access.or(backing.access);
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
    let kind = if backing.source == Some(MemorySource::Memfd) {
        "memory-backend-memfd"
    } else if huge.is_some() || access.is_some() || backing.source == Some(MemorySource::File) {
        "memory-backend-file"
    } else {
        "memory-backend-ram"
    };
    set("qom-type", kind.into());
    set("id", request.id.as_str().into());
    match (kind, &huge) {
        ("memory-backend-memfd", Some(huge)) => {
            set("hugetlb", true.into());
            set("hugetlbsize", (huge.size << 10).into());
        }
        ("memory-backend-file", huge) => {
            let directory = match huge {
                Some(huge) => huge.path.clone(),
                None => format!("{}/ram", builder.host.directories.lib),
            };
            let name = format!("memory-{}", request.id.replace('.', "-"));
            let fd = builder.fd(name, directory, Open::Directory);
            set("mem-path", builder.inherited_path(fd).into());
            let dropped = request.discard.or(backing.discard.then_some(YesNo::Yes));
            if let Some(dropped) = dropped {
                set("discard-data", bool::from(dropped).into());
            }
        }
        _ => {}
    }
    if let Some(access) = access {
        set("share", (access == MemoryAccess::Shared).into());
    }
    if request.is_default && kind != "memory-backend-ram" {
        set("x-use-canonical-path-for-ramblock-id", false.into());
    }
    let at_once = |mode| mode == AllocationMode::Immediate;
    let allocation = backing.allocation.as_ref();
    let immediate = allocation.and_then(|allocation| allocation.mode).is_some_and(at_once);
    if immediate || huge.is_some() {
        set("prealloc", true.into());
        if let Some(threads) = allocation.and_then(|allocation| allocation.threads) {
            set("prealloc-threads", NonZeroU32::get(threads).into());
        }
    }
    set("size", request.size.into());
    if let Some((nodes, policy)) = numa::policy(builder.domain, request.node) {
        set("host-nodes", nodes.into());
        set("policy", policy.into());
    }
    Some(object.into())
}

/// Huge pages of one size.
struct HugePage {
    /// In KiB.
    size: u64,
    /// Where they are mounted.
    path: String,
}

/// The huge pages that a NUMA node uses; the inner `None` if it has normal ones.
fn huge_page(
    builder: &mut Builder<'_>,
    backing: &MemoryBacking,
    node: Option<u32>,
) -> Option<Option<HugePage>> {
    let Some(hugepages) = &backing.hugepages else { return Some(None) };
    let of_node = |nodes: &base::CpuSet| node.is_some_and(|node| nodes.0.contains(&node));
    let page = hugepages
        .pages
        .iter()
        .find(|page| page.nodeset.as_ref().is_some_and(of_node))
        .or_else(|| hugepages.pages.iter().find(|page| page.nodeset.is_none()));
    let size = match page {
        Some(page) => Some(page.size.0),
        None if hugepages.pages.is_empty() => None,
        None => return Some(None),
    };
    if size == Some(builder.host.page_size) {
        return Some(None);
    }
    let mounts = &builder.host.hugepages;
    let mount = match size {
        Some(size) => mounts.iter().find(|mount| mount.size == size),
        None => mounts.iter().find(|mount| mount.default).or(mounts.first()),
    };
    if let Some(mount) = mount {
        return Some(Some(HugePage { size: mount.size, path: mount.path.clone() }));
    }
    let message = match size {
        Some(size) => format!("this host has no huge pages of {size} KiB"),
        None => "this host has no huge pages".to_owned(),
    };
    let refused = builder.refuse(message);
    refused.origin = hugepages.origin;
    refused.help = Some("mount a hugetlbfs with pages of that size, or leave them out".to_owned());
    None
}

/// What to write so that [`is_shared`] holds.
pub(super) const HOW_TO_SHARE: &str = "add <memoryBacking><source type='memfd'/>\
     <access mode='shared'/></memoryBacking>, or start with --adapt";

/// Whether a process beside QEMU can map the guest's memory.
///
/// libvirt: `qemuValidateDomainDefVhostUserRequireSharedMemory`.
pub(super) fn is_shared(domain: &Domain) -> bool {
    let access = domain.memory_backing.as_ref().and_then(|backing| backing.access);
    let shared = |access| access == Some(MemoryAccess::Shared);
    match cpu::numa(domain) {
        Some(numa) => numa.cells.iter().all(|cell| shared(cell.access.or(access))),
        None => shared(access),
    }
}
