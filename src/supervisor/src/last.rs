//! How a guest ended, kept for whoever asks when it is gone.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use store::RunDirectory;

use crate::state::Reason;

/// How a guest ended the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// Why it is shut off.
    pub reason: Reason,
    /// How QEMU ended, such as `exit status: 0` or `signal: 9 (SIGKILL)`; absent where nobody knows,
    /// as QEMU was started by another supervisor than the last one, or never was.
    pub exit: Option<String>,
    /// When it was noticed, in seconds since 1970.
    pub ended: u64,
    /// What QEMU said last, or why the start failed; nothing if it ended as it should.
    pub said: Vec<String>,
}

impl Last {
    /// What is noticed now.
    pub fn now(reason: Reason, exit: Option<String>, said: Vec<String>) -> Self {
        let ended = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        Self { reason, exit, ended, said }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, run: &RunDirectory) -> io::Result<()> {
        let path = run.last();
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        sys::file::atomic_write_until_crash(&path, &serde_json::to_vec(self)?, 0o600)
    }

    /// What was written down; `None` if the guest has never ended, or nobody noticed.
    pub fn read(run: &RunDirectory) -> Option<Self> {
        serde_json::from_slice(&fs::read(run.last()).ok()?).ok()
    }

    /// Forgets it, with the definition of the guest.
    ///
    /// # Errors
    /// The file cannot be removed; that it is not there is fine.
    pub fn forget(run: &RunDirectory) -> io::Result<()> {
        match fs::remove_file(run.last()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
