//! Watching over a guest: the one task that changes its state.

use std::path::PathBuf;
use std::time::Duration;

use qmp::{Event, Notice};
use serde_json::{Value, json};
use sys::process::Signal;
use sys::runtime;

use crate::change::{self, Changes};
use crate::control::{Answer, Asked, Problem, Request};
use crate::launch::Guest;
use crate::state::{GuestState, Reason, from_run_state};

/// How long QEMU may take to end after it was told to.
const QUIT_LIMIT: Duration = Duration::from_millis(200);
/// How long it may take after SIGTERM.
const TERM_LIMIT: Duration = Duration::from_secs(5);
/// How long somebody may take to read what the guest said last.
const CONSOLE_LIMIT: Duration = Duration::from_secs(1);
/// How often to look whether it was read.
const CONSOLE_PAUSE: Duration = Duration::from_millis(5);
/// How long somebody may take to read the last reply.
const LAST_REPLY_LIMIT: Duration = Duration::from_secs(1);

/// Everything that can wake the supervisor of a guest. A closed list on purpose.
enum Wakeup {
    /// Somebody asks for something.
    Asked(Asked),
    /// QEMU says that something happened.
    Qmp(Notice),
    /// Somebody has waited long enough for the guest to let go of a device.
    Deadline,
    /// The connection to QEMU has ended.
    Disconnected,
}

/// What the task does next.
enum Next {
    /// Go on.
    Watch,
    /// The guest is to end; somebody may wait for that.
    End(Option<Asked>),
}

/// Watches over a guest until it is gone and everything of it is cleared away.
///
/// # Cancel safety
/// Not to be dropped: the guest would go on without a supervisor.
pub async fn watch(mut guest: Guest) {
    // What happened while nobody watched is seen in the state.
    let due = due_in(guest.state);
    let changes = Changes::resume(&mut guest).await;
    let mut watch = Watch { guest, pending: None, due, changes };
    let asked = loop {
        if let Next::End(asked) = watch.do_what_is_due().await {
            break asked;
        }
        let next = match watch.wait().await {
            Wakeup::Asked(asked) => watch.answer(asked).await,
            Wakeup::Qmp(Notice::Event(event)) => {
                watch.take_in(&event);
                watch.changes.take_in(&event, &mut watch.guest).await;
                Next::Watch
            }
            Wakeup::Qmp(Notice::Missed(_)) => {
                watch.ask_for_state().await;
                watch.changes.look(&mut watch.guest).await;
                Next::Watch
            }
            Wakeup::Deadline => {
                watch.changes.give_up();
                Next::Watch
            }
            Wakeup::Disconnected => Next::End(None),
        };
        if let Next::End(asked) = next {
            break asked;
        }
    };
    watch.end(asked).await;
}

struct Watch {
    guest: Guest,
    /// Why the next change of state will come about, where that is known before.
    pending: Option<Reason>,
    /// What the document says is to be done about, and has not been done yet.
    due: Option<Due>,
    /// Changes of its devices that are under way.
    changes: Changes,
}

/// What a guest did that its document says what to do about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Poweroff,
    Crash,
}

fn due_in((state, _): (GuestState, Reason)) -> Option<Due> {
    match state {
        GuestState::InShutdown => Some(Due::Poweroff),
        GuestState::Crashed => Some(Due::Crash),
        _ => None,
    }
}

impl Watch {
    async fn wait(&mut self) -> Wakeup {
        let asked = &self.guest.control.asked;
        let events = &mut self.guest.events;
        let asked = async {
            match asked.recv().await {
                Ok(asked) => Wakeup::Asked(asked),
                // The server lives as long as this task; without it there is nothing to wait for.
                Err(_) => std::future::pending().await,
            }
        };
        let happened = async { events.next().await.map_or(Wakeup::Disconnected, Wakeup::Qmp) };
        let awake = runtime::or(happened, asked);
        match self.changes.deadline() {
            None => awake.await,
            Some(deadline) => runtime::until(deadline, awake).await.unwrap_or(Wakeup::Deadline),
        }
    }

    async fn answer(&mut self, asked: Asked) -> Next {
        let (state, reason) = self.guest.state;
        let done = || Ok(Answer::Done(json!({})));
        if let Some(order) = change::order(&asked.request) {
            self.changes.carry_out(&order, asked, &mut self.guest).await;
            return Next::Watch;
        }
        let answer = match asked.request {
            Request::GetState => {
                Ok(Answer::Done(json!({ "state": state.to_string(), "reason": reason })))
            }
            Request::Describe => Ok(Answer::Done(json!({ "description": self.guest.describe() }))),
            Request::GetConsoles => {
                Ok(Answer::Done(json!({ "consoles": self.guest.status.consoles })))
            }
            Request::AcquireQmp => Ok(Answer::Qmp(self.guest.client.clone())),
            Request::Suspend if state == GuestState::Paused => done(),
            Request::Suspend if state == GuestState::Running => {
                self.command("stop", Some(Reason::User)).await
            }
            Request::Resume if state == GuestState::Running => done(),
            Request::Resume if state == GuestState::Paused => {
                self.command("cont", Some(Reason::Unpaused)).await
            }
            Request::Resume if state == GuestState::PmSuspended => {
                self.command("system_wakeup", None).await
            }
            Request::Shutdown if matches!(state, GuestState::Running | GuestState::Paused) => {
                self.command("system_powerdown", None).await
            }
            Request::Destroy => return Next::End(Some(asked)),
            Request::Suspend | Request::Resume | Request::Shutdown | Request::Change(_) => {
                Err(Problem::WrongState(state))
            }
        };
        asked.answer(answer);
        Next::Watch
    }

