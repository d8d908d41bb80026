//! What a guest does by itself, what that makes of its state, and what its document says is to be
//! done about it.

use std::sync::Arc;

use qmp::Event;
use serde_json::Value;

use super::Watch;
use super::work::{self, Then, Work};
use crate::change::Changes;
use crate::launch::Guest;
use crate::request::resets_end;
use crate::state::{GuestState, Reason};

/// What a guest did that its document says what to do about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It has powered itself off.
    Poweroff,
    /// It has rebooted, which QEMU was told to take for the end.
    Reboot,
    /// It has crashed.
    Crash,
    /// It has crashed, and its memory is dumped.
    CrashDumped,
    /// A watchdog has stopped it, and its memory is to be dumped.
    Watchdog,
    /// A watchdog has stopped it, and its memory is dumped.
    WatchdogDumped,
}

/// What is done about it.
enum Action {
    /// Nothing: it stays as it is.
    Preserve,
    /// It starts again.
    Restart,
    /// It runs on.
    Resume,
    /// Its memory is dumped, and then something else is due.
    Dump(Due),
    /// It ends.
    End,
}

/// What is due in a state that nobody saw come.
pub(super) fn due_in((state, _): (GuestState, Reason)) -> Option<Due> {
    match state {
        GuestState::InShutdown => Some(Due::Poweroff),
        GuestState::Crashed => Some(Due::Crash),
        _ => None,
    }
}

impl Watch {
    /// What an event says about the state; subscribers are told.
    pub(super) fn take_in(&mut self, event: &Arc<Event>) {
        if let Some(state) = self.state_after(event) {
            self.guest.state = state;
            self.cause = None;
        }
        self.subscribers.tell(event, self.guest.state);
        if Changes::concern(event) {
            self.about_devices.push_back(Arc::clone(event));
        }
    }

    fn state_after(&mut self, event: &Event) -> Option<(GuestState, Reason)> {
        let because = |reason| self.cause.unwrap_or(reason);
        let data = |key: &str| event.data.get(key).and_then(Value::as_str).unwrap_or_default();
        let (state, _) = self.guest.state;
        Some(match event.name.as_str() {
            "STOP" if matches!(state, GuestState::InShutdown | GuestState::Crashed) => return None,
            "STOP" => (GuestState::Paused, because(Reason::Unknown)),
            // That of the start, which nobody has waited for.
            "RESUME" if state == GuestState::Running => return None,
            "RESUME" => (GuestState::Running, because(Reason::Unpaused)),
            // What ends QEMU after the guest's own end changes nothing about that.
            "SHUTDOWN" if matches!(state, GuestState::InShutdown | GuestState::Crashed) => {
                return None;
            }
            "SHUTDOWN" => self.shutdown(data("reason")),
            "GUEST_PANICKED" => {
                self.due = Some(Due::Crash);
                (GuestState::Crashed, Reason::Panicked)
            }
            "SUSPEND" => (GuestState::PmSuspended, Reason::Guest),
            "WAKEUP" => (GuestState::Running, Reason::Wakeup),
            "BLOCK_IO_ERROR" if data("action") == "stop" => {
                self.cause = Some(Reason::IoError);
                return None;
            }
            "WATCHDOG" if data("action") == "pause" => {
                self.cause = Some(Reason::Watchdog);
                if self.guest.status.lifecycle.watchdog_dumps {
                    self.due = Some(Due::Watchdog);
                }
                return None;
            }
            "DUMP_COMPLETED" => {
                self.due = self.after_dump.take();
                return None;
            }
            _ => return None,
        })
    }

    /// QEMU says that the guest has ended and stops it, or that it is about to end itself.
    ///
    /// QEMU: `ShutdownCause` in `qapi/run-state.json`.
    fn shutdown(&mut self, cause: &str) -> (GuestState, Reason) {
        match cause {
            "host-qmp-quit" | "host-signal" | "host-error" => {
                (GuestState::InShutdown, Reason::Destroyed)
            }
            "guest-reset" | "host-qmp-system-reset" => {
                self.due = Some(Due::Reboot);
                (GuestState::InShutdown, Reason::Guest)
            }
            _ => {
                self.due = Some(Due::Poweroff);
                (GuestState::InShutdown, Reason::Guest)
            }
        }
    }

    /// Does what the document asks for after what has happened.
    pub(super) fn do_what_is_due(&mut self, due: Due) {
        let Guest { client, status, resources, .. } = &self.guest;
        let work = match self.action(due) {
            Action::Preserve => return,
            Action::Restart => self.restart(),
            Action::Resume => Work::new(work::command(client, "cont")).because(Reason::Unpaused),
            Action::Dump(due) => {
                self.after_dump = Some(due);
                Work::new(work::dump(client, &resources.run)).then(Then::Dumped)
            }
            Action::End => Work::new(work::consoles_read(&status.consoles)).then(Then::End),
        };
        self.begin(work);
    }

    fn action(&self, due: Due) -> Action {
        let lifecycle = &self.guest.status.lifecycle;
        let word = match due {
            Due::Poweroff if self.guest.status.rebooting => return Action::Restart,
            Due::Poweroff => &lifecycle.poweroff,
            Due::Reboot => &lifecycle.reboot,
            Due::Crash => &lifecycle.crash,
            Due::CrashDumped if lifecycle.crash.ends_with("restart") => return Action::Restart,
            Due::CrashDumped => return Action::End,
            Due::Watchdog => return Action::Dump(Due::WatchdogDumped),
            Due::WatchdogDumped => return Action::Resume,
        };
        match word.as_str() {
            "preserve" => Action::Preserve,
            "restart" | "rename-restart" => Action::Restart,
            "coredump-destroy" | "coredump-restart" => Action::Dump(Due::CrashDumped),
            _ => Action::End,
        }
    }

    /// Starts the guest again in the same machine.
    fn restart(&mut self) -> Work {
        self.set_rebooting(false);
        // A QEMU that takes a reset for the end has to be told that this one is none.
        let mut commands = vec![("system_reset", Value::Null), ("cont", Value::Null)];
        if self.guest.status.lifecycle.reboot_ends() {
            commands.insert(0, ("set-action", resets_end(false)));
            commands.insert(2, ("set-action", resets_end(true)));
        }
        Work::new(work::commands(&self.guest.client, commands)).because(Reason::Booted)
    }

    /// Notes whether the next power-off is one half of a reboot, for whoever comes after us, too.
    pub(super) fn set_rebooting(&mut self, rebooting: bool) {
        if self.guest.status.rebooting != rebooting {
            self.guest.status.rebooting = rebooting;
            // Without room on the disk, only another supervisor would not know.
            let _ = self.guest.status.write(&self.guest.resources.run);
        }
    }
}
