//! What `<cputune>` says of threads that are not there.

use std::collections::BTreeSet;

use base::CpuSet;
use xml::{Origin, Part, Problem};

use crate::domain::Domain;

/// Pins of processors that are not there have no effect, as in libvirt; those of I/O threads that
/// are not there are refused. Those that remain stand in the order of the threads. Groups of
/// processors that share caches or bandwidth do not overlap.
///
/// libvirt: `virDomainVcpuPinDefParseXML`, `virDomainIOThreadPinDefParseXML`,
/// `virDomainThreadSchedParseHelper`, `virDomainResctrlVcpuMatch`.
pub fn run(domain: &mut Domain) -> Vec<Problem> {
    let iothreads = domain.iothread_numbers();
    let vcpus = domain.vcpu.as_ref().map_or(1, |vcpu| vcpu.maximum);
    let Some(cputune) = &mut domain.cputune else { return Vec::new() };
    let mut problems = Vec::new();
    cputune.vcpu_pins.retain(|pin| {
        let there = pin.vcpu < vcpus;
        if !there {
            let part = Part::Attribute("vcpu".to_owned());
            let message = format!("there is no processor {}: there are {vcpus}", pin.vcpu);
            problems
                .push(Problem::warning(pin.origin, part, message).help("this pin has no effect"));
        }
        there
    });
    let mut refuse = |origin: Origin, id: Option<u32>| {
        if let Some(id) = id.filter(|id| !iothreads.contains(id)) {
            let message = format!("there is no I/O thread {id}");
            problems.push(
                Problem::error(origin, Part::Name, message)
                    .help("raise <iothreads>, or list it in <iothreadids>"),
            );
        }
    };
    let place = |id: Option<u32>| iothreads.iter().position(|known| Some(*known) == id);
    let only = |set: &CpuSet| set.0.first().copied();
    for pin in &cputune.iothread_pins {
        refuse(pin.origin, Some(pin.iothread));
    }
    cputune.iothread_pins.sort_by_key(|pin| place(Some(pin.iothread)));
    for schedule in &cputune.iothread_schedulers {
        refuse(schedule.origin, only(&schedule.iothreads));
    }
    cputune.iothread_schedulers.sort_by_key(|schedule| place(only(&schedule.iothreads)));
    for schedule in &cputune.vcpu_schedulers {
        if let Some(vcpu) = only(&schedule.vcpus).filter(|vcpu| *vcpu >= vcpus) {
            let part = Part::Attribute("vcpus".to_owned());
            let message = format!("there is no processor {vcpu}: there are {vcpus}");
            problems.push(Problem::error(schedule.origin, part, message));
        }
    }
    let caches = cputune.cache_tunes.iter().map(|tune| (tune.origin, &tune.vcpus, true));
    let bandwidths = cputune.memory_tunes.iter().map(|tune| (tune.origin, &tune.vcpus, false));
    let mut groups: Vec<BTreeSet<u32>> = Vec::new();
    for (origin, set, is_of_caches) in caches.chain(bandwidths) {
        let set: BTreeSet<u32> = set.0.range(..vcpus).copied().collect();
        let overlaps =
            |group: &BTreeSet<u32>| (is_of_caches || *group != set) && !group.is_disjoint(&set);
        if groups.iter().any(overlaps) {
            let part = Part::Attribute("vcpus".to_owned());
            let message = "some of these processors share caches or bandwidth with others already";
            problems.push(
                Problem::error(origin, part, message)
                    .help("write each group of processors once, and none that overlaps another"),
            );
        }
        groups.push(set);
    }
    problems
}
