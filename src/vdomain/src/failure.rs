//! Why a command did not do what was asked.

use std::fmt::Display;

use guest::agent;
use store::Name;
use xml::{Problem, Source};

use crate::exit::Exit;

/// Why a command did not do what was asked, for the person who asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A document was not accepted.
    Document {
        /// The document.
        source: Source,
        /// What is wrong with it, warnings included.
        problems: Vec<Problem>,
    },
    /// Anything else.
    Other {
        /// How the program ends.
        exit: Exit,
        /// What is the matter.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// Whoever read the output went away.
    NobodyReads,
}

impl Failure {
    /// Refused, for this reason.
    pub(crate) fn refused(message: impl Display) -> Self {
        Self::Other { exit: Exit::Refused, message: message.to_string(), help: None }
    }

    /// The domain is not in a state in which this can be done.
    pub(crate) fn state(message: impl Display) -> Self {
        Self::Other { exit: Exit::WrongState, message: message.to_string(), help: None }
    }

    /// There is no such domain, but perhaps one with nearly that name.
    pub(crate) fn no_domain(name: &str, known: &[Name]) -> Self {
        let near = base::words::nearest(known.iter().map(Name::as_str), name);
        Self::Other {
            exit: Exit::NoDomain,
            message: format!("no domain '{name}'"),
            help: near.map(|near| format!("did you mean '{near}'?")),
        }
    }

    /// Several domains have a name that begins like that.
    pub(crate) fn ambiguous(word: &str, alike: &[&Name]) -> Self {
        let names: Vec<&str> = alike.iter().map(|name| name.as_str()).collect();
        Self::Other {
            exit: Exit::NoDomain,
            message: format!("no domain '{word}', and several that begin like that"),
            help: Some(format!("one of: {}", names.join(", "))),
        }
    }

    /// The command line is wrong in a way that only its meaning shows.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::Other { exit: Exit::Usage, message: message.to_string(), help: None }
    }

    /// Adds what to do.
    pub(crate) fn help(self, text: impl Into<String>) -> Self {
        match self {
            Self::Other { exit, message, .. } => {
                Self::Other { exit, message, help: Some(text.into()) }
            }
            other => other,
        }
    }
}

/// What is wrong where no document came with the command.
impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        let failure = Self::refused(messages.join("; "));
        match problems.into_iter().find_map(|problem| problem.help) {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<qmp::Error> for Failure {
    fn from(error: qmp::Error) -> Self {
        let exit = if error.outcome_is_unknown() { Exit::TimedOut } else { Exit::Refused };
        Self::Other { exit, message: error.to_string(), help: None }
    }
}

impl From<agent::Error> for Failure {
    fn from(error: agent::Error) -> Self {
        let exit = match error {
            agent::Error::NotRunning | agent::Error::NoChannel => Exit::WrongState,
            agent::Error::TimedOut { .. } => Exit::TimedOut,
            agent::Error::Qmp(error) => return error.into(),
            _ => Exit::Refused,
        };
        Self::Other { exit, message: error.to_string(), help: error.help().map(str::to_owned) }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::refused(error)
    }
}
