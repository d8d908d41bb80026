//! The interfaces through which a guest is asked, each with its own words for the same things.

use serde_json::{Map, Value, json};

use super::request::{Problem, Request};
use crate::driver::Happened;
use crate::state::{GuestState, Reason};
use crate::varlink::Reply;

/// An interface through which a guest is asked; `org.varlink.service` is about the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// Ours.
    Domain,
    /// What systemd's machines have: `machinectl` uses it.
    MachineInstance,
    /// What systemd's virtual machines have besides: nothing so far.
    VirtualMachineInstance,
    /// What systemd's virtual machines have that QEMU runs.
    QemuMachineInstance,
}

/// What a method needs of a call besides its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// That several replies may come.
    More,
    /// That the connection may become another one.
    Upgrade,
}

/// A method of an interface.
pub(super) struct Method {
    /// Its name.
    pub(super) name: &'static str,
    /// What it needs of a call.
    pub(super) kind: Kind,
    /// The names of its parameters.
    pub(super) parameters: &'static [&'static str],
    /// What it asks, by its parameters; or the name of one that is wrong. `None` where this cannot be
    /// asked of our guests.
    pub(super) ask: fn(&Value) -> Result<Option<Request>, &'static str>,
}

/// A method without parameters.
const fn plain(
    name: &'static str,
    ask: fn(&Value) -> Result<Option<Request>, &'static str>,
) -> Method {
    Method { name, kind: Kind::Plain, parameters: &[], ask }
}

const DOMAIN: &[Method] = &[
    plain("GetState", |_| Ok(Some(Request::GetState))),
    plain("Describe", |_| Ok(Some(Request::Describe))),
    plain("GetConsoles", |_| Ok(Some(Request::GetConsoles))),
    plain("Suspend", |_| Ok(Some(Request::Suspend))),
    plain("Resume", |_| Ok(Some(Request::Resume))),
    plain("Shutdown", |_| Ok(Some(Request::Shutdown))),
    plain("Reboot", |_| Ok(Some(Request::Reboot))),
    plain("Reset", |_| Ok(Some(Request::Reset))),
    Method {
        name: "Destroy",
        kind: Kind::Plain,
        parameters: &["graceful"],
        ask: |parameters| {
            let graceful = switch(parameters, "graceful")?;
            Ok(Some(Request::Destroy { graceful }))
        },
    },
    SUBSCRIBE_EVENTS,
    Method {
        name: "Reexec",
        kind: Kind::Plain,
        parameters: &["program"],
        ask: |parameters| {
            let program = parameters["program"].as_str().ok_or("program")?.into();
            Ok(Some(Request::Reexec { program }))
        },
    },
    Method {
        name: "Change",
        kind: Kind::Plain,
        parameters: &["change", "environment", "definitions"],
        ask: |parameters| {
            let order = serde_json::from_value(parameters.clone()).map_err(|_| "change")?;
            Ok(Some(Request::Change(Box::new(order))))
        },
    },
    plain("GetBlockJobs", |_| Ok(Some(Request::BlockJobs))),
    Method {
        name: "EndBlockJob",
        kind: Kind::Plain,
        parameters: &["disk", "pivot"],
        ask: |parameters| {
            let disk = parameters["disk"].as_str().ok_or("disk")?.to_owned();
            Ok(Some(Request::EndBlockJob { disk, pivot: switch(parameters, "pivot")? }))
        },
    },
];

const MACHINE_INSTANCE: &[Method] = &[
    plain("Terminate", |_| Ok(Some(Request::Destroy { graceful: false }))),
    plain("PowerOff", |_| Ok(Some(Request::Shutdown))),
    plain("Reboot", |_| Ok(Some(Request::Reset))),
    plain("Pause", |_| Ok(Some(Request::Suspend))),
    plain("Resume", |_| Ok(Some(Request::Resume))),
    plain("Describe", |_| Ok(Some(Request::QueryStatus))),
    SUBSCRIBE_EVENTS,
    Method {
        name: "AddStorage",
        kind: Kind::Plain,
        parameters: &["fileDescriptorIndex", "name", "config"],
        ask: |_| Ok(None),
    },
    Method { name: "RemoveStorage", kind: Kind::Plain, parameters: &["name"], ask: |_| Ok(None) },
    Method {
        name: "ReplaceStorage",
        kind: Kind::Plain,
        parameters: &["fileDescriptorIndex", "name"],
        ask: |_| Ok(None),
    },
];

const QEMU_MACHINE_INSTANCE: &[Method] = &[Method {
    name: "AcquireQMP",
    kind: Kind::Upgrade,
    parameters: &[],
    ask: |_| Ok(Some(Request::AcquireQmp)),
}];

const SUBSCRIBE_EVENTS: Method = Method {
    name: "SubscribeEvents",
    kind: Kind::More,
    parameters: &["filter"],
    ask: |parameters| {
        let filter = names(parameters, "filter")?;
        Ok(Some(Request::Subscribe { filter }))
    },
};

