//! Definitions: one XML file each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sys::lock::{Kind, Lock};

use crate::error::Error;
use crate::name::Name;

/// The definitions in a directory.
#[derive(Clone, Debug)]
pub struct Definitions {
    directory: PathBuf,
}

/// What writing a definition did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was none of that name.
    Created,
    /// There was another one.
    Changed,
    /// It was there already, the same.
    Unchanged,
}

impl Definitions {
    /// The definitions in `directory`, which need not exist yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Where the definition of a domain is kept.
    pub fn path(&self, name: &Name) -> PathBuf {
        self.directory.join(format!("{name}.xml"))
    }

    /// The names of the domains, sorted.
    ///
    /// # Errors
    /// The directory cannot be read; that it is not there is fine.
    pub fn list(&self) -> Result<Vec<Name>, Error> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("read", &self.directory))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(Error::io("read", &self.directory))?.file_name();
            if let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".xml"))
                && let Ok(name) = Name::new(name)
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The document of a domain; `None` if it is not defined.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn read(&self, name: &Name) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(name);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(Error::io("read", path)),
        }
    }

    /// Keeps others from changing definitions until the lock is dropped, waiting for those who are
    /// at it.
    ///
    /// # Errors
    /// The directory cannot be made or written to.
    pub fn lock(&self) -> Result<Lock, Error> {
        make_directory(&self.directory)?;
        let path = self.directory.join(".lock");
        Lock::take(&path, Kind::Exclusive).map_err(Error::File)
    }

    /// The same, unless somebody is at it: then `None`.
    ///
    /// # Errors
    /// The directory cannot be made or written to.
    pub fn try_lock(&self) -> Result<Option<Lock>, Error> {
        make_directory(&self.directory)?;
        Lock::try_take(&self.directory.join(".lock"), Kind::Exclusive).map_err(Error::File)
    }

    /// Stores the document of a domain. It is on disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written; then what was there before still is.
    pub fn write(&self, name: &Name, document: &str) -> Result<Change, Error> {
        let change = match self.read(name)? {
            Some(old) if old == document.as_bytes() => return Ok(Change::Unchanged),
            Some(_) => Change::Changed,
            None => Change::Created,
        };
        make_directory(&self.directory)?;
        sys::file::atomic_write(&self.path(name), document.as_bytes(), 0o600)
            .map_err(Error::File)?;
        Ok(change)
    }

    /// Forgets a domain; `false` if it was not defined.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self, name: &Name) -> Result<bool, Error> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true).map_err(Error::io("remove", path)),
        }
    }
}

fn make_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::io("make the directory", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_says_what_it_did() {
        let home = tempfile::tempdir().unwrap();
        let definitions = Definitions::new(home.path().join("domains"));
        let name = Name::new("a").unwrap();

        assert_eq!(definitions.write(&name, "1").unwrap(), Change::Created);
        assert_eq!(definitions.write(&name, "1").unwrap(), Change::Unchanged);
        assert_eq!(definitions.write(&name, "2").unwrap(), Change::Changed);
        assert_eq!(definitions.read(&name).unwrap().unwrap(), b"2");
    }

    #[test]
    fn only_documents_are_listed_and_in_order() {
        let home = tempfile::tempdir().unwrap();
        let definitions = Definitions::new(home.path());
        for name in ["b", "a"] {
            definitions.write(&Name::new(name).unwrap(), "x").unwrap();
        }
        let _lock = definitions.lock().unwrap();
        fs::write(home.path().join("notes.txt"), "x").unwrap();

        let names: Vec<String> = definitions.list().unwrap().iter().map(Name::to_string).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn removing_says_whether_there_was_anything() {
        let home = tempfile::tempdir().unwrap();
        let definitions = Definitions::new(home.path());
        let name = Name::new("a").unwrap();
        definitions.write(&name, "x").unwrap();

        assert!(definitions.remove(&name).unwrap());
        assert!(!definitions.remove(&name).unwrap());
        assert_eq!(definitions.read(&name).unwrap(), None);
    }
}
