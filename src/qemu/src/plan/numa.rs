//! NUMA nodes of the guest.

use base::CpuSet;
use conf::cpu::{
    AccessKind, CacheAssociativity, CachePolicy, Interconnect, Numa, NumaCache, NumaCell,
};
use conf::numatune::{NumatuneMemory, NumatuneMode};

use super::argument::Argument;
use super::memory::{self, Request};
use super::{Builder, cpu};

/// The distance of two nodes of which nothing is said.
///
/// libvirt: `REMOTE_DISTANCE` in `src/conf/numa_conf.c`.
const REMOTE: u32 = 20;
/// The distance of a node to itself.
const LOCAL: u32 = 10;

/// Whether the guest gets a table of latencies, bandwidths and caches.
pub(super) fn has_hmat(numa: &Numa) -> bool {
    numa.interconnects.is_some() || numa.cells.iter().any(|cell| !cell.caches.is_empty())
}

/// The nodes of the host that some memory comes from, and how strictly; the outer `None` if that was
/// refused, the inner one if it comes from anywhere, or if the control group sees to it.
///
/// libvirt: `qemuBuildMemoryBackendProps`, `virDomainNumatuneMaybeGetNodeset`.
pub(super) fn policy(
    builder: &mut Builder<'_>,
    request: &Request<'_>,
) -> Option<Option<(Vec<u32>, &'static str)>> {
    let domain = builder.domain;
    let numatune = domain.numatune.as_ref();
    let memnode = numatune.and_then(|numatune| {
        numatune.memnodes.iter().find(|memnode| Some(memnode.cell_id) == request.node)
    });
    let memory = numatune.and_then(|numatune| numatune.memory.as_ref());
    let mode = memnode.map(|memnode| memnode.mode).or(memory.map(|memory| memory.mode));
    let nodes = match (request.host_nodes, memnode, memory) {
        (Some(nodes), ..) => nodes.clone(),
        (None, Some(memnode), _) => memnode.nodeset.clone(),
        (None, None, Some(memory)) if memory.is_auto() => {
            let Some(advised) = &builder.host.numad_nodes else {
                let refused = builder.refuse("this host has no numad to choose NUMA nodes");
                refused.origin = memory.origin;
                refused.help = Some("write nodeset='…' in place of placement='auto'".to_owned());
                return None;
            };
            CpuSet(advised.iter().copied().collect())
        }
        (None, None, Some(NumatuneMemory { nodeset: Some(nodes), .. })) => nodes.clone(),
        (None, None, _) => return Some(None),
    };
    let policy = match mode.unwrap_or(NumatuneMode::Strict) {
        NumatuneMode::Strict => "bind",
        NumatuneMode::Preferred => "preferred",
        NumatuneMode::Interleave => "interleave",
        NumatuneMode::Restrictive => return Some(None),
    };
    Some(Some((nodes.0.into_iter().collect(), policy)))
}

/// Each node's memory, and `-numa`.
///
/// libvirt: `qemuBuildNumaCommandLine`.
pub(super) fn numa(builder: &mut Builder<'_>) {
    let Some(numa) = cpu::numa(builder.domain) else { return };
    builder.part("NUMA nodes", numa.origin);
    let hmat = has_hmat(numa);
    for (at, cell) in (0..).zip(&numa.cells) {
        let id = format!("ram-node{at}");
        let request = Request {
            id: id.clone(),
            size: memory::aligned(cell.memory.0) << 10,
            node: Some(at),
            access: cell.access,
            discard: cell.discard,
            ..Request::default()
        };
        if let Some(backend) = memory::backend(builder, &request) {
            builder.argument("object", backend.object.to_string());
        }
        let mut node = Argument::new("node");
        node.add("nodeid", at);
        for range in cell.cpus.iter().flat_map(CpuSet::ranges) {
            node.add("cpus", written(range));
        }
        if hmat {
            node.maybe("initiator", initiator(numa, at));
        }
        node.add("memdev", id);
        builder.argument("numa", node.into_text());
    }
    distances(builder, &numa.cells);
    for interconnect in numa.interconnects.iter().flat_map(|interconnects| &interconnects.0) {
        builder.argument("numa", hmat_lb(interconnect));
    }
    for (at, cell) in numa.cells.iter().enumerate() {
        for cache in &cell.caches {
            builder.argument("numa", hmat_cache(at, cache));
        }
    }
}

