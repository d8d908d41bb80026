//! What a guest's first console has said, for whoever connects later: QEMU writes it into a file, which
//! is kept short here. While nobody supervises the guest, it grows.

use std::path::PathBuf;
use std::time::Duration;

use sys::runtime;

/// How often to look.
const PAUSE: Duration = Duration::from_secs(1);

/// From how many bytes on its beginning is forgotten.
const MOST: u64 = 1 << 20;

/// How many bytes of its end are kept at least.
const KEPT: u64 = 256 * 1024;

/// Keeps a file short as long as it is there, beside everything else.
pub(crate) fn keep_short(log: PathBuf) {
    runtime::spawn(async move {
        while sys::file::forget_beginning(&log, MOST, KEPT).is_ok() {
            runtime::sleep(PAUSE).await;
        }
    });
}
