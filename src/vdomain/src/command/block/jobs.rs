//! `blockcommit`, `blockpull`, `blockcopy` and `blockjob`: jobs are begun, waited for and ended.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use qemu::change::block::{Commit, Copy, Pull, Work};
use serde_json::{Value, json};
use store::Name;
use sys::runtime::{Signals, block_on, within};

use super::named;
use crate::arguments::{Blockcommit, Blockcopy, Blockjob, Blockpull, DiskOf, Waiting};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// How often to look how far a job is.
const PAUSE: Duration = Duration::from_millis(100);

/// What is done with a job that goes on until it is told to end, when it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It goes on.
    Stay,
    /// The guest goes over to the other image.
    Pivot,
    /// The guest stays with its image.
    Finish,
}

impl Then {
    fn of(pivot: bool, finish: bool) -> Self {
        match (pivot, finish) {
            (true, _) => Self::Pivot,
            (_, true) => Self::Finish,
            _ => Self::Stay,
        }
    }
}

/// Texts about one kind of job, as virsh has them.
struct Texts {
    /// Before how far it is.
    progress: &'static str,
    started: &'static str,
    ready: &'static str,
    complete: &'static str,
    finished: &'static str,
    aborted: &'static str,
}

const COMMIT: Texts = Texts {
    progress: "Block commit",
    started: "Block Commit started",
    ready: "Now in synchronized phase",
    complete: "Commit complete",
    finished: "Commit complete, overlay image kept",
    aborted: "Commit aborted",
};
const ACTIVE_COMMIT: Texts = Texts { started: "Active Block Commit started", ..COMMIT };
const PULL: Texts = Texts {
    progress: "Block Pull",
    started: "Block Pull started",
    ready: "",
    complete: "Pull complete",
    finished: "",
    aborted: "Pull aborted",
};
const COPY: Texts = Texts {
    progress: "Block Copy",
    started: "Block Copy started",
    ready: "Now in mirroring phase",
    complete: "Copy complete",
    finished: "Successfully copied",
    aborted: "Copy aborted",
};

/// A bandwidth in bytes a second.
fn speed(number: Option<u64>, bytes: bool) -> Result<u64, Failure> {
    let unit = if bytes { 1 } else { 1 << 20 };
    let too_much = || Failure::usage("that is more than there is");
    number.unwrap_or(0).checked_mul(unit).ok_or_else(too_much)
}

/// A path, as documents and images name it.
fn absolute(path: &str) -> Result<String, Failure> {
    let path = std::path::absolute(path).map_err(Failure::refused)?;
    Ok(path.display().to_string())
}

pub(in crate::command) fn blockcommit(
    arguments: &Blockcommit,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let path = |path: &Option<String>| path.as_deref().map(absolute).transpose();
    let then = Then::of(arguments.pivot, arguments.keep_overlay);
    let active = arguments.active || then != Then::Stay;
    let work = Work::Commit(Commit {
        disk: arguments.disk.disk.clone(),
        top: path(&arguments.top)?,
        base: path(&arguments.base)?,
        shallow: arguments.shallow,
        active,
        delete: arguments.delete,
        speed: speed(arguments.bandwidth, arguments.waiting.bytes)?,
    });
    let texts = if active { ACTIVE_COMMIT } else { COMMIT };
    begin(&arguments.disk, arguments.waiting, then, &texts, (environment, output), &work)
}

pub(in crate::command) fn blockpull(
    arguments: &Blockpull,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let work = Work::Pull(Pull {
        disk: arguments.disk.disk.clone(),
        base: arguments.base.as_deref().map(absolute).transpose()?,
        speed: speed(arguments.bandwidth, arguments.waiting.bytes)?,
    });
    begin(&arguments.disk, arguments.waiting, Then::Stay, &PULL, (environment, output), &work)
}

pub(in crate::command) fn blockcopy(
    arguments: &Blockcopy,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let work = Work::Copy(Copy {
        disk: arguments.disk.disk.clone(),
        path: absolute(&arguments.dest)?,
        block: arguments.blockdev,
        format: arguments.format.clone(),
        shallow: arguments.shallow,
        reuse: arguments.reuse_external,
        synchronous: arguments.synchronous_writes,
        speed: speed(arguments.bandwidth, arguments.waiting.bytes)?,
        granularity: arguments.granularity.unwrap_or(0),
        buffer: arguments.buf_size.unwrap_or(0),
    });
    let then = Then::of(arguments.pivot, arguments.finish);
    begin(&arguments.disk, arguments.waiting, then, &COPY, (environment, output), &work)
}

