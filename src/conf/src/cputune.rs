//! `<cputune>`: which host CPUs run what of the guest, and how much of them.

use std::fmt::Write;
use std::num::{NonZeroI64, NonZeroU64};

use base::{BadValue, CpuSet, Datatype, Unit, Value, size, words};
use xml::{El, Origin, Part, Problem, Reader, Xml};

words! {
    /// How Linux schedules a thread.
    pub enum Scheduler {
        /// As a job that nobody waits for.
        Batch = "batch",
        /// When nothing else is to be done.
        Idle = "idle",
        /// Before all normal threads, until it sleeps.
        Fifo = "fifo",
        /// Before all normal threads, in turn with others of its priority.
        Rr = "rr",
    }
}

/// `<cputune>`. Absent limits are not set.
///
/// libvirt: `virDomainCputuneParse...`, `virDomainCputuneDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Cputune::finish)]
pub struct Cputune {
    /// Where it was written.
    pub origin: Origin,
    /// The guest's share of the host's CPUs, beside that of others.
    #[xml(text_child)]
    pub shares: Option<u64>,
    /// In how many microseconds `quota` is counted.
    #[xml(text_child)]
    pub period: Option<NonZeroU64>,
    /// How many microseconds each processor runs in a period; negative: as long as it likes.
    #[xml(text_child)]
    pub quota: Option<NonZeroI64>,
    /// The period of the whole guest.
    #[xml(text_child)]
    pub global_period: Option<NonZeroU64>,
    /// The quota of the whole guest.
    #[xml(text_child)]
    pub global_quota: Option<NonZeroI64>,
    /// The period of QEMU's other threads.
    #[xml(text_child)]
    pub emulator_period: Option<NonZeroU64>,
    /// The quota of QEMU's other threads.
    #[xml(text_child)]
    pub emulator_quota: Option<NonZeroI64>,
    /// The period of each I/O thread.
    #[xml(text_child)]
    pub iothread_period: Option<NonZeroU64>,
    /// The quota of each I/O thread.
    #[xml(text_child)]
    pub iothread_quota: Option<NonZeroI64>,
    /// The host CPUs of processors, by the processors' numbers.
    #[xml(child, name = "vcpupin")]
    pub vcpu_pins: Vec<VcpuPin>,
    /// The host CPUs of QEMU's other threads.
    #[xml(attribute_child = "cpuset", name = "emulatorpin", repeat = "error")]
    pub emulator_pin: Option<CpuSet>,
    /// The host CPUs of I/O threads, in the order of the threads.
    #[xml(child, name = "iothreadpin")]
    pub iothread_pins: Vec<IothreadPin>,
    /// How QEMU's other threads are scheduled.
    #[xml(child, name = "emulatorsched", repeat = "error")]
    pub emulator_scheduler: Option<Schedule>,
    /// How processors are scheduled, one by one.
    #[xml(child, name = "vcpusched")]
    pub vcpu_schedulers: Vec<VcpuSchedule>,
    /// How I/O threads are scheduled, one by one, in the order of the threads.
    #[xml(child, name = "iothreadsched")]
    pub iothread_schedulers: Vec<IothreadSchedule>,
    /// Parts of the host's caches.
    #[xml(child, name = "cachetune")]
    pub cache_tunes: Vec<CacheTune>,
    /// Parts of the host's memory bandwidth.
    #[xml(child, name = "memorytune")]
    pub memory_tunes: Vec<MemoryTune>,
}

impl Cputune {
    /// The host CPUs of a processor, where it has some of its own.
    pub fn vcpu_pin(&self, vcpu: u32) -> Option<&CpuSet> {
        self.vcpu_pins.iter().find(|pin| pin.vcpu == vcpu).map(|pin| &pin.cpuset)
    }

    /// One element for each thread, in the order of their numbers.
    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        self.vcpu_pins.sort_by_key(|pin| pin.vcpu);
        let twins = self.vcpu_pins.windows(2).filter(|pair| pair[0].vcpu == pair[1].vcpu);
        for pin in twins.map(|pair| &pair[1]) {
            let message = format!("two <vcpupin> are for processor {}", pin.vcpu);
            reader.error(pin.origin, Part::Attribute("vcpu".to_owned()), message);
        }
        let mut pinned = Vec::new();
        for pin in &self.iothread_pins {
            if pinned.contains(&pin.iothread) {
                let message = format!("two <iothreadpin> are for I/O thread {}", pin.iothread);
                reader.error(pin.origin, Part::Attribute("iothread".to_owned()), message);
            }
            pinned.push(pin.iothread);
        }
        self.vcpu_schedulers = each("vCPU", &self.vcpu_schedulers, |of| &mut of.vcpus, reader);
        self.iothread_schedulers =
            each("I/O thread", &self.iothread_schedulers, |of| &mut of.iothreads, reader);
    }
}

