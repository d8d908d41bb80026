//! The run-time directory of a guest.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::name::Name;

/// The run-time directory of a guest. It is there as long as the guest, or somebody who starts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
    name: Name,
    /// Where state of all guests is kept.
    state: PathBuf,
}

impl RunDirectory {
    pub(crate) fn new(path: PathBuf, name: Name, state: PathBuf) -> Self {
        Self { path, name, state }
    }

    /// The guest's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket that the supervisor answers on.
    pub fn control(&self) -> PathBuf {
        self.path.join("control")
    }

    /// The socket on which the supervisor speaks QEMU's machine protocol with any number of clients.
    pub fn qmp(&self) -> PathBuf {
        self.path.join("qmp")
    }

    /// The socket of QEMU's monitor.
    pub fn monitor(&self) -> PathBuf {
        self.path.join("monitor")
    }

    /// The directory of state that outlives guests.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// How the guest ended the last time, written when it did; not in the directory, which goes with
    /// the guest.
    pub fn last(&self) -> PathBuf {
        self.state.join("last").join(format!("{}.json", self.name))
    }

    /// Where the memory of guests is dumped that have crashed.
    pub fn dumps(&self) -> PathBuf {
        self.state.join("dump")
    }

    /// The lock that says whether somebody supervises the guest. It lies beside the directory, so
    /// that it can be held while the directory is made and removed.
    pub fn lock(&self) -> PathBuf {
        self.path.with_file_name(format!(".{}.lock", self.name))
    }

    /// The document the guest was started with.
    pub fn document(&self) -> PathBuf {
        self.path.join("domain.xml")
    }

    /// What the guest's QEMU was told to have.
    pub fn inventory(&self) -> PathBuf {
        self.path.join("inventory.json")
    }

    /// What a supervisor must know to take the guest over.
    pub fn status(&self) -> PathBuf {
        self.path.join("status.json")
    }

    /// What QEMU said on its standard error.
    pub fn log(&self) -> PathBuf {
        self.path.join("qemu.log")
    }

    /// What the guest's first console has said, where its document names no log for it.
    pub fn console_log(&self) -> PathBuf {
        self.path.join("console.log")
    }

    /// The lock that whoever types into the guest's console holds.
    pub fn console_lock(&self) -> PathBuf {
        self.path.join("console.lock")
    }

    /// An empty directory: QEMU's working directory, where it would look for firmware first.
    pub fn empty(&self) -> PathBuf {
        self.path.join("empty")
    }

    /// What a helper process said.
    pub fn helper_log(&self, helper: &str) -> PathBuf {
        self.path.join(format!("{helper}.log"))
    }

    /// A socket of a helper process.
    pub fn helper_socket(&self, helper: &str) -> PathBuf {
        self.path.join(format!("{helper}.sock"))
    }

    /// The longest path of a socket in it; helpers' names are short.
    pub(crate) fn longest_socket(&self) -> PathBuf {
        self.helper_socket("filesystem99-virtiofsd")
    }

    /// Makes the directory, for its owner only.
    ///
    /// # Errors
    /// It is there already, or cannot be made.
    pub fn create(&self) -> Result<(), Error> {
        if let Some(parent) = self.path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(Error::io("make the directory", parent))?;
        }
        DirBuilder::new()
            .mode(0o700)
            .create(&self.path)
            .map_err(Error::io("make the directory", &self.path))
    }

    /// Removes the directory with all that is in it.
    ///
    /// # Errors
    /// It cannot be removed; that it is not there is fine.
    pub fn remove(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &self.path)(error))
            }
            _ => Ok(()),
        }
    }

    /// The guests that have a run-time directory below `run`, in the order of their names.
    ///
    /// # Errors
    /// The directory cannot be read; that it is not there is fine.
    pub fn list(run: &Path) -> Result<Vec<Name>, Error> {
        let entries = match fs::read_dir(run) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("read", run))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io("read", run))?;
            if entry.path().is_dir()
                && let Some(name) = entry.file_name().to_str()
                && let Ok(name) = Name::new(name)
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}