    /// Has QEMU do something that changes the state for this reason. The event that tells of the
    /// change comes before the answer, and is taken in before anybody is told that it is done.
    async fn command(&mut self, execute: &str, reason: Option<Reason>) -> Result<Answer, Problem> {
        self.pending = reason;
        let result = self.guest.client.execute(execute, &Value::Null).await;
        while let Some(notice) = self.guest.events.try_next() {
            if let Notice::Event(event) = notice {
                self.take_in(&event);
            }
        }
        self.pending = None;
        result?;
        Ok(Answer::Done(json!({})))
    }

    /// Does what the document asks for after what has happened. That may have been taken in while
    /// something else was waited for, so it is done here and nowhere else.
    async fn do_what_is_due(&mut self) -> Next {
        let lifecycle = &self.guest.status.lifecycle;
        let action = match self.due.take() {
            None => return Next::Watch,
            Some(Due::Poweroff) => lifecycle.poweroff.clone(),
            Some(Due::Crash) => lifecycle.crash.clone(),
        };
        match action.as_str() {
            "restart" | "rename-restart" | "coredump-restart" => {
                self.restart().await;
                Next::Watch
            }
            "preserve" => Next::Watch,
            _ => {
                self.consoles_read().await;
                Next::End(None)
            }
        }
    }

    /// Waits until whoever reads the guest's consoles has read what it said last: when QEMU ends,
    /// the kernel throws away what is still on its way through a pseudoterminal.
    async fn consoles_read(&self) {
        let waits = |terminal: &PathBuf| sys::terminal::unread(terminal).is_ok_and(|left| left > 0);
        let read = async {
            // Twice in a row, since the kernel passes on a moment later what QEMU has written.
            let mut seen_empty = 0;
            while seen_empty < 2 {
                let unread = self.guest.status.consoles.iter().flatten().any(waits);
                seen_empty = if unread { 0 } else { seen_empty + 1 };
                runtime::sleep(CONSOLE_PAUSE).await;
            }
        };
        runtime::within(CONSOLE_LIMIT, read).await;
    }

    /// What an event says about the state.
    fn take_in(&mut self, event: &Event) {
        let unless_pending = |reason| self.pending.unwrap_or(reason);
        let (state, _) = self.guest.state;
        self.guest.state = match event.name.as_str() {
            "STOP" if matches!(state, GuestState::InShutdown | GuestState::Crashed) => return,
            "STOP" => (GuestState::Paused, unless_pending(Reason::Unknown)),
            "RESUME" => (GuestState::Running, unless_pending(Reason::Unpaused)),
            "SHUTDOWN" => {
                self.due = Some(Due::Poweroff);
                (GuestState::InShutdown, Reason::Guest)
            }
            "GUEST_PANICKED" => {
                self.due = Some(Due::Crash);
                (GuestState::Crashed, Reason::Panicked)
            }
            "SUSPEND" => (GuestState::PmSuspended, Reason::Guest),
            "WAKEUP" => (GuestState::Running, Reason::Wakeup),
            "BLOCK_IO_ERROR" if event.data.get("action").is_some_and(|a| a == "stop") => {
                self.pending = Some(Reason::IoError);
                return;
            }
            "WATCHDOG" if event.data.get("action").is_some_and(|a| a == "pause") => {
                self.pending = Some(Reason::Watchdog);
                return;
            }
            _ => return,
        };
        self.pending = None;
    }

    async fn restart(&mut self) {
        for command in ["system_reset", "cont"] {
            // A QEMU that does not answer has ended, which is the next thing to be noticed.
            let _ = self.command(command, Some(Reason::Booted)).await;
        }
    }

    /// Asks QEMU for the state, where events were lost.
    async fn ask_for_state(&mut self) {
        if let Ok(status) = self.guest.client.execute("query-status", &Value::Null).await {
            self.guest.state = from_run_state(status["status"].as_str().unwrap_or_default());
            self.due = self.due.or(due_in(self.guest.state));
        }
    }

    /// Ends QEMU if it has not ended, and clears everything away. Whoever asked is told then.
    async fn end(mut self, asked: Option<Asked>) {
        let pidfd = self.guest.qemu.process();
        if self.guest.client.quit(QUIT_LIMIT).await.is_err() || !ended(pidfd, QUIT_LIMIT).await {
            let _ = pidfd.kill(Signal::TERM);
            if !ended(pidfd, TERM_LIMIT).await {
                let _ = pidfd.kill(Signal::KILL);
                ended(pidfd, TERM_LIMIT).await;
            }
        }
        let _ = self.guest.qemu.try_wait();
        self.guest.resources.clear();
        let others = self.still_asked();
        self.guest.control.close().await;
        for asked in asked.into_iter().chain(others).chain(self.changes.into_asked()) {
            let answer = match asked.request {
                Request::Destroy | Request::Shutdown => Ok(Answer::Done(json!({}))),
                _ => Err(Problem::Gone),
            };
            runtime::within(LAST_REPLY_LIMIT, asked.answer_and_wait(answer)).await;
        }
    }

    fn still_asked(&self) -> Vec<Asked> {
        std::iter::from_fn(|| self.guest.control.asked.try_recv().ok()).collect()
    }
}

async fn ended(process: &sys::process::Process, limit: Duration) -> bool {
    runtime::within(limit, runtime::exited(process)).await.is_some_and(|ended| ended.is_ok())
}
