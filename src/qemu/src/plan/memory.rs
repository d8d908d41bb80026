//! The guest's memory, and what is behind it.

use std::num::NonZeroU32;

use base::{CpuSet, YesNo};
use conf::Domain;
use conf::device::memory_device::MemoryModel;
use conf::memory_backing::{AllocationMode, MemoryAccess, MemoryBacking, MemorySource};
use serde_json::{Map, Value};

use super::argument::Argument;
use super::{Access, Builder, Open, cpu, numa};
use crate::host::Host;

/// The memory of a machine, of one of its NUMA nodes, or of a memory device.
#[derive(Clone, Debug, Default)]
pub(super) struct Request<'a> {
    /// The id of the object, which migration knows it by.
    pub(super) id: String,
    /// What it is called where it is a file of the host. Absent: as the object.
    pub(super) file_name: Option<&'a str>,
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
    /// The size of its pages in KiB, where that is said of this memory alone.
    pub(super) page_size: Option<u64>,
    /// The nodes of the host that it comes from, where that is said of this memory alone.
    pub(super) host_nodes: Option<&'a CpuSet>,
    /// The memory device that it is for.
    pub(super) model: Option<&'a MemoryModel>,
}

/// An object behind some memory.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    /// What QEMU is told.
    pub(super) object: Value,
    /// Whether the device has to see to it that all of it is there from the beginning.
    pub(super) is_prealloc_by_device: bool,
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
        None => {
            let devices: u64 =
                domain.devices.memories.iter().map(|memory| memory.model.size().0).sum();
            let all = domain.memory.as_ref().map_or(0, |memory| memory.size.0);
            aligned(all.saturating_sub(devices))
        }
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
        if let Some(backend) = backend(builder, &request) {
            builder.argument("object", backend.object.to_string());
        }
    }
    let locked = domain.memory_backing.as_ref().is_some_and(|backing| backing.locked);
    let mut overcommit = Argument::new("");
    overcommit.switch("mem-lock", Some(locked));
    builder.argument("overcommit", overcommit.into_text());
}

/// The object behind some memory; `None` if it was refused.
///
/// libvirt: `qemuBuildMemoryBackendProps`.
pub(super) fn backend(builder: &mut Builder<'_>, request: &Request<'_>) -> Option<Backend> {
    let default = MemoryBacking::default();
    let backing = builder.domain.memory_backing.as_ref().unwrap_or(&default);
    let cell = request.node.and_then(|node| cpu::numa(builder.domain)?.cells.get(node as usize));
    let access = request.access.or_else(|| cell?.access).or(backing.access);
    let discard = request.discard.or_else(|| cell?.discard);
    let discard = discard.or(backing.discard.then_some(YesNo::Yes));
    let kept = request.model.and_then(MemoryModel::path);
    let huge = if kept.is_some() { None } else { huge_page(builder, backing, request)? };
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
    let is_file = backing.source == Some(MemorySource::File);
    let kind = if matches!(request.model, Some(MemoryModel::SgxEpc(_))) {
        "memory-backend-epc"
    } else if kept.is_none() && backing.source == Some(MemorySource::Memfd) {
        "memory-backend-memfd"
    } else if kept.is_some() || huge.is_some() || access.is_some() || is_file {
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
            let name = format!("memory-{}", request.id.replace('.', "-"));
            let fd = match (kept, huge) {
                (Some(path), _) => builder.fd(name, path, Open::Device { access: Access::Rw }),
                (None, Some(huge)) => {
                    let source = huge.directory(builder);
                    builder.fd(name, source, Open::Memory)
                }
                (None, None) => {
                    let directory = &builder.host.directories.memory;
                    let directory = Host::of_guest(directory, &builder.domain.name);
                    let file = request.file_name.unwrap_or(&request.id);
                    builder.fd(name, format!("{directory}/{file}"), Open::Memory)
                }
            };
            set("mem-path", builder.inherited_path(fd).into());
            if let Some(discard) = discard.filter(|_| kept.is_none()) {
                set("discard-data", bool::from(discard).into());
            }
        }
        _ => {}
    }
    if let Some(access) = access.filter(|_| kind != "memory-backend-epc") {
        set("share", (access == MemoryAccess::Shared).into());
    }
    if request.is_default && kind != "memory-backend-ram" {
        set("x-use-canonical-path-for-ramblock-id", false.into());
    }
    let at_once = |mode| mode == AllocationMode::Immediate;
    let allocation = backing.allocation.as_ref();
    let is_immediate = allocation.and_then(|allocation| allocation.mode).is_some_and(at_once);
    let is_prealloc = match request.model {
        Some(MemoryModel::SgxEpc(_)) => true,
        Some(MemoryModel::Nvdimm(nvdimm)) => {
            is_immediate || !nvdimm.source.as_ref().is_some_and(|source| source.pmem)
        }
        _ => is_immediate || huge.is_some(),
    };
    let is_virtio = matches!(request.model, Some(MemoryModel::VirtioMem(_)));
    if is_virtio {
        set("reserve", false.into());
    } else if is_prealloc {
        set("prealloc", true.into());
        if let Some(threads) = allocation.and_then(|allocation| allocation.threads) {
            set("prealloc-threads", NonZeroU32::get(threads).into());
        }
    }
    set("size", request.size.into());
    if let Some(MemoryModel::Nvdimm(nvdimm)) = request.model
        && let Some(source) = &nvdimm.source
    {
        if let Some(align) = source.alignsize {
            set("align", align.get().bytes().into());
        }
        if source.pmem {
            set("pmem", true.into());
        }
    }
    if let Some((nodes, policy)) = numa::policy(builder, request)? {
        set("host-nodes", nodes.into());
        set("policy", policy.into());
    }
    Some(Backend { object: object.into(), is_prealloc_by_device: is_virtio && is_prealloc })
}

