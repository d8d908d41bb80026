//! Processes: started with an exact table of descriptors, watched and ended through pidfds.

mod memory;
mod program;
mod replace;
mod strays;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, WaitOptions, getrlimit, setrlimit};
use rustix::thread::CapabilitySet;

pub use memory::forget_code;
pub use program::{Beginning, Program};
pub use rustix::process::Signal;
pub use strays::writing_below;

use crate::context;

/// A child process, or one that somebody else started and left. Dropping it neither ends nor reaps
/// it.
#[derive(Debug)]
pub struct Child {
    process: Process,
    status: Option<ExitStatus>,
    /// Whether it can be reaped.
    ours: bool,
}

/// A process, ours or not, that cannot be mistaken for a later one with the same number.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    pidfd: OwnedFd,
}

/// Names a process for longer than it lives, until the machine is rebooted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The process number.
    pub pid: u32,
    /// When it started, in clock ticks since boot: field 22 of `/proc/PID/stat`.
    pub start_time: u64,
}

/// Who is at the other end of a Unix socket: the process that connected, or for the connecting
/// side the one that listens, as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The process number; 0 when it is in a PID namespace that we cannot see.
    pub pid: u32,
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
}

impl Child {
    /// A process that was found. How it ends will be known if it is a child of ours, such as of the
    /// program that this process was before [`Program::replace`].
    pub fn found(process: Process) -> Self {
        let ours = process.is_child().unwrap_or(false);
        Self { process, status: None, ours }
    }

    /// Whether it has ended; then it is reaped, if it is ours.
    ///
    /// # Errors
    ///
    /// As for [`Child::try_wait`].
    pub fn has_ended(&mut self) -> io::Result<bool> {
        if self.ours { Ok(self.try_wait()?.is_some()) } else { Ok(!self.process.is_alive()?) }
    }

    /// The process behind the child.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// How the child ended, or nothing while it runs.
    ///
    /// # Errors
    ///
    /// Those of waitpid(2): somebody else has reaped the child.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.reap(WaitOptions::NOHANG)
    }

    /// Waits, blocking the thread, until the child has ended, and says how.
    ///
    /// # Errors
    ///
    /// As for [`Child::try_wait`].
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        Ok(self.reap(WaitOptions::empty())?.expect("without NOHANG there is an answer"))
    }

    /// Waits, blocking the thread, until the process has ended, but not longer than `limit`; says
    /// whether it has. It is reaped then, if it is ours.
    ///
    /// # Errors
    ///
    /// Those of poll(2), and as for [`Child::try_wait`].
    pub fn wait_for_end(&mut self, limit: Duration) -> io::Result<bool> {
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let mut pidfd = [PollFd::new(&self.process.pidfd, PollFlags::IN)];
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut pidfd, Some(&limit)))?;
        self.has_ended()
    }

    fn reap(&mut self, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            let pid = self.process.pid;
            let reaped =
                rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), options))?;
            self.status = reaped.map(|(_, status)| ExitStatus::from_raw(status.as_raw()));
        }
        Ok(self.status)
    }
}

impl Process {
    /// Opens a process by its number.
    ///
    /// Whoever has that number now: a number that was written down needs [`Process::find`].
    ///
    /// # Errors
    ///
    /// Those of pidfd_open(2): there is no such process, or no such number.
    pub fn open(pid: u32) -> io::Result<Self> {
        Self::open_number(pid)
            .map_err(|error| context(error, format_args!("cannot watch process {pid}")))
    }

    /// Finds the process that an identity names, if it still runs.
    ///
    /// # Errors
    ///
    /// Those of pidfd_open(2) and of reading `/proc`, but for "there is no such process".
    pub fn find(identity: Identity) -> io::Result<Option<Self>> {
        let process = match Self::open_number(identity.pid) {
            // EINVAL: the number is now that of a thread.
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Ok(None),
            process => process?,
        };
        // Compared after opening: from here on the number cannot change hands.
        match process.identity() {
            Ok(found) => Ok((found == identity && process.is_alive()?).then_some(process)),
            Err(_) if !process.is_alive()? => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open_number(pid: u32) -> Result<Self, Errno> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
        Ok(Self { pid, pidfd: rustix::process::pidfd_open(pid, PidfdFlags::empty())? })
    }

    /// The process number.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_pid().cast_unsigned()
    }

