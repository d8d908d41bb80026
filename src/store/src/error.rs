//! What can go wrong with files of ours.

use std::io;
use std::path::PathBuf;

/// A file of ours could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that cannot be the name of a file.
    #[error("'{name}' cannot be the name of a domain: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The path of a socket would be longer than the kernel takes.
    #[error(
        "the control socket {path} of domain '{name}' would have {length} bytes, and the kernel takes \
         at most {limit}; choose a shorter name or a shorter directory"
    )]
    SocketPath {
        /// The domain.
        name: String,
        /// The path.
        path: PathBuf,
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Locking or writing failed; the text says what of.
    #[error("{0}")]
    File(io::Error),
    /// Reading, writing or removing failed.
    #[error("cannot {action} {path}: {}", sys::reason(.source))]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
