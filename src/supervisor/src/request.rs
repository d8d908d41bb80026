//! What `start` hands to the supervisor, and what comes back.

use std::path::{Path, PathBuf};

use crate::units::Units;
use conf::device::watchdog::WatchdogAction;
use conf::lifecycle::LifecycleAction;
use qemu::Plan;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Directories, Name, RunDirectory};

/// Everything a supervisor must know to start a guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The guest's name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// The directory of running guests.
    pub run: PathBuf,
    /// The directory of what outlives guests.
    pub state: PathBuf,
    /// Where systemd-machined listens, if the guest is to be registered with it.
    #[serde(default)]
    pub machined: Option<PathBuf>,
    /// How systemd is asked for units of its own, if it is to have them.
    #[serde(default)]
    pub units: Option<Units>,
    /// How systemd is asked for the scope of a guest that is limited.
    #[serde(default)]
    pub systemd: Option<Units>,
    /// What to do.
    pub plan: Plan,
    /// The document it is started from.
    pub document: String,
    /// What happens when it powers off, reboots or crashes.
    pub lifecycle: Lifecycle,
    /// The consoles of the document, in order: the chardev of each.
    pub consoles: Vec<String>,
    /// The environment of helper processes.
    pub environment: Vec<(String, String)>,
    /// The environment in which this program finds the guest and what it is made of.
    #[serde(default)]
    pub variables: Vec<(String, String)>,
}

/// What happens when a guest powers off, reboots or crashes, in libvirt's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// `<on_poweroff>`.
    pub poweroff: String,
    /// `<on_reboot>`.
    pub reboot: String,
    /// `<on_crash>`.
    pub crash: String,
    /// Whether its memory is dumped when a watchdog stops it: `<watchdog action='dump'/>`.
    #[serde(default)]
    pub watchdog_dumps: bool,
}

impl Lifecycle {
    /// The actions of a completed domain.
    pub fn of(domain: &conf::Domain) -> Self {
        let word = |action: Option<LifecycleAction>, default: LifecycleAction| {
            action.unwrap_or(default).to_string()
        };
        Self {
            poweroff: word(domain.on_poweroff, LifecycleAction::Destroy),
            reboot: word(domain.on_reboot, LifecycleAction::Restart),
            crash: word(domain.on_crash, LifecycleAction::Destroy),
            watchdog_dumps: domain
                .devices
                .watchdogs
                .first()
                .is_some_and(|watchdog| watchdog.action == WatchdogAction::Dump),
        }
    }
}

impl Lifecycle {
    /// Whether the guest ends when it reboots. QEMU has to be told: by itself it starts again.
    pub fn reboot_ends(&self) -> bool {
        self.reboot == "destroy"
    }
}

/// What QEMU is told, by `set-action`, so that it takes a reset for the end of the guest, or not.
///
/// libvirt: `qemuProcessSetupLifecycleActions`.
pub(crate) fn resets_end(end: bool) -> Value {
    json!({ "reboot": if end { "shutdown" } else { "reset" } })
}

impl Request {
    /// The guest's run-time directory.
    ///
    /// # Errors
    /// A name that cannot be one of a file; the command line refuses it before.
    pub fn run_directory(&self) -> Result<RunDirectory, store::Error> {
        run_directory(&self.name, &self.run, &self.state)
    }
}

/// The run-time directory of the guest `name` below the directory of running guests.
pub(crate) fn run_directory(
    name: &str,
    run: &Path,
    state: &Path,
) -> Result<RunDirectory, store::Error> {
    let none = PathBuf::new();
    let directories = Directories {
        run: run.to_owned(),
        state: state.to_owned(),
        definitions: none.clone(),
        secrets: none.clone(),
        units: none.clone(),
        cache: none,
    };
    directories.run_of(&Name::new(name)?)
}

/// What a supervisor is started for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// To start a guest.
    Launch(Box<Request>),
    /// To take over a guest whose supervisor was killed.
    Adopt {
        /// The guest's name.
        name: String,
        /// The directory of running guests.
        run: PathBuf,
        /// The directory of what outlives guests.
        state: PathBuf,
    },
}

impl Task {
    /// To take over the guest with this run-time directory.
    pub(crate) fn adopt(run: &RunDirectory) -> Self {
        Self::Adopt {
            name: run.name().to_string(),
            run: run.path().parent().unwrap_or(Path::new("/")).to_owned(),
            state: run.state().to_owned(),
        }
    }

    /// The run-time directory of the guest it is about.
    ///
    /// # Errors
    /// A name that cannot be one of a file; the command line refuses it before.
    pub fn run_directory(&self) -> Result<RunDirectory, store::Error> {
        match self {
            Self::Launch(request) => request.run_directory(),
            Self::Adopt { name, run, state } => run_directory(name, run, state),
        }
    }
}

/// What came of a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The guest runs, or waits to be let run.
    Started {
        /// QEMU's process number.
        pid: u32,
    },
    /// A guest that was to be taken over has ended, and nothing is left of it.
    Gone,
    /// It does not run, and nothing is left of it; or it runs and cannot be taken over.
    Failed {
        /// Why not.
        reason: String,
    },
}
