//! Processes that nobody wrote down, found by where they write.

use std::fs;
use std::io;
use std::path::Path;

use super::Process;

/// The processes whose standard error is a file below a directory, as far as we may look.
///
/// # Errors
///
/// Those of reading `/proc`. A process that ends meanwhile is left out.
pub fn writing_below(directory: &Path) -> io::Result<Vec<Process>> {
    let directory = directory.canonicalize()?;
    let writes = |process: &Process| {
        let output = fs::read_link(format!("/proc/{}/fd/2", process.pid()));
        output.is_ok_and(|output| output.starts_with(&directory))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
            // Opened before it is looked at: from here on the number cannot change hands.
            && let Ok(process) = Process::open(pid)
            && writes(&process)
        {
            found.push(process);
        }
    }
    Ok(found)
}
