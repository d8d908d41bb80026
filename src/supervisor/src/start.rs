//! Starting a supervisor, from both sides.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use store::RunDirectory;
use sys::lock::{Kind, Lock};
use sys::process::{Beginning, Program};

use crate::adopt;
use crate::client::{AskError, Client};
use crate::driver::{self, Watched};
use crate::last::Last;
use crate::launch::{self, Guest, LaunchError, NoFaults};
use crate::request::{Request, Task, Verdict, run_directory};
use crate::state::Reason;
use crate::status::Status;

/// The numbers under which a supervisor inherits what it is given.
const TASK_FD: i32 = 3;
const VERDICT_FD: i32 = 4;
const LOCK_FD: i32 = 5;

/// How long a supervisor may take until it listens.
const BEGIN_LIMIT: Duration = Duration::from_secs(30);
/// How long one that has replied last may take until it is gone.
const END_LIMIT: Duration = Duration::from_secs(2);
/// How often to look whether it does.
const BEGIN_PAUSE: Duration = Duration::from_millis(10);

/// Why a guest did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It runs already, or somebody else is starting it.
    #[error("domain '{0}' is running already, or is just being started")]
    Running(String),
    /// A step failed; nothing is left of it.
    #[error("{0}")]
    Failed(String),
    /// The supervisor itself could not be started.
    #[error("cannot start the supervisor: {}", sys::reason(.0))]
    Supervisor(#[from] io::Error),
    /// Files of ours.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A supervisor that waits for its task: it comes up while its caller still decides what it is to do.
/// Dropped, it ends, and nothing of it is left.
#[derive(Debug)]
pub struct Waiting {
    program: PathBuf,
    run: RunDirectory,
    /// Its process. Absent once it is known to run.
    process: Option<Beginning>,
    /// Absent once the task was given.
    task: Option<io::PipeWriter>,
    verdict: io::PipeReader,
}

/// Takes the lock of a guest that is to be started, and runs `program` as its supervisor.
///
/// # Errors
/// See [`StartError`]; the guest may run already.
pub fn prepare(program: &Path, run: &RunDirectory) -> Result<Waiting, StartError> {
    let deadline = Instant::now() + END_LIMIT;
    loop {
        revive(program, run)?;
        match lock(run)? {
            Some(lock) => return Waiting::begin(program, run, lock),
            // Whoever has it may be the supervisor of a guest that is gone already.
            None if !run.path().exists() && Instant::now() < deadline => thread::sleep(BEGIN_PAUSE),
            None => return Err(StartError::Running(run.name().to_string())),
        }
    }
}

impl Waiting {
    fn begin(program: &Path, run: &RunDirectory, lock: Lock) -> Result<Self, StartError> {
        let (theirs, task) = io::pipe()?;
        let (verdict, said) = io::pipe()?;
        let process = supervisor(program, theirs.into(), lock, said.into()).begin()?;
        let (program, run) = (program.to_owned(), run.clone());
        Ok(Self { program, run, process: Some(process), task: Some(task), verdict })
    }

    /// Has it start the guest that it was prepared for, and waits for what comes of it; QEMU's process number.
    ///
    /// # Errors
    /// See [`StartError`]. Whatever the error, nothing of the guest is left.
    pub fn start(self, request: Request) -> Result<u32, StartError> {
        let (program, run) = (self.program.clone(), self.run.clone());
        let runs = request.plan.qmp.iter().any(|command| command.execute == "cont");
        match self.carry_out(&Task::Launch(Box::new(request)))? {
            Some(Verdict::Started { pid }) => Ok(pid),
            Some(Verdict::Gone) => Err(StartError::Failed("the guest is gone".to_owned())),
            Some(Verdict::Failed { reason }) => Err(StartError::Failed(reason)),
            None => taken_up(&program, &run, runs),
        }
    }

    /// What came of a task; `None` where the supervisor did not live to say it.
    fn carry_out(mut self, task: &Task) -> Result<Option<Verdict>, StartError> {
        let text = serde_json::to_vec(task).map_err(io::Error::from)?;
        if let Some(process) = self.process.take() {
            process.finish()?;
        }
        if let Some(mut task) = self.task.take() {
            task.write_all(&text)?;
        }
        let mut answer = Vec::new();
        // The end of the line is enough: a guest that has begun to run keeps its host busy.
        BufReader::new(&self.verdict).read_until(b'\n', &mut answer)?;
        Ok(serde_json::from_slice(&answer).ok())
    }
}

/// What becomes of a start whose supervisor was killed: the next one takes back what had begun, unless the
/// guest was ready. `runs`: it was to be let run.
fn taken_up(program: &Path, run: &RunDirectory, runs: bool) -> Result<u32, StartError> {
    let mut client = reach(program, run).map_err(|error| match error {
        AskError::NotRunning => without_a_word(),
        error => StartError::Failed(error.to_string()),
    })?;
    if runs {
        let resumed = client.call("Resume", json!({}));
        resumed.map_err(|error| StartError::Failed(error.to_string()))?;
    }
    let qemu = Status::read(run).and_then(|status| status.qemu);
    qemu.map(|qemu| qemu.pid).ok_or_else(without_a_word)
}

fn without_a_word() -> StartError {
    StartError::Failed("the supervisor ended without a word".to_owned())
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.task.is_some() {
            // Removed while the supervisor still holds it, which ends when the task is closed.
            let _ = fs::remove_file(self.run.lock());
        }
    }
}

