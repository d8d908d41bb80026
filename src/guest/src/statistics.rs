//! Statistics of a running guest, under virsh's names.
//!
//! libvirt: `virConnectGetAllDomainStats` in `src/libvirt-domain.c` lists the names, units and what
//! each means.

use conf::Domain;
use conf::device::DeviceKind;
use qemu::alias::Aliases;
use serde_json::{Map, Value, json};

use crate::disks::{RunningDisk, Transfers, disks};
use crate::interfaces::{Direction, GuestInterface, counters, running};

/// Statistics by their names, in the order in which virsh prints them.
pub type Statistics = Map<String, Value>;

/// Which statistics are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// `state.*`.
    pub state: bool,
    /// `cpu.*`: of the whole guest.
    pub cpu_total: bool,
    /// `balloon.*`: its memory.
    pub balloon: bool,
    /// `vcpu.*`: each of its processors.
    pub vcpu: bool,
    /// `net.*`: its interfaces.
    pub interface: bool,
    /// `block.*`: its disks.
    pub block: bool,
}

impl Groups {
    /// All of them.
    pub const ALL: Self = Self {
        state: true,
        cpu_total: true,
        balloon: true,
        vcpu: true,
        interface: true,
        block: true,
    };

    /// These; all if none was asked for.
    pub fn or_all(self) -> Self {
        if self == Self::default() { Self::ALL } else { self }
    }
}

/// A running guest, as far as statistics need to know it.
#[derive(Debug)]
pub struct Running<'a> {
    /// A connection to QEMU.
    pub qemu: &'a qmp::Client,
    /// QEMU's process number.
    pub process: u32,
    /// The document that it runs with.
    pub domain: &'a Domain,
}

/// Everything that is wanted, but for its state, which is the supervisor's to tell.
///
/// # Errors
/// Those of QEMU.
///
/// # Cancel safety
/// May be dropped at any time.
pub async fn collect(guest: &Running<'_>, groups: Groups) -> Result<Statistics, qmp::Error> {
    let mut statistics = Statistics::new();
    if groups.cpu_total {
        cpu_total(guest, &mut statistics);
    }
    if groups.balloon {
        for (name, value) in memory(guest).await? {
            statistics.insert(format!("balloon.{name}"), value);
        }
    }
    if groups.vcpu {
        vcpus(guest, &mut statistics).await?;
    }
    if groups.interface {
        interfaces(&running(guest.qemu, guest.process, guest.domain).await?, &mut statistics);
    }
    if groups.block {
        blocks(&disks(guest.qemu, guest.domain).await?, &mut statistics);
    }
    Ok(statistics)
}

