//! `supervise FD`: watch over one guest. `start` runs it, nobody else; and systemd runs
//! `supervise NAME DIRECTORY DIRECTORY` where the one that `start` has run was killed.
//!
//! It is not among the program's arguments: a supervisor stays as long as its guest, and neither
//! its memory nor its start shall pay for what people can say. Nor does it read the environment,
//! which it was started without; all it needs comes through the descriptor.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::exit::Exit;
use crate::output::Output;

/// What a supervisor is given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// The descriptor that says what is to be done.
    Descriptor(i32),
    /// A guest that is to be taken over.
    Guest {
        /// Its name.
        name: String,
        /// The directory of running guests.
        run: PathBuf,
        /// The directory of what outlives guests.
        state: PathBuf,
    },
}

/// What these arguments give, if they are those of a supervisor.
pub(crate) fn asked(mut arguments: impl Iterator<Item = OsString>) -> Option<Given> {
    if arguments.nth(1)? != "supervise" {
        return None;
    }
    match arguments.collect::<Vec<_>>().as_slice() {
        [descriptor] => descriptor.to_str()?.parse().ok().map(Given::Descriptor),
        [name, run, state] => {
            let name = name.to_str()?.to_owned();
            Some(Given::Guest { name, run: run.into(), state: state.into() })
        }
        _ => None,
    }
}

/// Watches over the guest until it is gone.
pub(crate) fn run(given: &Given, output: &mut Output) -> Exit {
    let watched = match given {
        Given::Descriptor(descriptor) => supervisor::supervise(*descriptor),
        Given::Guest { name, run, state } => supervisor::take_over(name, run, state),
    };
    match watched {
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
        assert_eq!(asked(&["vdomain", "supervise", "3"]), Some(Given::Descriptor(3)));
        let guest = Given::Guest { name: "web1".into(), run: "/r".into(), state: "/s".into() };
        assert_eq!(asked(&["vdomain", "supervise", "web1", "/r", "/s"]), Some(guest));
        for words in [&["vdomain"][..], &["vdomain", "supervise"], &["vdomain", "start", "3"]] {
            assert_eq!(asked(words), None);
        }
        assert_eq!(asked(&["vdomain", "supervise", "3", "4"]), None);
        assert_eq!(asked(&["vdomain", "supervise", "three"]), None);
    }
}
