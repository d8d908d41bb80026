//! The end of a guest: QEMU is told, then terminated, then killed; and what is left is cleared away.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use host::helper::last_lines;
use qmp::Notice;
use serde_json::Value;
use sys::process::Signal;
use sys::runtime;

use super::Watch;
use super::subscribers::Subscribers;
use crate::adopt;
use crate::control::{Answer, Asked, Problem, Request};
use crate::last::Last;
use crate::state::{GuestState, Reason};

/// How long QEMU may take to end after it was told to.
const QUIT_LIMIT: Duration = Duration::from_millis(200);
/// How long it may take after SIGTERM: it flushes what it has to write.
const TERM_LIMIT: Duration = Duration::from_secs(5);
/// How long it may take where it is not to be killed. libvirt: `qemuProcessKill`, 15 s.
const GRACEFUL_LIMIT: Duration = Duration::from_secs(15);
/// How long it may take after SIGKILL.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How long a QEMU may take to end whose connection has ended.
const LEFT_LIMIT: Duration = Duration::from_secs(2);
/// How long what a QEMU that has ended said may be on its way.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);
/// How long somebody may take to read the last reply.
pub(super) const LAST_REPLY_LIMIT: Duration = Duration::from_secs(1);
/// How much of what QEMU said is kept when it crashes, in lines.
const LAST_LINES: usize = 5;

/// How far the end of a guest is.
#[derive(Debug)]
pub(super) struct Ending {
    step: Step,
    /// Until when QEMU may take to end at this step.
    pub(super) deadline: Instant,
    /// Whether QEMU is never to be killed.
    graceful: bool,
    /// Who wants it to end, and waits for that.
    asked: Vec<Asked>,
}

/// What was done last so that QEMU ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing: it has closed the connection by itself.
    Left,
    /// It was told by `quit`.
    Quit,
    /// It has got SIGTERM.
    Term,
    /// It has got SIGKILL.
    Kill,
}

impl Ending {
    fn at(step: Step, limit: Duration) -> Self {
        let deadline = Instant::now() + limit;
        Self { step, deadline, graceful: false, asked: Vec::new() }
    }
}

impl Watch {
    /// Has QEMU end; somebody may wait for that. A guest is ended gracefully only as long as everybody
    /// wants it so.
    pub(super) fn end_guest(&mut self, graceful: bool, asked: Option<Asked>) {
        self.ended_by_request |= asked.is_some();
        let mut ending = match self.ending.take() {
            Some(ending) if ending.step != Step::Left => ending,
            _ => Ending {
                graceful,
                ..Ending::at(
                    Step::Quit,
                    if self.is_connected { QUIT_LIMIT } else { Duration::ZERO },
                )
            },
        };
        let was_graceful = ending.graceful;
        if ending.step == Step::Quit {
            // Its end is the answer.
            drop(self.guest.client.send("quit", &Value::Null));
        }
        ending.graceful &= graceful;
        if ending.step == Step::Term && was_graceful && !ending.graceful {
            ending.deadline = ending.deadline.min(Instant::now() + TERM_LIMIT);
        }
        ending.asked.extend(asked);
        self.ending = Some(ending);
    }

    /// The connection has ended: QEMU has, or does, or has dropped us.
    pub(super) fn disconnected(&mut self) {
        self.is_connected = false;
        self.ending.get_or_insert_with(|| Ending::at(Step::Left, LEFT_LIMIT));
    }

    /// QEMU has not ended in time: the next step is taken. Says whether there is none.
    pub(super) async fn overdue(&mut self) -> bool {
        let Some(mut ending) = self.ending.take() else { return false };
        let qemu = self.guest.qemu.process();
        (ending.step, ending.deadline) = match ending.step {
            Step::Left => {
                self.reconnect().await;
                return false;
            }
            Step::Quit => {
                let _ = qemu.kill(Signal::TERM);
                let limit = if ending.graceful { GRACEFUL_LIMIT } else { TERM_LIMIT };
                (Step::Term, Instant::now() + limit)
            }
            Step::Term if ending.graceful => {
                let reason = format!("QEMU has not ended within {GRACEFUL_LIMIT:?}, and goes on");
                for asked in ending.asked {
                    asked.answer(Err(Problem::Refused(reason.clone())));
                }
                return false;
            }
            Step::Term => {
                let _ = qemu.kill(Signal::KILL);
                (Step::Kill, Instant::now() + KILL_LIMIT)
            }
            // The kernel cannot end it, such as while a disk does not answer.
            Step::Kill => {
                self.ending = Some(ending);
                return true;
            }
        };
        self.ending = Some(ending);
        false
    }

    /// Talks to QEMU again, which has dropped the connection and goes on. QEMU 11 does that to whoever
    /// sends it what it does not expect.
    async fn reconnect(&mut self) {
        match adopt::ask(&self.guest.resources.run.monitor()).await {
            Ok((client, events, state)) => {
                self.guest.client = client;
                self.guest.events = events;
                self.guest.state = state;
                self.due = self.due.or(super::due_in(state));
                self.is_connected = true;
                for (asked, problem) in self.interrupted.drain(..) {
                    asked.answer(Err(problem));
                }
            }
            // Nobody could steer the guest any more.
            Err(_) => self.end_guest(false, None),
        }
    }

    /// Clears everything away. Whoever asked is told then.
    pub(super) async fn clear_away(mut self) {
        // What QEMU said last may still be on its way, though it has ended.
        while self.is_connected
            && let Some(Some(Notice::Event(event))) =
                runtime::within(LAST_WORDS_LIMIT, self.guest.events.next()).await
        {
            self.take_in(&event);
        }
        let status = self.guest.qemu.try_wait().ok().flatten();
        // Without room on the disk nobody will know how it ended.
        let _ = self.how_it_ended(status).write(&self.guest.resources.run);
        self.guest.resources.clear();
        let still_asked = std::iter::from_fn(|| self.guest.control.asked.try_recv().ok());
        let asked: Vec<Asked> = (self.ending.into_iter().flat_map(|ending| ending.asked))
            .chain(self.interrupted.into_iter().map(|(asked, _)| asked))
            .chain(self.waiting)
            .chain(self.changes.into_asked())
            .chain(still_asked)
            .collect();
        // With that subscribers learn that there is no more to come.
        self.subscribers = Subscribers::default();
        self.guest.control.close().await;
        for asked in asked {
            let answer = match asked.request {
                Request::Destroy { .. } | Request::Shutdown => Ok(Answer::done()),
                _ => Err(Problem::Gone),
            };
            runtime::within(LAST_REPLY_LIMIT, asked.answer_and_wait(answer)).await;
        }
    }

    fn how_it_ended(&self, status: Option<ExitStatus>) -> Last {
        let reason = match self.guest.state {
            // One that was preserved for a look.
            (GuestState::Crashed, _) if self.ended_by_request => Reason::Destroyed,
            (GuestState::Crashed, _) => Reason::Crashed,
            (GuestState::InShutdown, Reason::Destroyed) => Reason::Destroyed,
            (GuestState::InShutdown, _) => Reason::Shutdown,
            _ if self.ended_by_request => Reason::Destroyed,
            // Nobody said a word before.
            _ => Reason::Crashed,
        };
        let said = match reason {
            Reason::Crashed => last_lines(&self.guest.resources.run.log(), LAST_LINES),
            _ => Vec::new(),
        };
        Last::now(reason, status.map(|status| status.to_string()), said)
    }
}
