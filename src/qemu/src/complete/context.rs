//! What the steps of completion know, and what they note.

use xml::{Origin, Part, Problem};

use super::Mode;
use crate::capabilities::Capabilities;
use crate::host::{Host, RandomBytes};

/// What the steps know, and what they note.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// What QEMU can do.
    pub(crate) capabilities: &'a Capabilities,
    /// The machine.
    pub(crate) host: &'a Host,
    /// What the document is read for.
    pub(crate) mode: Mode,
    /// What was found wrong.
    pub(crate) problems: Vec<Problem>,
    /// What had to be made up.
    pub(crate) made: Vec<String>,
    random: RandomBytes<'a>,
}

impl<'a> Context<'a> {
    /// Nothing noted.
    pub(crate) fn new(capabilities: &'a Capabilities, host: &'a Host, mode: Mode) -> Self {
        Self {
            capabilities,
            host,
            mode,
            problems: Vec::new(),
            made: Vec::new(),
            random: host.randomness.start(),
        }
    }

    /// Notes that the element at `origin` is not accepted.
    pub(crate) fn error(&mut self, origin: Origin, message: impl Into<String>) {
        self.problems.push(Problem::error(origin, Part::Name, message));
    }

    /// Bytes for an identifier. Where there are none left, that is noted as an error.
    pub(crate) fn random<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.random.take();
        if bytes.is_none() {
            self.error(Origin::None, "there are no random bytes left to make an identifier of");
        }
        bytes
    }

    /// Whether one of the problems is an error.
    pub(crate) fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}
