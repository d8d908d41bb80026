//! NUMA nodes of the host that memory comes from.
//!
//! libvirt: `virDomainNumatuneNodeParseXML` and `virDomainNumaDefValidate`.

use std::num::NonZeroU32;

use conf::cpu::{AccessKind, Interconnect, Numa, NumaCell};
use conf::numatune::NumatuneMode;
use xml::Part;

use super::{Check, Rule, attribute};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "restrictive-everywhere-or-nowhere",
        "the restrictive mode is the control group's, for all of QEMU",
        restrictive,
    ),
    Rule::new("numa-caches-are-levels", "a node has one cache of each level", caches),
    Rule::new("numa-ways-lead-somewhere", "what is told of a way needs both ends", ways),
];

/// The most levels of caches that QEMU describes.
const MAX_CACHE_LEVEL: u32 = 3;

fn restrictive(check: &mut Check<'_>) {
    let Some(numatune) = &check.domain.numatune else { return };
    let Some(memory) = &numatune.memory else { return };
    let wanted = memory.mode == NumatuneMode::Restrictive;
    for memnode in &numatune.memnodes {
        if (memnode.mode == NumatuneMode::Restrictive) != wanted {
            let message =
                format!("<memnode> is '{}', but <memory> is '{}'", memnode.mode, memory.mode);
            check.refuse(
                memnode.origin,
                attribute("mode"),
                message,
                "write mode='restrictive' in both, or in neither",
            );
        }
    }
}

fn numa<'a>(check: &Check<'a>) -> Option<&'a Numa> {
    check.domain.cpu.as_ref()?.numa.as_ref()
}

fn caches(check: &mut Check<'_>) {
    let Some(numa) = numa(check) else { return };
    for cell in &numa.cells {
        for (at, cache) in cell.caches.iter().enumerate() {
            let message = if cache.level > MAX_CACHE_LEVEL {
                format!("{} is no level of a cache", cache.level)
            } else if cell.caches[..at].iter().any(|other| other.level == cache.level) {
                format!("two caches of the node have level {}", cache.level)
            } else {
                continue;
            };
            let help = format!("number the caches up to {MAX_CACHE_LEVEL}");
            check.refuse(cache.origin, attribute("level"), message, help);
        }
    }
}

/// What is told of the way from a node's processors to a node's memory.
#[derive(PartialEq)]
struct Way {
    is_latency: bool,
    from: u32,
    to: u32,
    cache: Option<NonZeroU32>,
    kind: AccessKind,
}

impl Way {
    /// What is wrong with it, given those before.
    fn problem(&self, cells: &[NumaCell], before: &[Self]) -> Option<(Part, String)> {
        let Self { from, to, .. } = self;
        let cell = |number: &u32| cells.iter().find(|cell| cell.id == Some(*number));
        let Some(from_cell) = cell(from) else {
            return Some((attribute("initiator"), format!("there is no node {from}")));
        };
        let Some(to_cell) = cell(to) else {
            return Some((attribute("target"), format!("there is no node {to}")));
        };
        if from_cell.cpus.is_none() {
            return Some((attribute("initiator"), format!("node {from} has no processors")));
        }
        if let Some(level) = self.cache
            && to_cell.caches.iter().all(|cache| cache.level != level.get())
        {
            return Some((attribute("cache"), format!("node {to} has no cache of level {level}")));
        }
        if before.contains(self) {
            return Some((Part::Name, "this is told of the way already".to_owned()));
        }
        let is_back = |other: &Self| from != to && (other.from, other.to) == (*to, *from);
        let message = format!("the way between {to} and {from} is told of already");
        before.iter().any(is_back).then_some((Part::Name, message))
    }
}

fn ways(check: &mut Check<'_>) {
    let Some(numa) = numa(check) else { return };
    let mut before = Vec::new();
    for interconnect in numa.interconnects.iter().flat_map(|all| &all.0) {
        let (origin, is_latency, from, to, cache, kind) = match interconnect {
            Interconnect::Latency(it) => {
                (it.origin, true, it.initiator, it.target, it.cache, it.kind)
            }
            Interconnect::Bandwidth(it) => {
                (it.origin, false, it.initiator, it.target, it.cache, it.kind)
            }
        };
        let way = Way { is_latency, from, to, cache, kind };
        if let Some((part, message)) = way.problem(&numa.cells, &before) {
            check.refuse(
                origin,
                part,
                message,
                "name cells and caches that <numa> has, and each way once",
            );
        }
        before.push(way);
    }
}
