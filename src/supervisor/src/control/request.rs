//! What others ask of a guest, whatever interface they ask it through.

use std::path::PathBuf;

use qemu::change::storage::Model;
use serde_json::{Value, json};
use sys::runtime::{Receiver, Sender};

use crate::change::{Image, Order};
use crate::driver::Subscription;
use crate::state::{GuestState, Reason};

/// What others ask of a guest.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Its state.
    GetState,
    /// Everything that is known of it.
    Describe,
    /// The terminals of its consoles.
    GetConsoles,
    /// To stop its processors.
    Suspend,
    /// To let them run on.
    Resume,
    /// To press its power button.
    Shutdown,
    /// To press its power button, and to start it again when it has powered off.
    Reboot,
    /// To start it again as it is.
    Reset,
    /// To change its devices.
    Change(Box<Order>),
    /// What its block jobs have come to.
    BlockJobs,
    /// To have a block job end.
    EndBlockJob {
        /// The disk.
        disk: String,
        /// Whether the guest goes over to the other image; else all stays as it was.
        pivot: bool,
    },
    /// To add a disk with an image that somebody has opened.
    AddStorage {
        /// What the disk is called by whoever asks.
        name: String,
        /// What the guest sees of it.
        model: Model,
        /// The image.
        image: Image,
    },
    /// To have the guest let go of such a disk.
    RemoveStorage {
        /// What it is called.
        name: String,
    },
    /// To put another image behind such a disk.
    ReplaceStorage {
        /// What it is called.
        name: String,
        /// The image.
        image: Image,
    },
    /// To end it at once.
    Destroy {
        /// Whether QEMU is never to be killed, also if it does not end.
        graceful: bool,
    },
    /// What QEMU says of its state.
    QueryStatus,
    /// To be told what happens.
    Subscribe {
        /// The names of the events that are wanted; none: all.
        filter: Vec<String>,
    },
    /// To talk to QEMU.
    AcquireQmp,
    /// To go on as another version of this program.
    Reexec {
        /// The program.
        program: PathBuf,
    },
}

/// What was done about a request.
#[derive(Debug)]
pub enum Answer {
    /// It is done; these are the parameters of the reply.
    Done(Value),
    /// This is what happens from now on.
    Events(Subscription),
    /// QEMU can be talked to.
    Qmp(qmp::Client),
}

impl Answer {
    /// It is done, and there is no more to say.
    pub fn done() -> Self {
        Self::Done(json!({}))
    }

    /// The state of the guest, and why it is in it.
    pub fn state((state, reason): (GuestState, Reason)) -> Self {
        Self::Done(json!({ "state": state.to_string(), "reason": reason }))
    }
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The guest is gone.
    Gone,
    /// The guest is not in a state in which this can be done.
    WrongState(GuestState),
    /// QEMU refused, for this reason.
    Refused(String),
    /// It was changed since the change was decided on.
    Changed,
    /// Something is wrong with a disk that somebody has named.
    Storage(StorageError),
    /// Linux, or we in its place, refused.
    System(Errno),
}

/// What is wrong with a disk that somebody has named.
///
/// systemd: `src/shared/varlink-io.systemd.MachineInstance.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// There is none of that name.
    NoSuchStorage,
    /// There is one of that name.
    StorageExists,
    /// It was there from the start, or came in another way.
    StorageImmutable,
    /// There is no such kind of disk.
    BadConfig,
    /// Guests cannot get a disk of that kind while they run.
    ConfigNotSupported,
}

impl StorageError {
    /// The name that varlink has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSuchStorage => "NoSuchStorage",
            Self::StorageExists => "StorageExists",
            Self::StorageImmutable => "StorageImmutable",
            Self::BadConfig => "BadConfig",
            Self::ConfigNotSupported => "ConfigNotSupported",
        }
    }
}

/// An error of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno {
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub number: i32,
}

impl Errno {
    /// What was tried has failed.
    pub const IO: Self = Self { name: "EIO", number: 5 };
    /// There is no such descriptor.
    pub const NO_DEVICE: Self = Self { name: "ENXIO", number: 6 };
    /// The descriptor can neither be read nor written.
    pub const BAD_DESCRIPTOR: Self = Self { name: "EBADF", number: 9 };
    /// Something else is under way.
    pub const BUSY: Self = Self { name: "EBUSY", number: 16 };
    /// It is a directory.
    pub const IS_DIRECTORY: Self = Self { name: "EISDIR", number: 21 };
    /// It was opened for reading only.
    pub const READ_ONLY: Self = Self { name: "EROFS", number: 30 };
    /// It is neither a file nor a block device.
    pub const BAD_FILE: Self = Self { name: "EBADFD", number: 77 };
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub(super) answer: Sender<Result<Answer, Problem>>,
    /// Closed when the reply was sent.
    pub(super) sent: Receiver<()>,
}

impl Asked {
    /// Answers. Whoever asked may be gone; then nobody is told.
    pub fn answer(self, answer: Result<Answer, Problem>) {
        let _ = self.answer.try_send(answer);
    }

    /// Answers, and waits until the reply was sent: this process is about to end.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn answer_and_wait(self, answer: Result<Answer, Problem>) {
        let _ = self.answer.try_send(answer);
        let _ = self.sent.recv().await;
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<qmp::Error> for Problem {
    fn from(error: qmp::Error) -> Self {
        Self::Refused(error.to_string())
    }
}
