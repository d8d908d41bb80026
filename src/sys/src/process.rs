//! Processes: started with an exact table of descriptors, watched and ended through pidfds.
//!
//! Fork and exec are done here and not by the standard library, whose error pipe takes the lowest
//! free number: a descriptor placed on that number would get the report of a failing exec written
//! into it.

mod memory;
mod replace;
mod strays;

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::ptr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitOptions};

pub use memory::forget_code;
pub use rustix::process::Signal;
pub use strays::writing_below;

use crate::{context, invalid};

/// A program to start, with everything it will have: nothing is inherited but the user, the
/// limits, the umask and the namespaces.
#[derive(Default)]
pub struct Program {
    /// The arguments, beginning with the program's own name.
    pub argv: Vec<OsString>,
    /// What is executed, an absolute path; absent: `argv[0]`.
    pub executable: Option<PathBuf>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory; absent: ours.
    pub directory: Option<PathBuf>,
    /// Descriptors and the numbers they get in the child. Standard input, output and error (0, 1
    /// and 2) are `/dev/null` unless given; everything else is closed.
    pub descriptors: Vec<(OwnedFd, RawFd)>,
    /// Whether the child leads a session of its own, so that no terminal's signals reach it.
    pub own_session: bool,
    /// Runs in the child before exec, with the descriptors already in place, such as to enter a
    /// sandbox. Other threads do not exist there: it must not allocate, lock or panic. An error
    /// without a number is reported as `EPERM`.
    pub before_exec: Option<Box<dyn FnMut() -> io::Result<()> + Send>>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("argv", &self.argv)
            .field("directory", &self.directory)
            .field("descriptors", &self.descriptors)
            .finish_non_exhaustive()
    }
}

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

/// The steps of the child between fork and exec, as reported over the pipe.
#[derive(Clone, Copy)]
enum Step {
    Session,
    Directory,
    Descriptors,
    BeforeExec,
    Execute,
}

const STEPS: [Step; 5] =
    [Step::Session, Step::Directory, Step::Descriptors, Step::BeforeExec, Step::Execute];

impl Program {
    /// Starts the program; returns when it runs or when the reason why not is known.
    ///
    /// In the child no signal is blocked and every signal has its default action.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a relative path, a NUL byte, a number given twice; otherwise what fork,
    /// chdir, dup2, `before_exec` or execve said, with the step in the text. No child is left then.
    pub fn spawn(mut self) -> io::Result<Child> {
        let prepared = Prepared::new(&mut self)?;
        let (report, from_child) = prepared.report_pipe()?;

        let pid = prepared.fork(&from_child, &mut self.before_exec)?;
        drop(from_child);

        let mut answer = Vec::new();
        File::from(report).read_to_end(&mut answer)?;
        if let [step, errno @ ..] = answer.as_slice() {
            // It has ended by itself; nobody else knows its number yet.
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
            let errno = errno.try_into().map_or(libc::EIO, i32::from_ne_bytes);
            return Err(self.describe(STEPS[usize::from(*step)], errno));
        }
        // The number is not given to others before we have reaped it.
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Child { process: Process { pid, pidfd }, status: None, ours: true })
    }

    /// What is executed, absolute.
    fn executable(&self) -> io::Result<PathBuf> {
        let executable = match (&self.executable, self.argv.first()) {
            (Some(executable), _) => executable.clone(),
            (None, Some(name)) => PathBuf::from(name),
            (None, None) => return Err(invalid("no program to execute")),
        };
        if !executable.is_absolute() {
            let name = executable.display();
            return Err(invalid(format_args!("cannot execute '{name}': it is not a full path")));
        }
        Ok(executable)
    }

    fn describe(&self, step: Step, errno: i32) -> io::Error {
        let executable = self.executable().unwrap_or_default();
        let executable = executable.display();
        let doing = match step {
            Step::Session => format!("cannot start a session for '{executable}'"),
            Step::Directory => {
                let directory = self.directory.clone().unwrap_or_default();
                format!("cannot change to the directory '{}'", directory.display())
            }
            Step::Descriptors => format!("cannot pass descriptors to '{executable}'"),
            Step::BeforeExec => format!("cannot confine '{executable}'"),
            Step::Execute => format!("cannot execute '{executable}'"),
        };
        context(io::Error::from_raw_os_error(errno), doing)
    }
}

/// Everything that the child needs, made before the fork: afterwards nothing may be allocated.
struct Prepared {
    executable: CString,
    argv: Vec<CString>,
    environment: Vec<CString>,
    directory: Option<CString>,
    own_session: bool,
    /// Sources lie above all targets, so that no step overwrites what a later one needs.
    descriptors: Vec<(OwnedFd, RawFd)>,
    /// The lowest number above all targets.
    above: RawFd,
}