/// Begins a job, and waits for it if that is wanted.
fn begin(
    disk: &DiskOf,
    waiting: Waiting,
    then: Then,
    texts: &Texts,
    (environment, output): (&Environment, &mut Output),
    work: &Work,
) -> Result<Exit, Failure> {
    let (name, target) = named(disk, environment)?;
    let waits = (waiting.wait || waiting.timeout.is_some() || then != Then::Stay)
        && !waiting.saying.print_plan;
    let started = if waits { "" } else { texts.started };
    // From here on ^C has the job end, not only this program.
    let signals = match waits {
        true => Some(Signals::new().map_err(Failure::refused)?),
        false => None,
    };
    let word = &disk.domain.name;
    let exit = super::change(word, waiting.saying, environment, output, work, started)?;
    match signals {
        Some(signals) => {
            let job = Job { name, disk: target, environment };
            job.wait(waiting, then, texts, signals, output)
        }
        None => Ok(exit),
    }
}

/// The job of a disk.
struct Job<'a> {
    name: Name,
    disk: String,
    environment: &'a Environment,
}

impl Job<'_> {
    fn ask(&self, method: &str, parameters: &Value) -> Result<Value, Failure> {
        let run = self.environment.directories.run_of(&self.name)?;
        let asked = crate::command::ask(&run, |mut client| client.call(method, parameters.clone()));
        asked.map_err(|error| crate::command::refused(&self.name, error))
    }

    /// How far it is, or how it has ended; `None` if there was none.
    fn state(&self) -> Result<Option<Value>, Failure> {
        let reply = self.ask("GetBlockJobs", &json!({}))?;
        let mut jobs = reply["jobs"].as_array().into_iter().flatten();
        Ok(jobs.find(|job| job["disk"] == self.disk.as_str()).cloned())
    }

    /// Has it end.
    fn end(&self, pivot: bool) -> Result<(), Failure> {
        let parameters = json!({ "disk": self.disk, "pivot": pivot });
        self.ask("EndBlockJob", &parameters).map(drop)
    }

    /// Waits for it as virsh does.
    fn wait(
        &self,
        waiting: Waiting,
        then: Then,
        texts: &Texts,
        mut signals: Signals,
        output: &mut Output,
    ) -> Result<Exit, Failure> {
        let until = waiting.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut progress = Progress::new(waiting, texts.progress);
        let mut told = false;
        loop {
            let state = self.state()?.ok_or_else(|| {
                let (name, disk) = (&self.name, &self.disk);
                Failure::refused(format!(
                    "domain '{name}': nobody has written down how the block job of disk '{disk}' ended"
                ))
            })?;
            progress.show(&state, output)?;
            match state["state"].as_str().unwrap_or_default() {
                "completed" if then == Then::Pivot => {
                    progress.end(output);
                    output.say("Successfully pivoted");
                    return Ok(Exit::Done);
                }
                "completed" => {
                    progress.end(output);
                    output.say(texts.complete);
                    return Ok(Exit::Done);
                }
                "cancelled" if then == Then::Finish => {
                    progress.end(output);
                    output.say(texts.finished);
                    return Ok(Exit::Done);
                }
                "cancelled" => {
                    progress.end(output);
                    return Err(Failure::refused(texts.aborted));
                }
                "failed" => {
                    progress.end(output);
                    let error = state["error"].as_str().unwrap_or_default();
                    let (name, disk) = (&self.name, &self.disk);
                    return Err(Failure::refused(format!(
                        "domain '{name}': the block job of disk '{disk}' has failed: {error}"
                    )));
                }
                "ready" if then == Then::Stay => {
                    progress.end(output);
                    output.say(texts.ready);
                    return Ok(Exit::Done);
                }
                "ready" if !told => {
                    told = true;
                    self.end(then == Then::Pivot)?;
                }
                _ => {}
            }
            let is_late = until.is_some_and(|until| until <= Instant::now());
            let interrupted = block_on(within(PAUSE, signals.next())).is_some();
            if (is_late || interrupted) && !told {
                told = true;
                self.end(false)?;
                if waiting.is_async {
                    progress.end(output);
                    return Err(Failure::refused(texts.aborted));
                }
            }
        }
    }
}

/// How far a job is, as it goes on: for people on a terminal, else a line of JSON whenever it is
/// further.
struct Progress {
    /// Whether it is shown at all, and how.
    shown: Option<Shown>,
    title: &'static str,
    last: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Terminal,
    Json,
}

