//! Every exit code.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It, QEMU or the host refused, and said why.
    Refused = 1,
    /// The command line was wrong. Where clap can see that, it ends the program with this by itself.
    Usage = 2,
    /// There is no such domain.
    NoDomain = 3,
    /// The domain is not in a state in which this can be done.
    WrongState = 4,
    /// Time ran out; what became of it is not known.
    TimedOut = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