/// Huge pages of one size.
struct HugePage {
    /// In KiB.
    size: u64,
    /// Where they are mounted.
    path: String,
}

impl HugePage {
    /// The directory that a guest's memory is in.
    fn directory(&self, builder: &Builder<'_>) -> String {
        let below = &builder.host.directories.hugepages;
        match Host::of_guest(below, &builder.domain.name) {
            below if below.is_empty() => self.path.clone(),
            below => format!("{}/{below}", self.path),
        }
    }
}

/// The huge pages that some memory consists of; the inner `None` if it has normal ones.
fn huge_page(
    builder: &mut Builder<'_>,
    backing: &MemoryBacking,
    request: &Request<'_>,
) -> Option<Option<HugePage>> {
    let Some(size) = page_size(backing, request) else { return Some(None) };
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
    if let Some(hugepages) = &backing.hugepages {
        refused.origin = hugepages.origin;
    }
    refused.help = Some("mount a hugetlbfs with pages of that size, or leave them out".to_owned());
    None
}

/// The size of the pages that some memory consists of, in KiB. The outer `None`: the normal one, the
/// inner one: the usual size of huge pages.
fn page_size(backing: &MemoryBacking, request: &Request<'_>) -> Option<Option<u64>> {
    if let Some(size) = request.page_size {
        return Some(Some(size));
    }
    let hugepages = backing.hugepages.as_ref()?;
    let of_node = |nodes: &CpuSet| request.node.is_some_and(|node| nodes.0.contains(&node));
    let page = hugepages
        .pages
        .iter()
        .find(|page| page.nodeset.as_ref().is_some_and(of_node))
        .or_else(|| hugepages.pages.iter().find(|page| page.nodeset.is_none()));
    match page {
        Some(page) => Some(Some(page.size.0)),
        None if hugepages.pages.is_empty() => Some(None),
        None => None,
    }
}

/// What to write so that [`is_shared`] holds.
pub(super) const HOW_TO_SHARE: &str = "add <memoryBacking><source type='memfd'/>\
     <access mode='shared'/></memoryBacking>";

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
