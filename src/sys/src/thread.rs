//! Threads of a process: where they run, how they are scheduled, and how long they have run.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::CpuSet;

/// How a thread is scheduled. Linux: `sched(7)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// `SCHED_BATCH`.
    Batch,
    /// `SCHED_IDLE`.
    Idle,
    /// `SCHED_FIFO` with a priority from 1 to 99.
    Fifo(i32),
    /// `SCHED_RR` with a priority from 1 to 99.
    RoundRobin(i32),
}

/// The numbers of a process's threads, its first one included.
///
/// # Errors
///
/// The process is gone.
pub fn of_process(process: u32) -> io::Result<Vec<i32>> {
    let entries = fs::read_dir(format!("/proc/{process}/task"))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// How long processors have worked for a process or a thread, and where that ran last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// In its own code; for QEMU that is also the guest's.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
    /// The number of the processor that it was on last.
    pub processor: u32,
}

impl Work {
    /// All of it.
    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

/// How long processors have worked for a process, the threads that have ended included.
///
/// # Errors
///
/// The process is gone.
pub fn work_of_process(process: u32) -> io::Result<Work> {
    work_in(&format!("/proc/{process}/stat"))
}

/// How long processors have worked for one thread of a process.
///
/// # Errors
///
/// The thread is gone.
pub fn work_of_thread(process: u32, thread: u32) -> io::Result<Work> {
    work_in(&format!("/proc/{process}/task/{thread}/stat"))
}

/// How long a thread of a process has waited for a processor while it could have run.
///
/// # Errors
///
/// The thread is gone, or the kernel does not count it.
pub fn delay_of_thread(process: u32, thread: u32) -> io::Result<Duration> {
    let counted = fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat"))?;
    // Time on a processor, time waited for one, number of turns (Linux: sched-stats.rst).
    let waited = counted.split_whitespace().nth(1).and_then(|field| field.parse().ok());
    Ok(Duration::from_nanos(waited.ok_or(io::ErrorKind::InvalidData)?))
}

/// The processors of the host that a thread may run on, and how many there are.
///
/// # Errors
///
/// Those of sched_getaffinity(2): the thread is gone.
pub fn affinity(thread: u32) -> io::Result<Vec<bool>> {
    let thread = i32::try_from(thread).ok().and_then(Pid::from_raw);
    let set = rustix::thread::sched_getaffinity(Some(thread.ok_or(io::ErrorKind::NotFound)?))?;
    Ok((0..processors()).map(|cpu| set.is_set(cpu)).collect())
}

/// How many processors the host has.
fn processors() -> usize {
    let present = fs::read_to_string("/sys/devices/system/cpu/present").unwrap_or_default();
    // Such as `0-7`; they are numbered from 0 without gaps.
    let last = present.trim().rsplit(['-', ',']).next().and_then(|last| last.parse().ok());
    last.map_or(1, |last: usize| last + 1).min(CpuSet::MAX_CPU)
}

/// Source: `proc_pid_stat(5)`, fields 14, 15 and 39.
fn work_in(path: &str) -> io::Result<Work> {
    let stat = fs::read_to_string(path)?;
    // The second field is the program's name in parentheses and may contain both.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(1);
    let fields: Vec<u64> = fields.map(|field| field.parse().unwrap_or(0)).collect();
    let field = |number: usize| fields.get(number - 4).copied().unwrap_or(0);
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let time = |ticks_worked| Duration::from_nanos(ticks_worked * (1_000_000_000 / ticks));
    Ok(Work { user: time(field(14)), system: time(field(15)), processor: field(39) as u32 })
}

/// Lets a thread run on some of the host's processors only.
///
/// # Errors
///
/// Those of sched_setaffinity(2): `InvalidInput` if none of the processors is there.
pub fn set_affinity(thread: i32, cpus: &[u32]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus.iter().filter(|cpu| (**cpu as usize) < CpuSet::MAX_CPU) {
        set.set(*cpu as usize);
    }
    Ok(rustix::thread::sched_setaffinity(Some(pid(thread)?), &set)?)
}

/// Sets how a thread is scheduled.
///
/// # Errors
///
/// Those of sched_setscheduler(2): `PermissionDenied` without `CAP_SYS_NICE`.
pub fn set_policy(thread: i32, policy: Policy) -> io::Result<()> {
    let (number, priority) = match policy {
        Policy::Batch => (libc::SCHED_BATCH, 0),
        Policy::Idle => (libc::SCHED_IDLE, 0),
        Policy::Fifo(priority) => (libc::SCHED_FIFO, priority),
        Policy::RoundRobin(priority) => (libc::SCHED_RR, priority),
    };
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameters live as long as the call; a number that is no thread's is refused.
    match unsafe { libc::sched_setscheduler(thread, number, &parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn pid(thread: i32) -> io::Result<Pid> {
    Pid::from_raw(thread).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_for_a_process_and_its_threads() {
        let me = std::process::id();
        let spin = std::time::Instant::now();
        while spin.elapsed() < Duration::from_millis(60) {
            std::hint::spin_loop();
        }

        let all = work_of_process(me).unwrap();
        let first = work_of_thread(me, me).unwrap();

        assert!(all.total() >= Duration::from_millis(10), "{all:?}");
        assert!(first.total() <= work_of_process(me).unwrap().total());
        assert!(work_of_thread(me, 1).is_err());
        assert!(affinity(me).unwrap().contains(&true));
    }

    fn status(field: &str) -> String {
        let text = fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    }

    #[test]
    fn a_thread_runs_where_it_is_told() {
        let thread: i32 = status("Pid").parse().unwrap();
        assert!(of_process(std::process::id()).unwrap().contains(&thread));
        let allowed = status("Cpus_allowed_list");
        let first: u32 = allowed.split(['-', ',']).next().unwrap().parse().unwrap();
        set_affinity(thread, &[first]).unwrap();
        assert_eq!(status("Cpus_allowed_list"), first.to_string());
        assert!(set_affinity(thread, &[]).is_err());
    }

    #[test]
    fn a_thread_can_be_made_to_wait_for_all_others() {
        let thread: i32 = status("Pid").parse().unwrap();
        set_policy(thread, Policy::Idle).unwrap();
        assert!(set_policy(thread, Policy::Fifo(1000)).is_err());
    }
}