fn written((first, last): (u32, u32)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// The node whose processors reach a node fastest: itself if it has any, else the one with the best
/// interconnect, else the first that has any.
///
/// libvirt: `virDomainNumaGetNodeInitiator`.
fn initiator(numa: &Numa, node: u32) -> Option<u32> {
    if numa.cells[node as usize].cpus.is_some() {
        return Some(node);
    }
    let ways = numa.interconnects.iter().flat_map(|interconnects| &interconnects.0);
    let mut best: Option<(u64, u32)> = None;
    let mut best_bandwidth: Option<(u64, u32)> = None;
    for way in ways {
        match way {
            Interconnect::Latency(way) if way.target == node => {
                if best.is_none_or(|(latency, _)| way.value < latency) {
                    best = Some((way.value, way.initiator));
                }
            }
            Interconnect::Bandwidth(way) if way.target == node => {
                if best_bandwidth.is_none_or(|(bandwidth, _)| way.value.0 > bandwidth) {
                    best_bandwidth = Some((way.value.0, way.initiator));
                }
            }
            Interconnect::Latency(_) | Interconnect::Bandwidth(_) => {}
        }
    }
    let with_processors = (0..).zip(&numa.cells).find(|(_, cell)| cell.cpus.is_some());
    let best = best.or(best_bandwidth).map(|(_, initiator)| initiator);
    best.or_else(|| with_processors.map(|(first, _)| first))
}

/// All distances, if any is given.
fn distances(builder: &mut Builder<'_>, cells: &[NumaCell]) {
    if cells.iter().all(|cell| cell.distances.is_empty()) {
        return;
    }
    for (from, cell) in cells.iter().enumerate() {
        for to in 0..cells.len() {
            let given = cell.distances.iter().find(|sibling| sibling.id as usize == to);
            let default = if from == to { LOCAL } else { REMOTE };
            let mut distance = Argument::new("dist");
            distance.add("src", from).add("dst", to);
            distance.add("val", given.map_or(default, |sibling| sibling.value));
            builder.argument("numa", distance.into_text());
        }
    }
}

fn hmat_lb(interconnect: &Interconnect) -> String {
    let (initiator, target, cache, kind) = match interconnect {
        Interconnect::Latency(way) => (way.initiator, way.target, way.cache, way.kind),
        Interconnect::Bandwidth(way) => (way.initiator, way.target, way.cache, way.kind),
    };
    let hierarchy = match cache.map(u32::from) {
        None => "memory",
        Some(1) => "first-level",
        Some(2) => "second-level",
        Some(_) => "third-level",
    };
    let access = match kind {
        AccessKind::Access => "access",
        AccessKind::Read => "read",
        AccessKind::Write => "write",
    };
    let mut argument = Argument::new("hmat-lb");
    argument.add("initiator", initiator).add("target", target).add("hierarchy", hierarchy);
    match interconnect {
        Interconnect::Latency(way) => {
            argument.add("data-type", format!("{access}-latency")).add("latency", way.value);
        }
        Interconnect::Bandwidth(way) => {
            argument.add("data-type", format!("{access}-bandwidth"));
            argument.add("bandwidth", format!("{}K", way.value.0));
        }
    }
    argument.into_text()
}

fn hmat_cache(node: usize, cache: &NumaCache) -> String {
    let associativity = match cache.associativity {
        CacheAssociativity::None => "none",
        CacheAssociativity::Direct => "direct",
        CacheAssociativity::Full => "complex",
    };
    let policy = match cache.policy {
        CachePolicy::None => "none",
        CachePolicy::Writeback => "write-back",
        CachePolicy::Writethrough => "write-through",
    };
    let mut argument = Argument::new("hmat-cache");
    argument.add("node-id", node).add("size", format!("{}K", cache.size.0));
    argument.add("level", cache.level).add("associativity", associativity);
    argument.add("policy", policy);
    argument.maybe("line", Some(cache.line.0).filter(|line| *line > 0));
    argument.into_text()
}
