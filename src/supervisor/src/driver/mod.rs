//! Watching over a guest: the one task that changes its state.
//!
//! ```text
//!  asked, QEMU's events, work that is through, QEMU's end, time ──▶ one wakeup at a time
//!                                 ┌──────────────────────────────────────────┘
//!                                 ▼
//!   answered at once   or   one piece of work after the other   or   the guest ends
//! ```
//!
//! Nothing here waits for QEMU but in [`Watch::wait`], so that whoever asks for the state is told it
//! and whoever wants the guest gone gets that, also while QEMU does not answer.

mod ending;
mod lifecycle;
mod subscribers;
mod work;

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use qmp::{Event, Notice};
use serde_json::{Value, json};
use sys::runtime::{self, Descriptor};

use crate::change::{self, Changes};
use crate::console_log;
use crate::control::{Answer, Asked, Problem, Request};
use crate::description::Description;
use crate::launch::Guest;
use crate::registration;
use crate::start;
use crate::state::{GuestState, Reason, from_run_state};
use ending::Ending;
use lifecycle::{Due, due_in};
use subscribers::Subscribers;
use work::{Then, Work};

pub use subscribers::{Happened, News, Subscription};

/// Everything that can wake the supervisor of a guest. A closed list on purpose.
enum Wakeup {
    /// Somebody asks for something.
    Asked(Asked),
    /// QEMU says that something happened.
    Qmp(Notice),
    /// Work is through.
    Done(Result<Value, qmp::Error>),
    /// The connection to QEMU has ended.
    Disconnected,
    /// QEMU has ended.
    Ended,
    /// QEMU has not ended in time.
    Overdue,
    /// Somebody has waited long enough for the guest to let go of a device.
    Waited,
}

/// Why nobody watches over a guest any more.
#[derive(Debug)]
pub enum Watched {
    /// It is gone, and everything of it is cleared away.
    Gone,
    /// Another program is to do that.
    Reexec {
        /// The guest, of which nothing may be dropped.
        guest: Box<Guest>,
        /// The program.
        program: PathBuf,
    },
}

/// Watches over a guest until it is gone and everything of it is cleared away, or until another
/// program is to do that.
///
/// # Errors
/// QEMU's process cannot be watched.
///
/// # Cancel safety
/// Not to be dropped: the guest would go on without a supervisor.
pub async fn watch(mut guest: Guest) -> io::Result<Watched> {
    console_log::keep_short(guest.resources.run.console_log());
    let changes = Changes::resume(&mut guest).await;
    let mut watch = Watch::new(guest, changes)?;
    loop {
        watch.go_on().await;
        if let Some((asked, program)) = watch.reexec.take() {
            watch.guest.control.close().await;
            let reply = asked.answer_and_wait(Ok(Answer::done()));
            runtime::within(ending::LAST_REPLY_LIMIT, reply).await;
            return Ok(Watched::Reexec { guest: Box::new(watch.guest), program });
        }
        match watch.wait().await {
            Wakeup::Asked(asked) => watch.take_up(asked),
            Wakeup::Qmp(Notice::Event(event)) => watch.take_in(&event),
            Wakeup::Qmp(Notice::Missed(_)) => watch.state_is_known = false,
            Wakeup::Done(outcome) => watch.done(outcome),
            Wakeup::Disconnected => watch.disconnected(),
            Wakeup::Overdue => {
                if watch.overdue().await {
                    break;
                }
            }
            Wakeup::Waited => watch.changes.give_up(),
            Wakeup::Ended => break,
        }
    }
    watch.clear_away().await;
    Ok(Watched::Gone)
}

/// A guest that is watched over.
struct Watch {
    guest: Guest,
    /// QEMU's process.
    process: Descriptor,
    /// Whether QEMU can be talked to.
    is_connected: bool,
    /// Whether nothing was missed that may have changed the state.
    state_is_known: bool,
    /// Why the next change of state will come about, where that is known before.
    cause: Option<Reason>,
    /// What the document says is to be done about, and has not been begun yet.
    due: Option<Due>,
    /// What is due when QEMU has dumped the guest's memory.
    after_dump: Option<Due>,
    /// What is under way. One thing at a time, so that each begins in a state that is known.
    work: Option<Work>,
    /// Who waits for the work to be through.
    waiting: VecDeque<Asked>,
    /// Whose answer was lost with the connection, and why.
    interrupted: Vec<(Asked, Problem)>,
    /// How far the guest's end is, where it is to end.
    ending: Option<Ending>,
    /// Whether somebody wanted it to end.
    ended_by_request: bool,
    subscribers: Subscribers,
    /// Which program is to watch over the guest from here on, and who wants that.
    reexec: Option<(Asked, PathBuf)>,
    /// Changes of its devices that are under way.
    changes: Changes,
    /// Events that may say something about them, and were not looked at yet.
    about_devices: VecDeque<Arc<Event>>,
}