/// A parameter that is true or false; false where it is missing.
fn switch(parameters: &Value, name: &'static str) -> Result<bool, &'static str> {
    match &parameters[name] {
        Value::Null => Ok(false),
        value => value.as_bool().ok_or(name),
    }
}

/// A parameter that is a list of names; none where it is missing.
fn names(parameters: &Value, name: &'static str) -> Result<Vec<String>, &'static str> {
    match &parameters[name] {
        Value::Null => Ok(Vec::new()),
        value => serde_json::from_value(value.clone()).map_err(|_| name),
    }
}

impl Interface {
    /// All of them.
    pub(super) const ALL: &[Self] = &[
        Self::Domain,
        Self::MachineInstance,
        Self::VirtualMachineInstance,
        Self::QemuMachineInstance,
    ];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Domain => "org.vdomain.Domain",
            Self::MachineInstance => "io.systemd.MachineInstance",
            Self::VirtualMachineInstance => "io.systemd.VirtualMachineInstance",
            Self::QemuMachineInstance => "io.systemd.QemuMachineInstance",
        }
    }

    /// Its description, in varlink's language.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Domain => include_str!("../../../../schemas/org.vdomain.Domain.varlink"),
            Self::MachineInstance => {
                include_str!("../../../../schemas/io.systemd.MachineInstance.varlink")
            }
            Self::VirtualMachineInstance => {
                include_str!("../../../../schemas/io.systemd.VirtualMachineInstance.varlink")
            }
            Self::QemuMachineInstance => {
                include_str!("../../../../schemas/io.systemd.QemuMachineInstance.varlink")
            }
        }
    }

    /// Its methods.
    pub(super) fn methods(self) -> &'static [Method] {
        match self {
            Self::Domain => DOMAIN,
            Self::MachineInstance => MACHINE_INSTANCE,
            Self::VirtualMachineInstance => &[],
            Self::QemuMachineInstance => QEMU_MACHINE_INSTANCE,
        }
    }

    /// Why something was not done.
    pub(super) fn problem(self, problem: &Problem) -> Reply {
        match (self, problem) {
            (Self::Domain, Problem::Gone) => self.error("Gone", json!({})),
            (Self::Domain, Problem::WrongState(state)) => {
                self.error("WrongState", json!({ "state": state.to_string() }))
            }
            (Self::Domain, Problem::Refused(reason)) => {
                self.error("Refused", json!({ "reason": reason }))
            }
            (Self::Domain, Problem::Changed) => self.error("Changed", json!({})),
            (_, Problem::Gone) => Self::MachineInstance.error("NotConnected", json!({})),
            (_, Problem::WrongState(_) | Problem::Changed) => system("EBUSY", 16),
            (_, Problem::Refused(_)) => system("EIO", 5),
        }
    }

    /// This cannot be asked of our guests.
    pub(super) fn not_supported() -> Reply {
        Self::MachineInstance.error("NotSupported", json!({}))
    }

    /// The first thing that a subscriber is told: from here on nothing is missed.
    pub(super) fn ready(self, (state, reason): (GuestState, Reason)) -> Reply {
        Reply::one_of_several(match self {
            Self::Domain => json!({
                "event": "READY", "sequence": 0, "state": state.to_string(), "reason": reason,
            }),
            _ => json!({ "event": "READY" }),
        })
    }

    /// What a subscriber is told of an event.
    pub(super) fn happened(self, happened: &Happened) -> Reply {
        let Happened { sequence, event, state, reason } = happened;
        let mut said = Map::new();
        said.insert("event".to_owned(), event.name.clone().into());
        if self == Self::Domain {
            said.insert("sequence".to_owned(), (*sequence).into());
            if let Some(at) = event.timestamp {
                said.insert("seconds".to_owned(), at.seconds.into());
                said.insert("microseconds".to_owned(), at.microseconds.into());
            }
            said.insert("state".to_owned(), state.to_string().into());
            said.insert("reason".to_owned(), json!(reason));
        }
        if !event.data.is_empty() {
            said.insert("data".to_owned(), event.data.clone().into());
        }
        Reply::one_of_several(said.into())
    }

    /// The last thing that a subscriber is told; systemd's hear nothing but the connection's end.
    pub(super) fn last(self, left_behind: bool) -> Option<Reply> {
        let error = if left_behind { "LeftBehind" } else { "Gone" };
        (self == Self::Domain).then(|| self.error(error, json!({})))
    }

    fn error(self, name: &str, parameters: Value) -> Reply {
        Reply::error(&format!("{}.{name}", self.name()), parameters)
    }
}

/// An error in systemd's way, by its number in Linux.
fn system(name: &str, number: i32) -> Reply {
    let parameters = json!({ "origin": "linux", "errnoName": name, "errno": number });
    Reply::error("io.systemd.System", parameters)
}
