//! How a command, or the connection, can fail. No text here contains a command's arguments: they
//! may be secrets.

use std::time::Duration;

use crate::codec;
use crate::message::{ErrorClass, Refusal};

/// What went wrong; each variant says what is known of the outcome.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// QEMU understood and said no: the command changed nothing, as far as QEMU's commands hold
    /// to that.
    #[error("QEMU refused '{command}': {desc}")]
    Refused {
        /// The command's name.
        command: String,
        /// QEMU's error class.
        class: ErrorClass,
        /// QEMU's own words.
        desc: String,
    },
    /// The connection ended before the answer: the outcome is unknown and must be asked for.
    #[error("no answer to '{command}', whose outcome is unknown: {why}")]
    Interrupted {
        /// The command's name.
        command: String,
        /// Why the connection ended.
        why: String,
    },
    /// No answer came in time: the outcome is unknown; the command may still be carried out.
    #[error("no answer to '{command}' within {limit:?}, its outcome is unknown")]
    TimedOut {
        /// The command's name.
        command: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection had ended before the command was sent: nothing happened.
    #[error("cannot send '{command}': {why}")]
    NotSent {
        /// The command's name.
        command: String,
        /// Why the connection ended.
        why: String,
    },
    /// The command, or all that wait to be sent, are too large: nothing happened.
    #[error(
        "cannot send '{command}': more than {} MiB would wait to be sent",
        codec::LARGEST_MESSAGE >> 20
    )]
    TooLarge {
        /// The command's name.
        command: String,
    },
    /// The connection did not come to the point where commands can be sent.
    #[error("no QMP connection, while waiting for {waiting_for}: {why}")]
    Handshake {
        /// The step that did not come.
        waiting_for: &'static str,
        /// What came instead.
        why: String,
    },
    /// The peer says something that is not QMP.
    #[error("{problem}")]
    Protocol {
        /// What was wrong, and with what.
        problem: String,
    },
}

impl Error {
    /// A refusal of a command.
    pub fn refused(command: impl Into<String>, refusal: Refusal) -> Self {
        Self::Refused { command: command.into(), class: refusal.class, desc: refusal.desc }
    }

    /// Whether the command may have been carried out, or may still be.
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::Interrupted { .. } | Self::TimedOut { .. })
    }

    /// QEMU's error class, if it was QEMU who said no.
    pub fn class(&self) -> Option<&ErrorClass> {
        match self {
            Self::Refused { class, .. } => Some(class),
            _ => None,
        }
    }
}
