//! `<perf>`: events of the guest that the host counts.

use base::{YesNo, words};
use xml::{El, Origin, Part, Reader, Xml};

words! {
    /// An event of Linux's perf.
    ///
    /// libvirt: `virPerfEventType`.
    pub enum PerfEventName {
        /// Use of the last-level cache.
        Cmt = "cmt",
        /// Memory traffic of the whole socket.
        Mbmt = "mbmt",
        /// Memory traffic of the node.
        Mbml = "mbml",
        /// Processor cycles.
        CpuCycles = "cpu_cycles",
        /// Instructions.
        Instructions = "instructions",
        /// Cache accesses.
        CacheReferences = "cache_references",
        /// Cache accesses that missed.
        CacheMisses = "cache_misses",
        /// Branches.
        BranchInstructions = "branch_instructions",
        /// Branches that were guessed wrong.
        BranchMisses = "branch_misses",
        /// Bus cycles.
        BusCycles = "bus_cycles",
        /// Cycles in which no instruction was fetched.
        StalledCyclesFrontend = "stalled_cycles_frontend",
        /// Cycles in which no instruction was finished.
        StalledCyclesBackend = "stalled_cycles_backend",
        /// Cycles at the nominal frequency.
        RefCpuCycles = "ref_cpu_cycles",
        /// Time on a processor.
        CpuClock = "cpu_clock",
        /// Time of the task.
        TaskClock = "task_clock",
        /// Page faults.
        PageFaults = "page_faults",
        /// Context switches.
        ContextSwitches = "context_switches",
        /// Moves to another processor.
        CpuMigrations = "cpu_migrations",
        /// Page faults without I/O.
        PageFaultsMin = "page_faults_min",
        /// Page faults with I/O.
        PageFaultsMaj = "page_faults_maj",
        /// Accesses that the kernel had to split.
        AlignmentFaults = "alignment_faults",
        /// Instructions that the kernel had to emulate.
        EmulationFaults = "emulation_faults",
    }
}

/// `<perf>`.
///
/// libvirt: `virDomainPerfDefParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Perf::finish)]
pub struct Perf {
    /// Where it was written.
    pub origin: Origin,
    /// The events, in the order of [`PerfEventName`].
    #[xml(child, name = "event")]
    pub events: Vec<PerfEvent>,
}

impl Perf {
    /// Whether any event is counted.
    pub fn counts_anything(&self) -> bool {
        self.events.iter().any(|event| event.enabled == YesNo::Yes)
    }

    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        self.events.sort_by_key(|event| event.name);
        for pair in self.events.windows(2).filter(|pair| pair[0].name == pair[1].name) {
            let message = format!("event '{}' appears more than once", pair[1].name);
            reader.error(pair[1].origin, Part::Attribute("name".to_owned()), message);
        }
    }
}

/// `<event>`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
pub struct PerfEvent {
    /// Where it was written.
    pub origin: Origin,
    /// Which event.
    #[xml(attribute, required)]
    pub name: PerfEventName,
    /// Whether it is counted.
    #[xml(attribute, required)]
    pub enabled: YesNo,
}

impl Default for PerfEvent {
    fn default() -> Self {
        Self { origin: Origin::None, name: PerfEventName::Cmt, enabled: YesNo::No }
    }
}