/// One element for each number in the sets of `schedules`, in order; `what` the numbers are of.
fn each<T: Clone + HasOrigin>(
    what: &str,
    schedules: &[T],
    threads: impl Fn(&mut T) -> &mut CpuSet,
    reader: &mut Reader,
) -> Vec<T> {
    let mut single: Vec<(u32, T)> = Vec::new();
    for schedule in schedules {
        let mut schedule = schedule.clone();
        for number in std::mem::take(threads(&mut schedule)).0 {
            if single.iter().any(|(taken, _)| *taken == number) {
                let message = format!("{what} {number} is scheduled more than once");
                reader.error(schedule.origin(), Part::Name, message);
            }
            let mut one = schedule.clone();
            threads(&mut one).0.insert(number);
            single.push((number, one));
        }
    }
    single.sort_by_key(|(number, _)| *number);
    single.into_iter().map(|(_, schedule)| schedule).collect()
}

/// What knows where it was written.
trait HasOrigin {
    fn origin(&self) -> Origin;
}

/// `<vcpupin>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = VcpuPin::finish)]
pub struct VcpuPin {
    /// Where it was written.
    pub origin: Origin,
    /// The number of the processor.
    #[xml(attribute, required)]
    pub vcpu: u32,
    /// The host CPUs it may run on.
    #[xml(attribute, required)]
    pub cpuset: CpuSet,
}

impl VcpuPin {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        refuse_empty(el, &self.cpuset, "cpuset", reader);
    }
}

/// `<iothreadpin>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = IothreadPin::finish)]
pub struct IothreadPin {
    /// Where it was written.
    pub origin: Origin,
    /// The number of the I/O thread.
    #[xml(attribute, required)]
    pub iothread: u32,
    /// The host CPUs it may run on.
    #[xml(attribute, required)]
    pub cpuset: CpuSet,
}

impl IothreadPin {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        refuse_empty(el, &self.cpuset, "cpuset", reader);
    }
}

fn refuse_empty(el: El<'_>, set: &CpuSet, name: &str, reader: &mut Reader) {
    if set.0.is_empty() && el.attribute(name).is_some() {
        let message = format!("'{name}' of <{}> has nothing in it", el.name());
        reader.error(el.origin(), Part::Attribute(name.to_owned()), message);
    }
}

/// How a thread is scheduled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Schedule {
    /// By which rule.
    #[xml(attribute, required)]
    pub scheduler: Scheduler,
    /// Before which others, from 1 (last) to 99 (first).
    #[xml(attribute, required, read_if = Schedule::is_realtime)]
    pub priority: Option<i32>,
}

impl Schedule {
    fn is_realtime(&self) -> bool {
        matches!(self.scheduler, Scheduler::Fifo | Scheduler::Rr)
    }
}

/// `<vcpusched>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = VcpuSchedule::finish)]
pub struct VcpuSchedule {
    /// Where it was written.
    pub origin: Origin,
    /// The processors; after reading it is one.
    #[xml(attribute, required)]
    pub vcpus: CpuSet,
    /// How it is scheduled.
    #[xml(flatten)]
    pub schedule: Schedule,
}

impl VcpuSchedule {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        refuse_empty(el, &self.vcpus, "vcpus", reader);
    }
}

impl HasOrigin for VcpuSchedule {
    fn origin(&self) -> Origin {
        self.origin
    }
}

/// `<iothreadsched>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = IothreadSchedule::finish)]
pub struct IothreadSchedule {
    /// Where it was written.
    pub origin: Origin,
    /// The I/O threads; after reading it is one.
    #[xml(attribute, required)]
    pub iothreads: CpuSet,
    /// How it is scheduled.
    #[xml(flatten)]
    pub schedule: Schedule,
}

impl IothreadSchedule {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        refuse_empty(el, &self.iothreads, "iothreads", reader);
    }
}

impl HasOrigin for IothreadSchedule {
    fn origin(&self) -> Origin {
        self.origin
    }
}

words! {
    /// What is kept in a cache.
    pub enum CacheContent {
        /// Code and data.
        Both = "both",
        /// Code.
        Code = "code",
        /// Data.
        Data = "data",
    }
}

/// A size in bytes, read in KiB and printed in the largest unit that fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CacheSize(pub u64);

impl Value for CacheSize {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        size::parse(text, Unit::KIB).map(|bytes| Some(Self(bytes)))
    }

    fn write(&self, out: &mut String) {
        let (number, unit) = size::pretty(self.0);
        write!(out, "{number} {unit}").expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Unsigned
    }
}

/// `<cachetune>`: parts of the host's caches that only some processors use.
///
/// libvirt: `virDomainCachetuneDefParse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = CacheTune::finish, drop_if = CacheTune::is_void, ignores = "id")]
pub struct CacheTune {
    /// Where it was written.
    pub origin: Origin,
    /// The processors.
    #[xml(attribute, required)]
    pub vcpus: CpuSet,
    /// The parts, by level, content and number.
    #[xml(child, name = "cache")]
    pub caches: Vec<CachePart>,
    /// What is measured.
    #[xml(child, name = "monitor")]
    pub monitors: Vec<CacheMonitor>,
}

impl CacheTune {
    fn is_void(&self) -> bool {
        self.caches.is_empty() && self.monitors.is_empty()
    }

    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        self.caches.sort_by_key(|cache| (cache.level, cache.content, cache.id));
    }
}