impl Prepared {
    fn new(program: &mut Program) -> io::Result<Self> {
        let mut descriptors = std::mem::take(&mut program.descriptors);
        for standard in 0..=2 {
            if !descriptors.iter().any(|(_, target)| *target == standard) {
                let null = File::options().read(true).write(true).open("/dev/null")?;
                descriptors.push((null.into(), standard));
            }
        }
        descriptors.sort_by_key(|(_, target)| *target);
        for pair in descriptors.windows(2) {
            if pair[0].1 == pair[1].1 {
                return Err(invalid(format_args!("descriptor {} is given twice", pair[0].1)));
            }
        }
        let (lowest, highest) = (descriptors[0].1, descriptors[descriptors.len() - 1].1);
        let above = highest.checked_add(1).filter(|_| lowest >= 0);
        let above = above.ok_or_else(|| invalid("no such descriptor number"))?;
        for (source, _) in &mut descriptors {
            if source.as_raw_fd() < above {
                *source = rustix::io::fcntl_dupfd_cloexec(&*source, above)?;
            }
        }
        Ok(Self {
            executable: c_string(program.executable()?.into_os_string())?,
            argv: program.argv.iter().cloned().map(c_string).collect::<io::Result<_>>()?,
            environment: program
                .environment
                .iter()
                .map(|(name, value)| {
                    let mut line = name.clone();
                    line.push("=");
                    line.push(value);
                    c_string(line)
                })
                .collect::<io::Result<_>>()?,
            directory: program
                .directory
                .clone()
                .map(|directory| c_string(directory.into_os_string()))
                .transpose()?,
            own_session: program.own_session,
            descriptors,
            above,
        })
    }

    /// A pipe (reading end, writing end) whose writing end is out of the descriptors' way.
    fn report_pipe(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        Ok((reader.into(), rustix::io::fcntl_dupfd_cloexec(&writer, self.above)?))
    }

    /// Forks; the child goes on to execute the program and never returns from here.
    fn fork(
        &self,
        report: &OwnedFd,
        before_exec: &mut Option<Box<dyn FnMut() -> io::Result<()> + Send>>,
    ) -> io::Result<Pid> {
        let argv = pointers(&self.argv);
        let environment = pointers(&self.environment);
        // Blocked until the child has taken its handlers away: ours would answer in its place.
        let blocked = SignalsBlocked::new();
        // SAFETY: the child only makes async-signal-safe calls, on memory prepared here.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: we are the child of a fork, the pointers are ended by null and live on.
            let (step, errno) = unsafe { self.run(&argv, &environment, before_exec) };
            let mut answer = [0; 5];
            answer[0] = step as u8;
            answer[1..].copy_from_slice(&errno.to_ne_bytes());
            // SAFETY: the buffer has that many bytes; `_exit` runs nothing of the parent's.
            unsafe {
                libc::write(report.as_raw_fd(), answer.as_ptr().cast(), answer.len());
                libc::_exit(127);
            }
        }
        let error = io::Error::last_os_error();
        drop(blocked);
        Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(|| context(error, "cannot fork"))
    }

    /// The child's way from fork to exec; returns the step that failed and its error number.
    ///
    /// # Safety
    ///
    /// Only in a child after fork. `argv` and `environment` end with a null pointer.
    unsafe fn run(
        &self,
        argv: &[*const libc::c_char],
        environment: &[*const libc::c_char],
        before_exec: &mut Option<Box<dyn FnMut() -> io::Result<()> + Send>>,
    ) -> (Step, i32) {
        let errno = || io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        // SAFETY: plain system calls; strings end with NUL, descriptors are open.
        unsafe {
            if self.own_session && libc::setsid() < 0 {
                return (Step::Session, errno());
            }
            if let Some(directory) = &self.directory
                && libc::chdir(directory.as_ptr()) < 0
            {
                return (Step::Directory, errno());
            }
            // Only marked, since the report's pipe must stay open until exec.
            if libc::close_range(0, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) < 0 {
                return (Step::Descriptors, errno());
            }
            for (source, target) in &self.descriptors {
                if libc::dup2(source.as_raw_fd(), *target) < 0 {
                    return (Step::Descriptors, errno());
                }
            }
            if let Some(before_exec) = before_exec
                && let Err(error) = before_exec()
            {
                return (Step::BeforeExec, error.raw_os_error().unwrap_or(libc::EPERM));
            }
            // Standard C libraries keep 32 and 33 to themselves and refuse; that is no harm.
            for signal in 1..=64 {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none = std::mem::MaybeUninit::uninit();
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
            libc::execve(self.executable.as_ptr(), argv.as_ptr(), environment.as_ptr());
            (Step::Execute, errno())
        }
    }
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

fn c_string(text: OsString) -> io::Result<CString> {
    CString::new(text.into_vec()).map_err(|error| {
        let text = String::from_utf8_lossy(&error.into_vec()).replace('\0', "\\0");
        invalid(format_args!("'{text}' has a NUL byte in it"))
    })
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// Blocks all signals of this thread while it lives.
struct SignalsBlocked {
    before: libc::sigset_t,
}

impl SignalsBlocked {
    fn new() -> Self {
        let mut all = std::mem::MaybeUninit::uninit();
        let mut before = std::mem::MaybeUninit::uninit();
        // SAFETY: both sets are filled in by the calls, which cannot fail with these arguments.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self { before: before.assume_init() }
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set is one that the kernel gave us.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut());
        }
    }
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
