//! Where the threads of QEMU run, and processors that come and go.

use base::{CpuSet, YesNo};
use conf::cputune::{Schedule, Scheduler};
use conf::vcpu::Placement;
use xml::Origin;

use super::{AddedProcessor, Builder, Policy, Thread, ThreadPlacement};

/// Processors that are there when the guest starts and can be taken away: they are added to the
/// machine, in the order that the document says.
///
/// libvirt: `qemuProcessSetupHotpluggableVcpus`.
pub(super) fn processors(builder: &mut Builder<'_>) {
    let Some(list) = &builder.domain.vcpus else { return };
    let mut added: Vec<_> = list
        .vcpus
        .iter()
        .filter(|vcpu| vcpu.enabled == YesNo::Yes && vcpu.hotpluggable == Some(YesNo::Yes))
        .collect();
    added.sort_by_key(|vcpu| (vcpu.order, vcpu.id));
    builder.processors = added
        .into_iter()
        .map(|vcpu| AddedProcessor {
            number: vcpu.id,
            purpose: format!("processor {}", vcpu.id),
            origin: vcpu.origin,
            at: None,
        })
        .collect();
}

/// On which of the host's processors QEMU's threads run, and how they are scheduled.
///
/// libvirt: `qemuProcessSetupEmulator`, `qemuProcessSetupVcpus`, `qemuProcessSetupIOThreads`.
pub(super) fn threads(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    let vcpu = domain.vcpu.as_ref();
    let origin = domain.cputune.as_ref().map_or(domain.origin, |tune| tune.origin);
    builder.part("processor placement", vcpu.map_or(domain.origin, |vcpu| vcpu.origin));
    let is_auto = vcpu.is_some_and(|vcpu| vcpu.placement == Placement::Auto);
    if is_auto && builder.host.numad_nodes.is_none() {
        let refused = builder.refuse("this host has no numad to choose processors");
        refused.help = Some("write cpuset='…' in place of placement='auto'".to_owned());
    }
    let all = vcpu.and_then(|vcpu| vcpu.cpuset.as_ref());
    let default = conf::cputune::Cputune::default();
    let tune = domain.cputune.as_ref().unwrap_or(&default);
    let emulator = tune.emulator_pin.as_ref().or(all);
    place(builder, origin, Thread::Emulator, emulator, tune.emulator_scheduler.as_ref());
    for number in 0..vcpu.map_or(1, |vcpu| vcpu.maximum) {
        let cpus = tune.vcpu_pin(number).or(all);
        let schedule = tune.vcpu_schedulers.iter().find(|said| said.vcpus.0.contains(&number));
        let schedule = schedule.map(|said| &said.schedule);
        place(builder, origin, Thread::Vcpu { number }, cpus, schedule);
    }
    for number in domain.iothread_numbers() {
        let pin = tune.iothread_pins.iter().find(|pin| pin.iothread == number);
        let cpus = pin.map(|pin| &pin.cpuset).or(all);
        let mut schedulers = tune.iothread_schedulers.iter();
        let schedule = schedulers.find(|said| said.iothreads.0.contains(&number));
        let schedule = schedule.map(|said| &said.schedule);
        place(builder, origin, Thread::Iothread { number }, cpus, schedule);
    }
}

fn place(
    builder: &mut Builder<'_>,
    origin: Origin,
    thread: Thread,
    cpus: Option<&CpuSet>,
    schedule: Option<&Schedule>,
) {
    if cpus.is_none() && schedule.is_none() {
        return;
    }
    let policy = schedule.map(|schedule| match schedule.scheduler {
        Scheduler::Batch => Policy::Batch,
        Scheduler::Idle => Policy::Idle,
        Scheduler::Fifo => Policy::Fifo { priority: schedule.priority.unwrap_or(1) },
        Scheduler::Rr => Policy::Rr { priority: schedule.priority.unwrap_or(1) },
    });
    builder.threads.push(ThreadPlacement {
        thread,
        cpus: cpus.map(|cpus| cpus.0.iter().copied().collect()),
        policy,
        origin,
        at: None,
    });
}

/// Says what nobody cares for: what other programs of the host do better, and what is of other
/// machines or of libvirt's own.
///
/// libvirt: `qemuProcessResctrlCreate`, `qemuProcessEnablePerf`.
pub(super) fn without_effect(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    let tune = domain.cputune.as_ref();
    let has_resctrl =
        tune.is_some_and(|tune| !tune.cache_tunes.is_empty() || !tune.memory_tunes.is_empty());
    let tune = tune.map(|tune| tune.origin);
    let caches =
        ("the caches of the host are left alone", "use /sys/fs/resctrl with QEMU's threads");
    let traffic = ("its traffic is not told from that of others", "leave <fibrechannel> out");
    let events = ("nobody counts events", "use perf(1) with the guest's process");
    let containers = ("only containers have it", "leave it out");
    let s390 = ("only guests of s390 have it", "leave it out");
    let fibre_channel = domain.resource.as_ref().filter(|it| it.fibre_channel.is_some());
    let counts = domain.perf.as_ref().filter(|perf| perf.counts_anything());
    let without_effect = [
        ("<cachetune> and <memorytune>", tune.filter(|_| has_resctrl), caches),
        ("<fibrechannel>", fibre_channel.map(|resource| resource.origin), traffic),
        ("<perf>", counts.map(|perf| perf.origin), events),
        ("<idmap>", domain.idmap.as_ref().map(|idmap| idmap.origin), containers),
        ("<keywrap>", domain.keywrap.as_ref().map(|keywrap| keywrap.origin), s390),
    ];
    for (what, origin, (reason, help)) in without_effect {
        let Some(origin) = origin else { continue };
        builder.part(what, origin);
        let warning = builder.warn(format!("has no effect: {reason}"));
        warning.help = Some(help.to_owned());
    }
}