/// Sees to it that a guest that runs has a supervisor: where the one it had was killed, another one
/// takes over; where the guest has ended meanwhile, what it left is cleared away.
///
/// # Errors
/// The guest runs and cannot be taken over.
pub fn revive(program: &Path, run: &RunDirectory) -> Result<(), StartError> {
    if !run.path().exists() {
        return Ok(());
    }
    // Somebody who has the lock is its supervisor, or is becoming it.
    let Some(lock) = lock(run)? else { return Ok(()) };
    if !run.path().exists() {
        return Ok(());
    }
    match Waiting::begin(program, run, lock)?.carry_out(&Task::adopt(run))? {
        Some(Verdict::Started { .. } | Verdict::Gone) => Ok(()),
        Some(Verdict::Failed { reason }) => Err(StartError::Failed(reason)),
        None => Err(without_a_word()),
    }
}

/// Connects to the supervisor of a guest. Where it was killed, another one takes over first; one that
/// is just beginning is waited for.
///
/// # Errors
/// [`AskError::NotRunning`] where there is no guest any more.
pub fn reach(program: &Path, run: &RunDirectory) -> Result<Client, AskError> {
    let deadline = Instant::now() + BEGIN_LIMIT;
    loop {
        match Client::connect(run) {
            Err(AskError::NotRunning) if run.path().exists() && Instant::now() < deadline => {
                revive(program, run).map_err(|error| AskError::Refused(error.to_string()))?;
            }
            connected => return connected,
        }
        match Client::connect(run) {
            // Somebody else has the lock, and does not listen yet or any more.
            Err(AskError::NotRunning) if run.path().exists() => thread::sleep(BEGIN_PAUSE),
            connected => return connected,
        }
    }
}

/// The supervisor with everything that it is given.
fn supervisor(program: &Path, task: OwnedFd, lock: Lock, verdict: OwnedFd) -> Program {
    Program {
        argv: ["vdomain", "supervise", &TASK_FD.to_string()].map(OsString::from).to_vec(),
        executable: Some(program.to_owned()),
        directory: Some("/".into()),
        descriptors: vec![(task, TASK_FD), (verdict, VERDICT_FD), (lock.into_fd(), LOCK_FD)],
        own_session: true,
        ..Program::default()
    }
}

/// Goes on as another program, which takes the guest over: with the lock, and with QEMU for a child.
fn reexec(guest: &Guest, program: &Path, lock: Lock) -> io::Result<()> {
    let nobody = File::options().write(true).open("/dev/null")?;
    let task = serde_json::to_vec(&Task::adopt(&guest.resources.run))?;
    let task = sys::fd::memfd_of("task", &task)?;
    supervisor(program, task, lock, nobody.into()).replace().map(|never| match never {})
}

