//! Fork and exec, with an exact table of descriptors.
//!
//! They are done here and not by the standard library, whose error pipe takes the lowest free number:
//! a descriptor placed on that number would get the report of a failing exec written into it.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr;

use rustix::process::{Pid, PidfdFlags, WaitOptions};

use super::{Child, Process};
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

/// A program that was started and does not run yet, as far as is known. Dropping it neither ends nor
/// reaps what comes of it.
#[derive(Debug)]
pub struct Beginning {
    program: Program,
    pid: Pid,
    /// Where the child says why it does not run; it is closed when it does.
    report: OwnedFd,
}

/// The steps of the child between fork and exec, as reported over the pipe.
#[derive(Clone, Copy)]
pub(super) enum Step {
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
    pub fn spawn(self) -> io::Result<Child> {
        self.begin()?.finish()
    }

    /// Starts the program without waiting until it runs.
    ///
    /// # Errors
    ///
    /// Those of [`Program::spawn`] that are known before the fork.
    pub fn begin(mut self) -> io::Result<Beginning> {
        let prepared = Prepared::new(&mut self)?;
        let (report, from_child) = prepared.report_pipe()?;
        let pid = prepared.fork(&from_child, &mut self.before_exec)?;
        Ok(Beginning { program: self, pid, report })
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

    pub(super) fn describe(&self, step: Step, errno: i32) -> io::Error {
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

impl Beginning {
    /// Waits until the program runs.
    ///
    /// # Errors
    ///
    /// What chdir, dup2, `before_exec` or execve said, with the step in the text. No child is left
    /// then.
    pub fn finish(self) -> io::Result<Child> {
        let Self { program, pid, report } = self;
        let mut answer = Vec::new();
        File::from(report).read_to_end(&mut answer)?;
        if let [step, errno @ ..] = answer.as_slice() {
            // It has ended by itself; nobody else knows its number yet.
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
            let errno = errno.try_into().map_or(libc::EIO, i32::from_ne_bytes);
            return Err(program.describe(STEPS[usize::from(*step)], errno));
        }
        // The number is not given to others before we have reaped it.
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Child { process: Process { pid, pidfd }, status: None, ours: true })
    }
}

/// Everything that the child needs, made before the fork: afterwards nothing may be allocated.
pub(super) struct Prepared {
    executable: CString,
    pub(super) argv: Vec<CString>,
    pub(super) environment: Vec<CString>,
    directory: Option<CString>,
    own_session: bool,
    /// Sources lie above all targets, so that no step overwrites what a later one needs.
    descriptors: Vec<(OwnedFd, RawFd)>,
    /// The lowest number above all targets.
    above: RawFd,
}

impl Prepared {
    pub(super) fn new(program: &mut Program) -> io::Result<Self> {
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
    pub(super) unsafe fn run(
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

fn c_string(text: OsString) -> io::Result<CString> {
    CString::new(text.into_vec()).map_err(|error| {
        let text = String::from_utf8_lossy(&error.into_vec()).replace('\0', "\\0");
        invalid(format_args!("'{text}' has a NUL byte in it"))
    })
}

pub(super) fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// Blocks all signals of this thread while it lives.
pub(super) struct SignalsBlocked {
    before: libc::sigset_t,
}

impl SignalsBlocked {
    pub(super) fn new() -> Self {
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