impl Watch {
    fn new(guest: Guest, changes: Changes) -> io::Result<Self> {
        let process = guest.qemu.process().as_fd().try_clone_to_owned()?;
        Ok(Self {
            process: Descriptor::new(process)?,
            is_connected: true,
            state_is_known: true,
            cause: None,
            // What happened while nobody watched is seen in the state.
            due: due_in(guest.state),
            after_dump: None,
            work: None,
            waiting: VecDeque::new(),
            interrupted: Vec::new(),
            ending: None,
            ended_by_request: false,
            subscribers: Subscribers::default(),
            reexec: None,
            changes,
            about_devices: VecDeque::new(),
            guest,
        })
    }

    /// Waits for the next wakeup. What QEMU says goes first: its events come before the answer to
    /// what caused them, and before its end.
    async fn wait(&mut self) -> Wakeup {
        let Self { guest, process, is_connected, work, ending, changes, .. } = self;
        let Guest { control, events, .. } = guest;
        let happened = async {
            match is_connected {
                true => events.next().await.map_or(Wakeup::Disconnected, Wakeup::Qmp),
                false => pending().await,
            }
        };
        let ended = async {
            // A process that cannot be watched any more is as good as gone.
            let _ = process.readable().await;
            Wakeup::Ended
        };
        let done = async {
            match work {
                Some(work) => Wakeup::Done(work.outcome.as_mut().await),
                None => pending().await,
            }
        };
        let overdue = async {
            match ending {
                Some(ending) => {
                    runtime::sleep_until(ending.deadline).await;
                    Wakeup::Overdue
                }
                None => pending().await,
            }
        };
        let asked = async {
            match control.asked.recv().await {
                Ok(asked) => Wakeup::Asked(asked),
                // The server lives as long as this task; without it there is nothing to wait for.
                Err(_) => pending().await,
            }
        };
        let wakeup = runtime::or(
            happened,
            runtime::or(ended, runtime::or(done, runtime::or(overdue, asked))),
        );
        match changes.deadline() {
            Some(deadline) => runtime::until(deadline, wakeup).await.unwrap_or(Wakeup::Waited),
            None => wakeup.await,
        }
    }

    /// Begins the next piece of work, if nothing is under way: what has happened goes before what is
    /// asked for.
    async fn go_on(&mut self) {
        while self.work.is_none() && self.ending.is_none() && self.reexec.is_none() {
            if let Some(event) = self.about_devices.pop_front() {
                self.change(async |changes, guest| changes.take_in(&event, guest).await).await;
            } else if self.changes.is_due() {
                self.change(Changes::go_on).await;
            } else if !self.state_is_known {
                self.state_is_known = true;
                self.change(Changes::look).await;
                let status = work::command(&self.guest.client, "query-status");
                self.begin(Work::new(status).then(Then::TakeState));
            } else if let Some(due) = self.due.take() {
                self.do_what_is_due(due);
            } else if let Some(asked) = self.waiting.pop_front() {
                if change::concerns(&asked.request) {
                    let serve = async move |changes: &mut Changes, guest: &mut Guest| {
                        changes.serve(asked, guest).await;
                    };
                    self.change(serve).await;
                } else {
                    self.carry_out(asked);
                }
            } else {
                return;
            }
        }
    }

    /// Does something about the guest's devices, which takes all of the guest. Meanwhile the state is
    /// told, and who wants the guest gone gets that: then the change is given up with the guest.
    async fn change(&mut self, change: impl AsyncFnOnce(&mut Changes, &mut Guest)) {
        let others = self.guest.control.asked.clone();
        let state = self.guest.state;
        let before = self.guest.processes();
        let mut kept = Vec::new();
        let change = async {
            change(&mut self.changes, &mut self.guest).await;
            None
        };
        let meanwhile = async {
            while let Ok(asked) = others.recv().await {
                match asked.request {
                    Request::GetState => asked.answer(Ok(Answer::state(state))),
                    Request::Destroy { .. } => return Some(asked),
                    _ => kept.push(asked),
                }
            }
            pending().await
        };
        let destroy = runtime::or(change, meanwhile).await;
        registration::add(&self.guest, &before);
        kept.into_iter().chain(destroy).for_each(|asked| self.take_up(asked));
    }