/// Whether a file can be executed, as far as can be said without doing it; else why not.
pub(crate) fn is_program(path: &Path) -> Result<(), String> {
    let problem = |why: &str| Err(format!("'{}' {why}", path.display()));
    match path.metadata() {
        _ if !path.is_absolute() => problem("is not a full path"),
        Err(error) => problem(&format!("is no program: {}", sys::reason(&error))),
        Ok(found) if !found.is_file() => problem("is no program: it is not a file"),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            problem("is no program: nobody may execute it")
        }
        Ok(_) => Ok(()),
    }
}

/// Takes the lock of a guest; `None` if somebody supervises it.
pub(crate) fn lock(run: &RunDirectory) -> Result<Option<Lock>, StartError> {
    if let Some(parent) = run.lock().parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(Lock::try_take(&run.lock(), Kind::Exclusive)?)
}

/// Runs as the supervisor that [`prepare`] or [`revive`] has started; returns when the guest is gone,
/// or when no task comes.
///
/// # Errors
/// The descriptors are not those that a supervisor is given.
pub fn supervise(task_fd: i32) -> io::Result<()> {
    let mut task = File::from(sys::fd::inherited(task_fd)?);
    let verdict = File::from(sys::fd::inherited(VERDICT_FD)?);
    let lock = Lock::from_fd(sys::fd::inherited(LOCK_FD)?)?;
    let mut text = Vec::new();
    // Whoever gives the task is still deciding about it.
    sys::runtime::start();
    // What comes through a pipe has no beginning to go back to.
    let _ = task.rewind();
    task.read_to_end(&mut text)?;
    drop(task);
    if text.is_empty() {
        return Ok(());
    }
    let task: Task = serde_json::from_slice(&text)?;
    drop(text);
    watch_over(task, lock, verdict)
}

/// Takes over the guest of this name whose supervisor was killed, and returns when it is gone; at once
/// where it does not run, or has a supervisor. systemd starts this.
///
/// # Errors
/// The name cannot be one of a guest, or the lock cannot be taken.
pub fn take_over(name: &str, run: &Path, state: &Path) -> io::Result<()> {
    let run = run_directory(name, run, state).map_err(io::Error::other)?;
    if !run.path().exists() {
        return Ok(());
    }
    let Some(lock) = lock(&run).map_err(io::Error::other)? else { return Ok(()) };
    let nobody = File::options().write(true).open("/dev/null")?;
    watch_over(Task::adopt(&run), lock, nobody)
}

/// Does what a supervisor was started for, and watches over the guest until it is gone.
fn watch_over(task: Task, lock: Lock, verdict: File) -> io::Result<()> {
    sys::process::private_files();
    let run = task.run_directory().map_err(io::Error::other)?;
    let path = run.lock();
    let is_start = matches!(task, Task::Launch(_));
    match sys::runtime::block_on(carry_out(task)) {
        Ok(Some(guest)) => {
            say(verdict, &Verdict::Started { pid: guest.qemu.process().pid() })?;
            // Half of what a supervisor would take for ever is the code of the start.
            let _ = sys::process::forget_code();
            match sys::runtime::block_on(driver::watch(guest)) {
                // Another supervisor can take over when this process has ended, which lets go of the
                // lock.
                Ok(Watched::Reexec { guest, program }) => reexec(&guest, &program, lock),
                Ok(Watched::Gone) => lock.remove(&path),
                Err(error) => Err(error),
            }
        }
        // Whoever waits for the verdict may start anew at once, so the lock goes first.
        Ok(None) => {
            lock.remove(&path)?;
            say(verdict, &Verdict::Gone)
        }
        Err(error) => {
            if is_start {
                // Without room on the disk, the verdict says it all the same.
                let _ = Last::now(Reason::Failed, None, vec![error.to_string()]).write(&run);
            }
            lock.remove(&path)?;
            say(verdict, &Verdict::Failed { reason: error.to_string() })
        }
    }
}

async fn carry_out(task: Task) -> Result<Option<Guest>, LaunchError> {
    match task {
        Task::Launch(request) => launch::launch(*request, &NoFaults).await.map(Some),
        Task::Adopt { name, run, state } => adopt::adopt(run_directory(&name, &run, &state)?).await,
    }
}

fn say(mut verdict: File, said: &Verdict) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    verdict.write_all(&line)
}
