//! Where threads of a process run, and how they are scheduled.

use std::fs;
use std::io;

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
