//! What a process takes of memory, and giving some of it back.

use std::ffi::c_void;
use std::fs;
use std::io;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Takes the code that has run so far out of the memory of this process, as most of it will not run
/// again: what does is mapped again from the kernel's cache of the file, page by page.
///
/// # Errors
///
/// `/proc` is not mounted, or the kernel refuses.
pub fn forget_code() -> io::Result<()> {
    for code in fs::read_to_string("/proc/self/maps")?.lines().filter_map(code) {
        // SAFETY: these are private mappings of files that nobody can write to, so that their pages
        // are those of the file and come back from it with the next access.
        unsafe {
            madvise(code.start as *mut c_void, code.len(), Advice::LinuxDontNeed)?;
        }
    }
    Ok(())
}

/// The addresses that a line of `/proc/PID/maps` tells of, if it is about code from a file.
///
/// Linux: `proc_pid_maps(5)`.
fn code(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let permissions = words.next()?;
    let file = words.nth(3)?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    (permissions == "r-xp" && file.starts_with('/')).then_some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_can_be_run_and_not_written() {
        let line = "55d0-55f0 r-xp 001da000 fe:00 5768331     /usr/bin/vdomain";
        assert_eq!(code(line), Some(0x55d0..0x55f0));
        assert_eq!(code(&line.replace("r-xp", "r--p")), None);
        assert_eq!(code(&line.replace("/usr/bin/vdomain", "[vdso]")), None);
        assert_eq!(code("7f59376dd000-7f59376e0000 rw-p 00000000 00:00 0"), None);
    }

    #[test]
    fn a_process_goes_on_without_the_code_it_has_run() {
        let before = super::super::resident_memory(std::process::id()).unwrap();

        forget_code().unwrap();

        assert!(super::super::resident_memory(std::process::id()).unwrap() < before);
    }
}