fn nanoseconds(time: std::time::Duration) -> Value {
    Value::from(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

fn cpu_total(guest: &Running<'_>, statistics: &mut Statistics) {
    // It may have ended a moment ago.
    let Ok(work) = sys::thread::work_of_process(guest.process) else { return };
    statistics.insert("cpu.time".to_owned(), nanoseconds(work.total()));
    statistics.insert("cpu.user".to_owned(), nanoseconds(work.user));
    statistics.insert("cpu.system".to_owned(), nanoseconds(work.system));
}

/// The guest's memory, in KiB but for counts of events: what the balloon leaves it, what it may
/// have, what the guest says of it by its balloon driver, and what it takes on the host.
///
/// # Errors
/// Those of QEMU.
///
/// # Cancel safety
/// May be dropped at any time.
pub async fn memory(guest: &Running<'_>) -> Result<Statistics, qmp::Error> {
    let maximum = guest.domain.memory.as_ref().map_or(0, |memory| memory.size.0);
    let mut statistics = Statistics::new();
    let path = format!(
        "/machine/peripheral/{}",
        Aliases::assign(guest.domain).get(DeviceKind::Memballoon, 0)
    );
    let balloon = guest.qemu.send("query-balloon", &Value::Null);
    let told = json!({ "path": path, "property": "guest-stats" });
    let told = guest.qemu.send("qom-get", &told);
    // A guest without a balloon has all of its memory, and nobody who tells.
    let current = match balloon.answer().await {
        Ok(answer) => answer["actual"].as_u64().map_or(maximum, |bytes| bytes / 1024),
        Err(qmp::Error::Refused { .. }) => maximum,
        Err(error) => return Err(error),
    };
    statistics.insert("current".to_owned(), current.into());
    statistics.insert("maximum".to_owned(), maximum.into());
    match told.answer().await {
        Ok(told) => statistics.extend(told_by_guest(&told)),
        Err(qmp::Error::Refused { .. }) => {}
        Err(error) => return Err(error),
    }
    if let Ok(bytes) = sys::process::resident_memory(guest.process) {
        statistics.insert("rss".to_owned(), (bytes / 1024).into());
    }
    Ok(statistics)
}

/// What the balloon driver of the guest tells: virsh's name, QEMU's, and whether it is in bytes.
///
/// libvirt: `qemuMonitorJSONGetMemoryStats`.
const TOLD: &[(&str, &str, bool)] = &[
    ("swap_in", "stat-swap-in", true),
    ("swap_out", "stat-swap-out", true),
    ("major_fault", "stat-major-faults", false),
    ("minor_fault", "stat-minor-faults", false),
    ("unused", "stat-free-memory", true),
    ("available", "stat-total-memory", true),
    ("usable", "stat-available-memory", true),
    ("disk_caches", "stat-disk-caches", true),
    ("hugetlb_pgalloc", "stat-htlb-pgalloc", false),
    ("hugetlb_pgfail", "stat-htlb-pgfail", false),
];

fn told_by_guest(told: &Value) -> Statistics {
    let known = |(name, key, in_bytes): &(&str, &str, bool)| {
        let value = told["stats"][key].as_u64()?;
        // QEMU: all bits are set in what the guest has not told.
        (value != u64::MAX).then(|| {
            ((*name).to_owned(), Value::from(if *in_bytes { value / 1024 } else { value }))
        })
    };
    let mut statistics: Statistics = TOLD.iter().filter_map(known).collect();
    if let Some(when) = told["last-update"].as_u64().filter(|when| *when > 0) {
        statistics.insert("last-update".to_owned(), when.into());
    }
    statistics
}

/// A processor of a running guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningVcpu {
    /// Its number.
    pub number: u64,
    /// The thread of QEMU that it is.
    pub thread: u32,
    /// How long a processor of the host has worked for it, and which one last. `None` if it is gone.
    pub work: Option<sys::thread::Work>,
}

/// The processors of a running guest, in the order of their numbers.
///
/// # Errors
/// Those of QEMU.
///
/// # Cancel safety
/// May be dropped at any time.
pub async fn processors(guest: &Running<'_>) -> Result<Vec<RunningVcpu>, qmp::Error> {
    let answer = guest.qemu.execute("query-cpus-fast", &Value::Null).await?;
    let vcpu = |cpu: &Value| {
        let thread = u32::try_from(cpu["thread-id"].as_u64()?).ok()?;
        let work = sys::thread::work_of_thread(guest.process, thread).ok();
        Some(RunningVcpu { number: cpu["cpu-index"].as_u64()?, thread, work })
    };
    let mut vcpus: Vec<_> = answer.as_array().into_iter().flatten().filter_map(vcpu).collect();
    vcpus.sort_by_key(|vcpu| vcpu.number);
    Ok(vcpus)
}

/// libvirt: `VIR_VCPU_RUNNING`.
const VCPU_RUNNING: u32 = 1;

async fn vcpus(guest: &Running<'_>, statistics: &mut Statistics) -> Result<(), qmp::Error> {
    let vcpus = processors(guest).await?;
    let maximum = guest.domain.vcpu.as_ref().map_or(1, |vcpu| vcpu.maximum);
    statistics.insert("vcpu.current".to_owned(), vcpus.len().into());
    statistics.insert("vcpu.maximum".to_owned(), maximum.into());
    for vcpu in vcpus {
        let name = |what: &str| format!("vcpu.{}.{what}", vcpu.number);
        statistics.insert(name("state"), VCPU_RUNNING.into());
        if let Some(work) = vcpu.work {
            statistics.insert(name("time"), nanoseconds(work.total()));
        }
        if let Ok(delay) = sys::thread::delay_of_thread(guest.process, vcpu.thread) {
            statistics.insert(name("delay"), nanoseconds(delay));
        }
    }
    Ok(())
}

fn interfaces(interfaces: &[GuestInterface], statistics: &mut Statistics) {
    // Those that no device of the host carries have no counters, and virsh leaves them out too.
    let counted: Vec<_> = interfaces
        .iter()
        .filter_map(|one| Some((one.device.as_ref()?, counters(one.device.as_ref()?).ok()?)))
        .collect();
    statistics.insert("net.count".to_owned(), counted.len().into());
    for (at, (device, counters)) in counted.into_iter().enumerate() {
        statistics.insert(format!("net.{at}.name"), device.as_str().into());
        for (way, Direction { bytes, packets, errors, dropped }) in
            [("rx", counters.received), ("tx", counters.sent)]
        {
            let named = [("bytes", bytes), ("pkts", packets), ("errs", errors), ("drop", dropped)];
            for (what, number) in named {
                statistics.insert(format!("net.{at}.{way}.{what}"), number.into());
            }
        }
    }
}

fn blocks(disks: &[RunningDisk], statistics: &mut Statistics) {
    statistics.insert("block.count".to_owned(), disks.len().into());
    for (at, disk) in disks.iter().enumerate() {
        let mut add = |what: &str, value: Value| {
            statistics.insert(format!("block.{at}.{what}"), value);
        };
        add("name", disk.target.as_str().into());
        if let Some(source) = disk.source.as_deref().filter(|source| source.starts_with('/')) {
            add("path", source.into());
        }
        for (way, Transfers { requests, bytes, time, .. }) in
            [("rd", disk.reads), ("wr", disk.writes)]
        {
            add(&format!("{way}.reqs"), requests.into());
            add(&format!("{way}.bytes"), bytes.into());
            add(&format!("{way}.times"), time.into());
        }
        add("fl.reqs", disk.flushes.requests.into());
        add("fl.times", disk.flushes.time.into());
        if let Some(size) = disk.size {
            add("allocation", size.allocation.into());
            add("capacity", size.capacity.into());
            add("physical", size.physical.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn what_the_guest_has_not_told_is_left_out() {
        let told = json!({
            "stats": {"stat-swap-in": u64::MAX, "stat-free-memory": 4096, "stat-major-faults": 7},
            "last-update": 0,
        });

        let statistics = told_by_guest(&told);

        assert_eq!(Value::Object(statistics), json!({"major_fault": 7, "unused": 4}));
    }

    #[test]
    fn disks_are_counted_under_virshs_names() {
        let disk = RunningDisk {
            target: "vda".to_owned(),
            source: Some("/a.img".to_owned()),
            reads: Transfers { requests: 3, bytes: 512, time: 9, errors: 0 },
            ..RunningDisk::default()
        };
        let mut statistics = Statistics::new();

        blocks(&[disk], &mut statistics);

        let text: Vec<String> =
            statistics.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            text[..6],
            [
                "block.count=1",
                "block.0.name=\"vda\"",
                "block.0.path=\"/a.img\"",
                "block.0.rd.reqs=3",
                "block.0.rd.bytes=512",
                "block.0.rd.times=9",
            ]
        );
    }

    #[test]
    fn without_a_choice_everything_is_wanted() {
        assert_eq!(Groups::default().or_all(), Groups::ALL);
        let block = Groups { block: true, ..Groups::default() };
        assert_eq!(block.or_all(), block);
    }
}
