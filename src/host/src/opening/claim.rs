//! Numbers that no two guests may have at once, where the kernel does not see to it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use qemu::plan::Helper;
use sys::lock::{Kind, Lock};

use crate::helper::HelperError;
use crate::late::LateValues;

/// The first CID that a guest may have (Linux: `vsock(7)`).
const FIRST_CID: u32 = 3;
/// How many CIDs are tried.
const CIDS: u32 = 10_000;

/// A number that no other guest has.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    lock: OwnedFd,
}

impl Claim {
    /// A descriptor for the helper that needs the number: the claim lasts as long as the helper does,
    /// whatever becomes of us.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.lock.try_clone()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // While the lock is held nobody else can have taken the file for theirs.
        let _ = fs::remove_file(&self.path);
    }
}

/// Claims what a helper needs to be alone with.
///
/// # Errors
/// Another guest has it.
pub fn claim(
    helper: &Helper,
    run: &Path,
    late: &mut LateValues,
) -> Result<Option<Claim>, HelperError> {
    let Some(wanted) = &helper.claim_cid else { return Ok(None) };
    match claim_cid(wanted.cid, run) {
        Ok((cid, claim)) => {
            late.insert(&wanted.late, cid);
            Ok(Some(claim))
        }
        Err(error) => Err(HelperError {
            at: helper.at.clone(),
            purpose: helper.purpose.clone(),
            reason: sys::reason(&error),
        }),
    }
}

fn claim_cid(cid: Option<u32>, run: &Path) -> io::Result<(u32, Claim)> {
    let wanted = match cid {
        Some(cid) => cid..=cid,
        None => FIRST_CID..=FIRST_CID + CIDS,
    };
    fs::create_dir_all(run)?;
    for number in wanted {
        let path = run.join(format!(".cid-{number}.lock"));
        if let Some(lock) = Lock::try_take(&path, Kind::Exclusive)? {
            return Ok((number, Claim { path, lock: lock.into_fd() }));
        }
    }
    Err(io::Error::other(match cid {
        Some(cid) => format!("another guest has the CID {cid}"),
        None => "no CID is free".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_guests_never_get_one_cid() {
        let run = tempfile::tempdir().unwrap();
        let (first, _held) = claim_cid(None, run.path()).unwrap();
        let (second, _also) = claim_cid(None, run.path()).unwrap();
        assert_eq!((first, second), (3, 4));
        assert_eq!(
            claim_cid(Some(3), run.path()).unwrap_err().to_string(),
            "another guest has the CID 3"
        );
    }

    #[test]
    fn a_cid_is_free_again_when_its_holder_is_gone() {
        let run = tempfile::tempdir().unwrap();
        drop(claim_cid(Some(7), run.path()).unwrap());
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
        assert!(claim_cid(Some(7), run.path()).is_ok());
    }

    #[test]
    fn a_cid_is_taken_as_long_as_the_helper_has_it() {
        let run = tempfile::tempdir().unwrap();
        let (_, claim) = claim_cid(Some(7), run.path()).unwrap();
        let helpers = claim.share().unwrap();
        // A supervisor that was killed removes nothing.
        std::mem::forget(claim);
        assert!(claim_cid(Some(7), run.path()).is_err());
        drop(helpers);
    }
}