/// `<cache>` of `<cachetune>`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
pub struct CachePart {
    /// The number of the cache on the host.
    #[xml(attribute, required)]
    pub id: u32,
    /// Its level.
    #[xml(attribute, required)]
    pub level: u32,
    /// What is kept in it.
    #[xml(attribute, name = "type", required)]
    pub content: CacheContent,
    /// How much of it.
    #[xml(attribute, required, unit)]
    pub size: CacheSize,
}

impl Default for CachePart {
    fn default() -> Self {
        Self { id: 0, level: 0, content: CacheContent::Both, size: CacheSize(0) }
    }
}

/// `<monitor>` of `<cachetune>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct CacheMonitor {
    /// The level of the cache.
    #[xml(attribute, required)]
    pub level: u32,
    /// The processors.
    #[xml(attribute, required)]
    pub vcpus: CpuSet,
}

/// `<memorytune>`: parts of the host's memory bandwidth for some processors.
///
/// libvirt: `virDomainMemorytuneDefParse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = MemoryTune::finish)]
pub struct MemoryTune {
    /// Where it was written.
    pub origin: Origin,
    /// The processors.
    #[xml(attribute, required)]
    pub vcpus: CpuSet,
    /// The parts, by number.
    #[xml(child, name = "node")]
    pub nodes: Vec<BandwidthPart>,
    /// What is measured.
    #[xml(child, name = "monitor")]
    pub monitors: Vec<MemoryMonitor>,
}

impl MemoryTune {
    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        self.nodes.sort_by_key(|node| node.id);
    }
}

/// `<node>` of `<memorytune>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = BandwidthPart::finish)]
pub struct BandwidthPart {
    /// The number of the node on the host.
    #[xml(attribute, required)]
    pub id: u32,
    /// How much of its bandwidth, in percent.
    #[xml(attribute, required)]
    pub bandwidth: u32,
}

impl BandwidthPart {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.bandwidth > 100 {
            let part = Part::Attribute("bandwidth".to_owned());
            let message = format!("{} is not a value of 'bandwidth'", self.bandwidth);
            reader.push(Problem::error(el.origin(), part, message).expected("at most 100"));
        }
    }
}

/// `<monitor>` of `<memorytune>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct MemoryMonitor {
    /// The processors.
    #[xml(attribute, required)]
    pub vcpus: CpuSet,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    fn cputune(content: &str) -> Result<String, Vec<String>> {
        reprint::<Cputune>("cputune", &format!("<cputune>{content}</cputune>"))
    }

    #[test]
    fn each_thread_has_an_element_of_its_own() {
        assert_eq!(
            cputune(
                "<vcpusched vcpus='2' scheduler='idle' priority='3'/>\
                 <vcpusched vcpus='0-1' scheduler='rr' priority='4'/>\
                 <vcpupin vcpu='1' cpuset='3'/><vcpupin vcpu='0' cpuset='0,1'/>"
            )
            .unwrap(),
            "<cputune>\n  <vcpupin vcpu='0' cpuset='0-1'/>\n  <vcpupin vcpu='1' cpuset='3'/>\n  \
             <vcpusched vcpus='0' scheduler='rr' priority='4'/>\n  \
             <vcpusched vcpus='1' scheduler='rr' priority='4'/>\n  \
             <vcpusched vcpus='2' scheduler='idle'/>\n</cputune>\n"
        );
    }

    #[test]
    fn no_thread_is_named_twice() {
        let twice = "<vcpupin vcpu='0' cpuset='1'/><vcpupin vcpu='0' cpuset='2'/>";
        assert_eq!(cputune(twice).unwrap_err(), ["two <vcpupin> are for processor 0"]);
        let twice = "<iothreadsched iothreads='1-2' scheduler='idle'/>\
                     <iothreadsched iothreads='2' scheduler='idle'/>";
        assert_eq!(cputune(twice).unwrap_err(), ["I/O thread 2 is scheduled more than once"]);
        assert!(cputune("<vcpusched vcpus='1' scheduler='fifo'/>").is_err());
    }

    #[test]
    fn parts_of_caches_stand_in_order_with_the_largest_unit() {
        assert_eq!(
            cputune(
                "<cachetune vcpus='0'><cache id='1' level='3' type='data' size='3072'/>\
                 <cache id='0' level='3' type='both' size='3' unit='MiB'/></cachetune>\
                 <cachetune vcpus='1'/>"
            )
            .unwrap(),
            "<cputune>\n  <cachetune vcpus='0'>\n    \
             <cache id='0' level='3' type='both' size='3' unit='MiB'/>\n    \
             <cache id='1' level='3' type='data' size='3' unit='MiB'/>\n  \
             </cachetune>\n</cputune>\n"
        );
    }

    #[test]
    fn a_share_of_zero_is_kept_and_a_period_of_zero_is_not() {
        assert_eq!(
            cputune("<shares>0</shares><period>0</period><quota>-1</quota>").unwrap(),
            "<cputune>\n  <shares>0</shares>\n  <quota>-1</quota>\n</cputune>\n"
        );
    }
}
