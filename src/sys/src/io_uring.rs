//! Whether the kernel lets this process use io_uring.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The size of `struct io_uring_params` (Linux: `include/uapi/linux/io_uring.h`).
const PARAMETERS: usize = 120;

/// Whether an io_uring instance can be made.
///
/// It is made and thrown away: the kernel may lack io_uring, `kernel.io_uring_disabled` may forbid
/// it to this user, and a filter of system calls may, too.
pub fn works() -> bool {
    let mut parameters = [0_u64; PARAMETERS / 8];
    // SAFETY: the kernel reads and writes the structure, which is as long as it expects.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    match RawFd::try_from(fd) {
        Ok(fd) if fd >= 0 => {
            // SAFETY: the kernel has just made this descriptor, for us alone.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            true
        }
        _ => false,
    }
}
