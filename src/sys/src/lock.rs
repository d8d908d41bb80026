//! File locks that die with the process holding them.
//!
//! The lock belongs to the open file description (flock(2)): it can be handed to another process
//! by passing the descriptor, and is gone when the last copy is closed, also by `kill -9`. Who
//! holds a lock is not said here; a holder may write that into the file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::context;

/// How many may hold a lock at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any number of holders, as long as nobody holds it exclusively.
    Shared,
    /// One holder.
    Exclusive,
}

/// A lock that is held; dropping it releases it, whoever else has a copy of the descriptor.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Lock {
    /// Absent once given away.
    file: Option<File>,
}

impl Lock {
    /// Takes the lock of the file at `path`, which is created (mode 0600) where it is missing.
    ///
    /// `None` when somebody else holds it. A file that is removed or replaced meanwhile does not
    /// count: the lock is always that of the file which is at `path` on return.
    ///
    /// # Errors
    ///
    /// Those of open(2) and flock(2); the text names the path.
    pub fn try_take(path: &Path, kind: Kind) -> io::Result<Option<Self>> {
        Self::taken(path, |file| match kind {
            Kind::Shared => file.try_lock_shared(),
            Kind::Exclusive => file.try_lock(),
        })
    }

    /// Takes the lock as [`Lock::try_take`] does, after whoever holds it.
    ///
    /// # Errors
    ///
    /// Those of open(2) and flock(2); the text names the path.
    pub fn take(path: &Path, kind: Kind) -> io::Result<Self> {
        let taken = Self::taken(path, |file| {
            match kind {
                Kind::Shared => file.lock_shared(),
                Kind::Exclusive => file.lock(),
            }
            .map_err(TryLockError::Error)
        })?;
        Ok(taken.expect("whoever waits gets the lock or an error"))
    }

    fn taken(
        path: &Path,
        lock: impl Fn(&File) -> Result<(), TryLockError>,
    ) -> io::Result<Option<Self>> {
        let doing = |error| context(error, format_args!("cannot lock '{}'", path.display()));
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(doing)?;
            match lock(&file) {
                Ok(()) if is_at(&file, path).map_err(doing)? => {
                    return Ok(Some(Self { file: Some(file) }));
                }
                Ok(()) => continue,
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(doing(error)),
            }
        }
    }

    /// The locked file, to write into it who holds the lock.
    pub fn file(&self) -> &File {
        self.file.as_ref().expect("only into_fd takes it, and consumes the lock")
    }

    /// Removes the file and releases the lock. Whoever waits for it makes a new file.
    ///
    /// # Errors
    ///
    /// Those of unlink(2); the lock is released all the same.
    pub fn remove(self, path: &Path) -> io::Result<()> {
        // Removed while it is held, so that nobody else can have it.
        std::fs::remove_file(path)
    }

    /// Gives the lock away as a descriptor; whoever has a copy of it holds the lock.
    pub fn into_fd(mut self) -> OwnedFd {
        self.file.take().expect("only into_fd takes it, and consumes the lock").into()
    }

    /// Takes over a lock that came as a descriptor from [`Lock::into_fd`].
    ///
    /// # Errors
    ///
    /// `WouldBlock` when somebody else holds the lock, so that the descriptor was none of a lock
    /// held.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let file = File::from(fd);
        file.try_lock().map_err(io::Error::from)?;
        Ok(Self { file: Some(file) })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a child that is between fork and exec.
        if let Some(file) = &self.file {
            let _ = file.unlock();
        }
    }
}

/// Whether the name still leads to the opened file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match path.symlink_metadata() {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_taker_of_an_exclusive_lock_gets_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");

        let held = Lock::try_take(&path, Kind::Exclusive).unwrap();

        assert!(held.is_some());
        assert!(Lock::try_take(&path, Kind::Exclusive).unwrap().is_none());
        assert!(Lock::try_take(&path, Kind::Shared).unwrap().is_none());
        drop(held);
        assert!(Lock::try_take(&path, Kind::Exclusive).unwrap().is_some());
    }

    #[test]
    fn shared_locks_keep_out_only_the_exclusive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");

        let _one = Lock::try_take(&path, Kind::Shared).unwrap().unwrap();
        let _two = Lock::try_take(&path, Kind::Shared).unwrap().unwrap();

        assert!(Lock::try_take(&path, Kind::Exclusive).unwrap().is_none());
    }

    #[test]
    fn a_removed_lock_file_is_not_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let _old = Lock::try_take(&path, Kind::Exclusive).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();

        let new = Lock::try_take(&path, Kind::Exclusive).unwrap().unwrap();

        assert!(is_at(new.file(), &path).unwrap());
    }

    #[test]
    fn a_lock_travels_with_its_descriptor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let fd = Lock::try_take(&path, Kind::Exclusive).unwrap().unwrap().into_fd();

        assert!(Lock::try_take(&path, Kind::Exclusive).unwrap().is_none());
        let taken_over = Lock::from_fd(fd).unwrap();

        assert!(Lock::try_take(&path, Kind::Exclusive).unwrap().is_none());
        drop(taken_over);
        assert!(Lock::try_take(&path, Kind::Exclusive).unwrap().is_some());
    }
}