    fn begin(&mut self, work: Work) {
        self.cause = work.cause;
        self.work = Some(work);
    }

    /// Answers what needs nothing of QEMU; the rest waits for its turn.
    fn take_up(&mut self, asked: Asked) {
        let answer = match &asked.request {
            Request::GetState => Answer::state(self.guest.state),
            Request::Describe => {
                let removals = self.changes.removals().map(str::to_owned).collect();
                let description = Description { removals, ..self.guest.describe() };
                Answer::Done(json!({ "description": description }))
            }
            Request::GetConsoles => Answer::Done(json!({ "consoles": self.guest.consoles() })),
            Request::AcquireQmp => Answer::Qmp(self.guest.client.clone()),
            Request::Subscribe { filter } => {
                Answer::Events(self.subscribers.add(filter.clone(), self.guest.state))
            }
            Request::Destroy { graceful } => {
                let graceful = *graceful;
                return self.end_guest(graceful, Some(asked));
            }
            _ => return self.waiting.push_back(asked),
        };
        asked.answer(Ok(answer));
    }

    /// Begins what somebody asked for, or answers where the state forbids it or it is so already.
    fn carry_out(&mut self, asked: Asked) {
        use GuestState::{Paused, PmSuspended, Running};
        let client = &self.guest.client;
        let (state, _) = self.guest.state;
        let work = match (&asked.request, state) {
            (Request::Suspend, Paused) | (Request::Resume, Running) => {
                return asked.answer(Ok(Answer::done()));
            }
            (Request::Suspend, Running) => {
                Work::new(work::command(client, "stop")).because(Reason::User)
            }
            (Request::Resume, Paused) => {
                Work::new(work::command(client, "cont")).because(Reason::Unpaused)
            }
            (Request::Resume, PmSuspended) => Work::new(work::command(client, "system_wakeup")),
            (Request::Shutdown | Request::Reboot, Running | Paused) => {
                let powerdown = Work::new(work::command(client, "system_powerdown"));
                // What reboots by ending ends, whoever asks for it. libvirt: `qemuDomainReboot`.
                let reboots = !self.guest.status.lifecycle.reboot_ends();
                self.set_rebooting(asked.request == Request::Reboot && reboots);
                powerdown
            }
            (Request::Reset, Running | Paused | PmSuspended) => {
                Work::new(work::command(client, "system_reset"))
            }
            (Request::QueryStatus, _) => {
                let status = work::command(client, "query-status");
                return self.begin(Work::new(status).then(Then::TellStatus(asked)));
            }
            (Request::Reexec { program }, _) => {
                let program = program.clone();
                match start::is_program(&program) {
                    Ok(()) => self.reexec = Some((asked, program)),
                    Err(reason) => asked.answer(Err(Problem::Refused(reason))),
                }
                return;
            }
            _ => return asked.answer(Err(Problem::WrongState(state))),
        };
        self.begin(work.then(Then::Tell(asked)));
    }

    /// Work is through. The events that belong to it have come before, and are taken in before
    /// anybody is told.
    fn done(&mut self, outcome: Result<Value, qmp::Error>) {
        while let Some(Notice::Event(event)) = self.guest.events.try_next() {
            self.take_in(&event);
        }
        self.cause = None;
        let Some(Work { then, .. }) = self.work.take() else { return };
        match (then, outcome) {
            (Then::Tell(asked), Ok(_)) => asked.answer(Ok(Answer::done())),
            (Then::TellStatus(asked), Ok(status)) => {
                let status = json!({ "running": status["running"], "status": status["status"] });
                asked.answer(Ok(Answer::Done(status)));
            }
            (Then::Tell(asked) | Then::TellStatus(asked), Err(error)) => match error {
                // Perhaps QEMU has ended, which is known in a moment.
                qmp::Error::Interrupted { .. } | qmp::Error::NotSent { .. } => {
                    self.interrupted.push((asked, error.into()));
                }
                _ => asked.answer(Err(error.into())),
            },
            (Then::TakeState, Ok(status)) => {
                self.guest.state = from_run_state(status["status"].as_str().unwrap_or_default());
                self.due = self.due.or(due_in(self.guest.state));
            }
            (Then::Dumped, Err(_)) => self.due = self.after_dump.take(),
            (Then::End, _) => self.end_guest(false, None),
            // A QEMU that does not answer has ended, which is the next thing to be noticed.
            (Then::Nothing | Then::TakeState | Then::Dumped, _) => {}
        }
    }
}