impl Progress {
    fn new(waiting: Waiting, title: &'static str) -> Self {
        let is_terminal = std::io::stdout().is_terminal() && !waiting.saying.json;
        let shown = (waiting.verbose || waiting.saying.json).then_some(if is_terminal {
            Shown::Terminal
        } else {
            Shown::Json
        });
        Self { shown, title, last: Value::Null }
    }

    fn show(&mut self, state: &Value, output: &mut Output) -> Result<(), Failure> {
        if *state == self.last {
            return Ok(());
        }
        self.last.clone_from(state);
        match self.shown {
            None => Ok(()),
            Some(Shown::Terminal) => {
                output.text(&format!("\r{}: [{:>6.2} %]", self.title, percent(state)))
            }
            Some(Shown::Json) => output.text(&format!("{state}\n")),
        }
    }

    /// What is said next stands on a line of its own.
    fn end(&self, output: &mut Output) {
        if self.shown == Some(Shown::Terminal) {
            output.say("");
        }
    }
}

/// How much of a job is done. QEMU says that there is nothing to do before it has looked.
///
/// virsh: `virshPrintJobProgress`, which never says 100 before it is so.
fn percent(state: &Value) -> f64 {
    let number = |member: &str| state[member].as_u64().unwrap_or(0);
    let (done, total) = (number("done"), number("total"));
    match state["state"].as_str() {
        Some("ready" | "completed") => 100.0,
        _ if total == 0 => 0.0,
        _ => (done as f64 / total as f64 * 100.0).min(99.99),
    }
}

pub(in crate::command) fn blockjob(
    arguments: &Blockjob,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let (name, disk) = named(&arguments.disk, environment)?;
    let job = Job { name, disk, environment };
    let found = job.state()?;
    let is_there = |job: &Value| matches!(job["state"].as_str(), Some("running" | "ready"));
    let found = found.filter(is_there);
    let none = || {
        let message = format!("domain '{}': no block job on disk '{}'", job.name, job.disk);
        Failure::state(message)
    };
    if let Some(number) = arguments.bandwidth {
        let state = found.ok_or_else(none)?;
        let guest = crate::running::Guest::connect(&job.name, environment)?;
        let speed = speed(Some(number), arguments.bytes)?;
        guest.execute("block-job-set-speed", &json!({ "device": state["id"], "speed": speed }))?;
        return Ok(Exit::Done);
    }
    if arguments.abort || arguments.pivot {
        found.ok_or_else(none)?;
        job.end(arguments.pivot)?;
        while !arguments.is_async && job.state()?.is_some_and(|state| is_there(&state)) {
            std::thread::sleep(PAUSE);
        }
        let ended = job.state()?;
        let failed = ended.as_ref().filter(|state| state["state"] == "failed");
        return match failed.and_then(|state| state["error"].as_str()) {
            Some(error) => Err(Failure::refused(error)),
            None => Ok(Exit::Done),
        };
    }
    match found {
        None if arguments.json => output.json(&Value::Null)?,
        None => output.say(format_args!("No current block job for {}", job.disk)),
        Some(state) if arguments.json => output.json(&state)?,
        Some(state) => {
            let title = title(state["kind"].as_str().unwrap_or_default());
            let limit = match state["bandwidth"].as_u64().unwrap_or(0) {
                0 => String::new(),
                limit if arguments.bytes => format!("    Bandwidth limit: {limit} bytes/s"),
                limit => {
                    let (number, unit) = base::size::pretty(limit);
                    format!("    Bandwidth limit: {limit} bytes/s ({number} {unit}/s)")
                }
            };
            output.text(&format!("{title}: [{:>6.2} %]{limit}\n", percent(&state)))?;
        }
    }
    Ok(Exit::Done)
}

/// What virsh calls a job.
fn title(kind: &str) -> &'static str {
    let kind = serde_json::from_value::<qemu::change::JobKind>(kind.into()).unwrap_or_default();
    kind.title()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_through_when_qemu_says_so() {
        let percent = |state: &str, done: u64, total: u64| {
            percent(&json!({ "state": state, "done": done, "total": total }))
        };
        assert_eq!(format!("{:>6.2}", percent("running", 5, 40)), " 12.50");
        assert_eq!(format!("{:>6.2}", percent("running", 40, 40)), " 99.99");
        assert_eq!(percent("running", 0, 0), 0.0);
        assert_eq!(percent("ready", 40, 40), 100.0);
    }

    #[test]
    fn bandwidths_are_in_mib() {
        assert_eq!(speed(Some(3), false).unwrap(), 3 << 20);
        assert_eq!(speed(Some(3), true).unwrap(), 3);
        assert!(speed(Some(u64::MAX), false).is_err());
    }
}
