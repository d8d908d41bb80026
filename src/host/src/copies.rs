//! Files that are made before anything is opened, unless they are there: a guest's own variables of
//! its firmware, from the template that comes with the firmware.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use qemu::plan::CopyIfMissing;

use crate::opening::OpenError;

/// How many bytes a template may have: the largest flash memory that a PC can have is 8 MiB, and a
/// qcow2 image of it is not much larger.
const LARGEST: u64 = 64 << 20;

/// Makes the files that are not there; those that were made. What is there stays as it is.
///
/// libvirt: `qemuPrepareNVRAM`.
///
/// # Errors
/// A template cannot be read, or a file not be made. Nothing is left that was made then.
pub fn make(copies: &[CopyIfMissing]) -> Result<Vec<PathBuf>, OpenError> {
    let mut made = Vec::new();
    for copy in copies {
        match copy_if_missing(Path::new(&copy.template), Path::new(&copy.path)) {
            Ok(true) => made.push(PathBuf::from(&copy.path)),
            Ok(false) => {}
            Err(error) => {
                take_back(&made);
                return Err(OpenError {
                    at: copy.at.clone(),
                    purpose: copy.purpose.clone(),
                    problem: format!(
                        "'{}' is not there and cannot be made from '{}': {}",
                        copy.path,
                        copy.template,
                        sys::reason(&error)
                    ),
                    help: None,
                });
            }
        }
    }
    Ok(made)
}

/// Removes files that were made for a start that failed.
pub fn take_back(made: &[PathBuf]) {
    for path in made {
        // One that cannot be removed is a copy of its template: the next start takes it as it is.
        let _ = fs::remove_file(path);
    }
}

/// Whether it was made.
fn copy_if_missing(template: &Path, path: &Path) -> io::Result<bool> {
    if path.try_exists()? {
        return Ok(false);
    }
    let found = fs::metadata(template)?;
    if !found.is_file() || found.len() > LARGEST {
        return Err(io::Error::other("that is no file with a firmware's variables"));
    }
    let bytes = fs::read(template)?;
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    sys::file::atomic_write(path, &bytes, 0o600)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(directory: &Path, template: &str) -> CopyIfMissing {
        let path = |name: &str| directory.join(name).display().to_string();
        CopyIfMissing {
            path: path("nvram/web1_VARS.fd"),
            template: path(template),
            purpose: "firmware's variables".to_owned(),
            at: Some("guest.xml:9:5".to_owned()),
            ..CopyIfMissing::default()
        }
    }

    #[test]
    fn a_file_is_made_once_and_then_kept() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("template"), "empty").unwrap();
        let copy = copy(directory.path(), "template");

        assert_eq!(make(std::slice::from_ref(&copy)).unwrap(), [PathBuf::from(&copy.path)]);
        fs::write(&copy.path, "written by the guest").unwrap();
        assert!(make(std::slice::from_ref(&copy)).unwrap().is_empty());

        assert_eq!(fs::read_to_string(&copy.path).unwrap(), "written by the guest");
    }

    #[test]
    fn a_template_that_is_not_there_is_said_and_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("template"), "empty").unwrap();
        let good = copy(directory.path(), "template");
        let bad =
            CopyIfMissing { path: format!("{}-2", good.path), ..copy(directory.path(), "none") };

        let error = make(&[good.clone(), bad]).unwrap_err().to_string();

        assert!(error.starts_with("guest.xml:9:5: firmware's variables: '"), "{error}");
        assert!(error.contains("none': no such file"), "{error}");
        assert!(!Path::new(&good.path).exists());
    }
}
