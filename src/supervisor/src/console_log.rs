//! What a guest's first console has said, for whoever connects later: QEMU writes it into a file, which
//! is kept short here. While nobody supervises the guest, it grows.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sys::runtime::{self, Descriptor};

/// How long to wait at least before looking again.
const PAUSE: Duration = Duration::from_secs(1);

/// From how many bytes on its beginning is forgotten.
const MOST: u64 = 1 << 20;

/// How many bytes of its end are kept at least.
const KEPT: u64 = 256 * 1024;

/// Keeps a file short as long as it is there, beside everything else.
pub(crate) fn keep_short(log: PathBuf) {
    runtime::spawn(async move {
        // It ends when there is no such file, or no more.
        let _ = keep(&log).await;
    });
}

/// A guest that says much has its file looked at now and then, one that says nothing never.
async fn keep(log: &Path) -> io::Result<()> {
    // A user has only so many watches: without one it is looked at every time.
    let written = sys::file::watch(log).and_then(Descriptor::new).ok();
    let mut events = [0; 1024];
    loop {
        sys::file::forget_beginning(log, MOST, KEPT)?;
        runtime::sleep(PAUSE).await;
        if let Some(written) = &written {
            written.read(&mut events).await?;
        }
    }
}
