//! `supervise FD`: watch over one guest. `start` runs it, nobody else.
//!
//! It is not among the program's arguments: a supervisor stays as long as its guest, and neither
//! its memory nor its start shall pay for what people can say. Nor does it read the environment,
//! which it was started without; all it needs comes through the descriptor.

use std::ffi::OsString;

use crate::exit::Exit;
use crate::output::Output;

/// The descriptor that says which guest, if these arguments are those of a supervisor.
pub(crate) fn asked(mut arguments: impl Iterator<Item = OsString>) -> Option<i32> {
    let is_supervisor = arguments.nth(1)? == "supervise";
    let descriptor = arguments.next()?.to_str()?.parse().ok()?;
    (is_supervisor && arguments.next().is_none()).then_some(descriptor)
}

/// Watches over the guest until it is gone.
pub(crate) fn run(descriptor: i32, output: &mut Output) -> Exit {
    match supervisor::supervise(descriptor) {
        Ok(()) => Exit::Done,
        Err(error) => {
            output.say(format_args!("error: {}; this is for `vdomain start`", sys::reason(&error)));
            Exit::Refused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_arguments_of_start_make_a_supervisor() {
        let asked = |words: &[&str]| asked(words.iter().map(OsString::from));
        assert_eq!(asked(&["vdomain", "supervise", "3"]), Some(3));
        for words in [&["vdomain"][..], &["vdomain", "supervise"], &["vdomain", "start", "3"]] {
            assert_eq!(asked(words), None);
        }
        assert_eq!(asked(&["vdomain", "supervise", "3", "4"]), None);
        assert_eq!(asked(&["vdomain", "supervise", "three"]), None);
    }
}
