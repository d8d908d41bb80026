//! What the kernel offers, made safe: descriptors, processes, sockets, locks, network and vsock
//! devices, terminals; and [`runtime`], the only module that names the async runtime.
//!
//! All `unsafe` of the project is in this crate. It decides nothing: callers say what to open,
//! start or lock, and get owned values back.

#![expect(unsafe_code, reason = "fork, exec and ioctl have no safe form; they are wrapped here")]

pub mod fd;
pub mod file;
pub mod io_uring;
pub mod lock;
pub mod macvtap;
pub mod netlink;
pub mod process;
pub mod processor;
pub mod runtime;
pub mod service;
pub mod tap;
pub mod terminal;
pub mod thread;
pub mod vsock;

use std::fmt::Display;
use std::io;

/// Says why an operation failed, in lower case and without the error number.
///
/// Such as `no such file or directory`.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = match (error.raw_os_error(), text.rfind(" (os error ")) {
        (Some(_), Some(number)) => &text[..number],
        _ => text.as_str(),
    };
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// Puts what was being done in front of an error, keeping its kind.
fn context(error: impl Into<io::Error>, doing: impl Display) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("{doing}: {}", reason(&error)))
}

/// An error about a value that the caller gave.
fn invalid(problem: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_has_no_number_and_no_capital() {
        let error = io::Error::from_raw_os_error(libc::ENOENT);

        assert_eq!(reason(&error), "no such file or directory");
        assert_eq!(
            context(error, "cannot open 'a'").to_string(),
            "cannot open 'a': no such file or directory"
        );
    }

    #[test]
    fn reason_keeps_acronyms() {
        assert_eq!(reason(&io::Error::other("QEMU is gone")), "QEMU is gone");
    }
}
