//! The state of a guest.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// The state of a guest, as virsh prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestState {
    /// Its processors run.
    Running,
    /// They are stopped.
    Paused,
    /// It has powered itself off and is being cleared away.
    InShutdown,
    /// It has crashed and is kept for a look.
    Crashed,
    /// It sleeps (ACPI S3).
    PmSuspended,
    /// It does not run.
    ShutOff,
}

/// Why a guest is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It was started.
    Booted,
    /// It was started without letting its processors run, and has not run yet.
    StartedPaused,
    /// Somebody asked.
    User,
    /// Somebody let it run on.
    Unpaused,
    /// An image could not be read or written.
    IoError,
    /// A watchdog has stopped it.
    Watchdog,
    /// The guest did it by itself.
    Guest,
    /// It woke up.
    Wakeup,
    /// It panicked.
    Panicked,
    /// The guest has powered itself off.
    Shutdown,
    /// Somebody has ended it.
    Destroyed,
    /// It crashed, or QEMU did.
    Crashed,
    /// It could not be started.
    Failed,
    /// Nobody was looking when it happened.
    Unknown,
}

impl Display for GuestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::InShutdown => "in shutdown",
            Self::Crashed => "crashed",
            Self::PmSuspended => "pmsuspended",
            Self::ShutOff => "shut off",
        })
    }
}

/// What QEMU's `query-status` says, in these words.
///
/// QEMU: `RunState` in `qapi/run-state.json`.
pub fn from_run_state(status: &str) -> (GuestState, Reason) {
    match status {
        "running" => (GuestState::Running, Reason::Unknown),
        "prelaunch" => (GuestState::Paused, Reason::StartedPaused),
        "paused" => (GuestState::Paused, Reason::Unknown),
        "io-error" => (GuestState::Paused, Reason::IoError),
        "watchdog" => (GuestState::Paused, Reason::Watchdog),
        "suspended" => (GuestState::PmSuspended, Reason::Guest),
        "shutdown" => (GuestState::InShutdown, Reason::Unknown),
        "guest-panicked" | "internal-error" => (GuestState::Crashed, Reason::Panicked),
        _ => (GuestState::Paused, Reason::Unknown),
    }
}
