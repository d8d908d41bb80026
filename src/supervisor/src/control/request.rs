//! What others ask of a guest, whatever interface they ask it through.

use serde_json::Value;
use sys::runtime::{Receiver, Sender};

use crate::change::Order;
use crate::state::GuestState;

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
    /// To end it at once.
    Destroy,
    /// To change its devices.
    Change(Box<Order>),
    /// To talk to QEMU.
    AcquireQmp,
}

/// What was done about a request.
#[derive(Debug)]
pub enum Answer {
    /// It is done; these are the parameters of the reply.
    Done(Value),
    /// QEMU can be talked to.
    Qmp(qmp::Client),
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

impl From<qmp::Error> for Problem {
    fn from(error: qmp::Error) -> Self {
        Self::Refused(error.to_string())
    }
}
