//! What is written down about a running guest, for whoever comes after its supervisor.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use host::opening::Made;
use host::vfio::Taken;
use serde::{Deserialize, Serialize};
use store::RunDirectory;
use sys::process::Identity;

use crate::request::Lifecycle;
use crate::units::Units;

/// What a supervisor must know to take a guest over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The guest's UUID.
    pub uuid: String,
    /// Whether the start went so far that somebody may have been told that the guest runs.
    pub is_ready: bool,
    /// QEMU, once it was started.
    pub qemu: Option<Pid>,
    /// The processes beside it, by their names in the plan.
    pub helpers: BTreeMap<String, Pid>,
    /// What happens when it powers off, reboots or crashes.
    pub lifecycle: Lifecycle,
    /// Whether the guest was asked to power itself off so that it can be started again.
    #[serde(default)]
    pub rebooting: bool,
    /// The consoles, in the order of the document: the path of each one's terminal, if it has one.
    pub consoles: Vec<Option<PathBuf>>,
    /// The CID of its vsock device, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<u32>,
    /// How systemd is asked for units of its own, if it has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<Units>,
    /// What was made for it.
    #[serde(flatten)]
    pub made: Made,
    /// PCI devices that were taken from the host for it.
    #[serde(default)]
    pub taken: Vec<Taken>,
    /// The directory of its control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PathBuf>,
    /// The environment in which this program finds the guest and what it is made of.
    #[serde(default)]
    pub variables: Vec<(String, String)>,
}

impl Status {
    /// Writes it down.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, run: &RunDirectory) -> io::Result<()> {
        sys::file::atomic_write_until_crash(&run.status(), &serde_json::to_vec_pretty(self)?, 0o600)
    }

    /// Reads what was written down; `None` if there is nothing, or nothing that can be understood.
    pub fn read(run: &RunDirectory) -> Option<Self> {
        serde_json::from_slice(&fs::read(run.status()).ok()?).ok()
    }
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pid {
    /// The process number.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
}

impl From<Identity> for Pid {
    fn from(identity: Identity) -> Self {
        Self { pid: identity.pid, start_time: identity.start_time }
    }
}

impl From<Pid> for Identity {
    fn from(pid: Pid) -> Self {
        Self { pid: pid.pid, start_time: pid.start_time }
    }
}
