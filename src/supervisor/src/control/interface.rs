//! The interfaces through which a guest is asked, each with its own words for the same things.

use std::os::fd::OwnedFd;

use qemu::change::storage::Model;
use serde_json::{Map, Value, json};

use super::request::{Errno, Problem, Request, StorageError};
use crate::change::Image;
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
    /// What it asks, by its parameters and the descriptors that came with the call; or what is wrong with
    /// them.
    pub(super) ask: Ask,
}

type Ask = fn(&Value, Vec<OwnedFd>) -> Result<Request, Wrong>;

/// What is wrong with a call of a method.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The parameter of this name.
    Parameter(&'static str),
    /// What it asks for is known to be impossible.
    Problem(Problem),
}

impl From<&'static str> for Wrong {
    fn from(parameter: &'static str) -> Self {
        Self::Parameter(parameter)
    }
}

impl From<Problem> for Wrong {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StorageError> for Wrong {
    fn from(error: StorageError) -> Self {
        Self::Problem(error.into())
    }
}

/// A method without parameters.
const fn plain(name: &'static str, ask: Ask) -> Method {
    Method { name, kind: Kind::Plain, parameters: &[], ask }
}

const DOMAIN: &[Method] = &[
    plain("GetState", |_, _| Ok(Request::GetState)),
    plain("Describe", |_, _| Ok(Request::Describe)),
    plain("GetConsoles", |_, _| Ok(Request::GetConsoles)),
    plain("Suspend", |_, _| Ok(Request::Suspend)),
    plain("Resume", |_, _| Ok(Request::Resume)),
    plain("Shutdown", |_, _| Ok(Request::Shutdown)),
    plain("Reboot", |_, _| Ok(Request::Reboot)),
    plain("Reset", |_, _| Ok(Request::Reset)),
    Method {
        name: "Destroy",
        kind: Kind::Plain,
        parameters: &["graceful"],
        ask: |parameters, _| {
            let graceful = switch(parameters, "graceful")?;
            Ok(Request::Destroy { graceful })
        },
    },
    SUBSCRIBE_EVENTS,
    Method {
        name: "Reexec",
        kind: Kind::Plain,
        parameters: &["program"],
        ask: |parameters, _| {
            let program = parameters["program"].as_str().ok_or("program")?.into();
            Ok(Request::Reexec { program })
        },
    },
    Method {
        name: "Change",
        kind: Kind::Plain,
        parameters: &["change", "environment", "definitions"],
        ask: |parameters, _| {
            let order = serde_json::from_value(parameters.clone()).map_err(|_| "change")?;
            Ok(Request::Change(Box::new(order)))
        },
    },
    plain("GetBlockJobs", |_, _| Ok(Request::BlockJobs)),
    Method {
        name: "EndBlockJob",
        kind: Kind::Plain,
        parameters: &["disk", "pivot"],
        ask: |parameters, _| {
            let disk = parameters["disk"].as_str().ok_or("disk")?.to_owned();
            Ok(Request::EndBlockJob { disk, pivot: switch(parameters, "pivot")? })
        },
    },
];

const MACHINE_INSTANCE: &[Method] = &[
    plain("Terminate", |_, _| Ok(Request::Destroy { graceful: false })),
    plain("PowerOff", |_, _| Ok(Request::Shutdown)),
    plain("Reboot", |_, _| Ok(Request::Reset)),
    plain("Pause", |_, _| Ok(Request::Suspend)),
    plain("Resume", |_, _| Ok(Request::Resume)),
    plain("Describe", |_, _| Ok(Request::QueryStatus)),
    SUBSCRIBE_EVENTS,
    Method {
        name: "AddStorage",
        kind: Kind::Plain,
        parameters: &["fileDescriptorIndex", "name", "config"],
        ask: |parameters, descriptors| {
            let name = storage_name(parameters)?;
            let model = storage_model(parameters)?;
            let image = storage_image(parameters, descriptors)?;
            Ok(Request::AddStorage { name, model, image })
        },
    },
    Method {
        name: "RemoveStorage",
        kind: Kind::Plain,
        parameters: &["name"],
        ask: |parameters, _| Ok(Request::RemoveStorage { name: storage_name(parameters)? }),
    },
    Method {
        name: "ReplaceStorage",
        kind: Kind::Plain,
        parameters: &["fileDescriptorIndex", "name"],
        ask: |parameters, descriptors| {
            let name = storage_name(parameters)?;
            let image = storage_image(parameters, descriptors)?;
            Ok(Request::ReplaceStorage { name, image })
        },
    },
];

const QEMU_MACHINE_INSTANCE: &[Method] = &[Method {
    name: "AcquireQMP",
    kind: Kind::Upgrade,
    parameters: &[],
    ask: |_, _| Ok(Request::AcquireQmp),
}];

const SUBSCRIBE_EVENTS: Method = Method {
    name: "SubscribeEvents",
    kind: Kind::More,
    parameters: &["filter"],
    ask: |parameters, _| {
        let filter = names(parameters, "filter")?;
        Ok(Request::Subscribe { filter })
    },
};

/// A parameter that is true or false; false where it is missing.
fn switch(parameters: &Value, name: &'static str) -> Result<bool, &'static str> {
    match &parameters[name] {
        Value::Null => Ok(false),
        value => value.as_bool().ok_or(name),
    }
}

/// The name of a disk, as another program knows it.
fn storage_name(parameters: &Value) -> Result<String, Wrong> {
    let name = parameters["name"].as_str().filter(|name| !name.is_empty()).ok_or("name")?;
    Ok(name.to_owned())
}

/// The image of a disk, which is among the descriptors that came with the call.
fn storage_image(parameters: &Value, descriptors: Vec<OwnedFd>) -> Result<Image, Wrong> {
    let index = parameters["fileDescriptorIndex"].as_i64().ok_or("fileDescriptorIndex")?;
    let found = usize::try_from(index).ok().and_then(|at| descriptors.into_iter().nth(at));
    Ok(Image::of(found.ok_or(Problem::System(Errno::NO_DEVICE))?)?)
}

/// What the guest is to see of a disk.
fn storage_model(parameters: &Value) -> Result<Model, Wrong> {
    match &parameters["config"] {
        Value::Null => Ok(Model::VirtioBlk),
        Value::String(word) if word == "nvme" => Err(StorageError::ConfigNotSupported.into()),
        Value::String(word) => Model::parse(word).ok_or(StorageError::BadConfig.into()),
        _ => Err("config".into()),
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
            (_, Problem::WrongState(_) | Problem::Changed) => system(Errno::BUSY),
            (_, Problem::Refused(_)) => system(Errno::IO),
            (_, Problem::Storage(error)) => Self::MachineInstance.error(error.name(), json!({})),
            (_, Problem::System(errno)) => system(*errno),
        }
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

/// An error in systemd's way.
fn system(Errno { name, number }: Errno) -> Reply {
    let parameters = json!({ "origin": "linux", "errnoName": name, "errno": number });
    Reply::error("io.systemd.System", parameters)
}