    /// Names the process in a way that can be written down.
    ///
    /// # Errors
    ///
    /// `NotFound` when it has ended and been reaped.
    pub fn identity(&self) -> io::Result<Identity> {
        Ok(Identity { pid: self.pid(), start_time: self.stat(19)? })
    }

    /// A number in `/proc/PID/stat`, counted from the state, which is 0.
    fn stat(&self, field: usize) -> io::Result<u64> {
        let path = format!("/proc/{}/stat", self.pid());
        let stat = std::fs::read(&path)?;
        // The second field is the program's name in parentheses and may contain both.
        let after_name = stat.iter().rposition(|byte| *byte == b')').map(|end| &stat[end + 1..]);
        after_name
            .and_then(|fields| std::str::from_utf8(fields).ok())
            .and_then(|fields| fields.split_whitespace().nth(field)?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("cannot read {path}")))
    }

    /// Whether the process has not ended yet; a zombie has.
    ///
    /// # Errors
    ///
    /// Those of poll(2).
    pub fn is_alive(&self) -> io::Result<bool> {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut pidfd = [PollFd::new(&self.pidfd, PollFlags::IN)];
        Ok(rustix::io::retry_on_intr(|| rustix::event::poll(&mut pidfd, Some(&now)))? == 0)
    }

    /// Sends a signal to this process and no other.
    ///
    /// # Errors
    ///
    /// Those of pidfd_send_signal(2). A process that has ended is no error.
    pub fn kill(&self, signal: Signal) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(context(error, format_args!("cannot signal process {}", self.pid()))),
        }
    }
}

impl Identity {
    /// When the process started, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// Those of reading `/proc/stat`, which says when the machine was booted.
    pub fn started(&self) -> io::Result<u64> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        let booted = stat.lines().find_map(|line| line.strip_prefix("btime ")?.parse::<u64>().ok());
        let booted = booted.ok_or_else(|| io::Error::other("cannot read /proc/stat"))?;
        // SAFETY: the call only reads.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        Ok(booted + self.start_time / u64::try_from(ticks).unwrap_or(0).max(1))
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Says who is at the other end of a Unix socket.
///
/// # Errors
///
/// Those of getsockopt(2).
pub fn peer(socket: impl AsFd) -> io::Result<Peer> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = size_of_val(&found) as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes. rustix takes a process number of 0 for
    // impossible, which it is not for a peer outside our PID namespace.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut size,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Peer { pid: found.pid.cast_unsigned(), uid: found.uid, gid: found.gid })
}

/// Has the kernel kill this process when the thread that started it ends. May be called between fork
/// and exec.
///
/// # Errors
///
/// None that a kernel is known to give.
pub fn end_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Makes every file and directory that this process makes from now on private to its user.
pub fn private_files() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// Lets the files that this process makes have the permissions it asks for, but for writing by
/// everybody. May be called between fork and exec.
pub fn shared_files() {
    rustix::process::umask(rustix::fs::Mode::WOTH);
}

/// The most memory that this process can lock, in bytes, with a higher limit than it has if it may have
/// one. Absent: all there is.
pub fn lockable() -> Option<u64> {
    let beyond = CapabilitySet::IPC_LOCK | CapabilitySet::SYS_RESOURCE;
    match rustix::thread::capabilities(None) {
        Ok(capabilities) if capabilities.effective.intersects(beyond) => None,
        _ => getrlimit(Resource::Memlock).maximum,
    }
}

/// Lets this process lock so much memory, in bytes; all there is if none is said. May be called between
/// fork and exec, after [`lockable`] has said that it can.
pub fn may_lock(bytes: Option<u64>) {
    // Whom no limit holds back may be unable to change it.
    let _ = setrlimit(Resource::Memlock, Rlimit { current: bytes, maximum: bytes });
}

/// How much of the host's memory a process takes, in bytes.
///
/// # Errors
///
/// The process is gone.
pub fn resident_memory(process: u32) -> io::Result<u64> {
    let pages = std::fs::read_to_string(format!("/proc/{process}/statm"))?;
    let resident: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    Ok(resident * rustix::param::page_size() as u64)
}

/// The user as whom this process runs.
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests;
