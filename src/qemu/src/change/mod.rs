//! Changes of a running guest: decided as a whole before anything is touched.
//!
//! ```text
//! live document, inventory ─┐
//! device's document ────────┼─▶ Change ── the supervisor ──▶ QEMU, live document, inventory
//! capabilities, host, answers ┘
//! ```
//!
//! A [`Change`] is made by the same builders as the plan of a start, so that a device that is added is
//! the one that the next start would have made. It says what is opened, what QEMU is told in which
//! order and how each step is taken back, which devices the guest must let go of, and what is taken
//! away when it has.

mod attach;
pub mod block;
mod detach;
mod find;
mod limits;
mod list;
pub mod memory;
pub mod storage;
mod update;
pub mod vcpus;

use std::fmt::{self, Display};

use conf::Domain;
use conf::device::Disk;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xml::{Origin, Part, Problem, Source};

use crate::alias;
use crate::plan::{
    Command, ControlGroup, Fd, Helper, Inventory, PciHandover, Plan, PlannedSecret,
    ThreadPlacement, VirtualFunction,
};

pub use attach::Attaching;
pub use block::{Image, Job, JobKind, Rewired};
pub use detach::{detach, without};
pub use find::{NotFound, find};
pub use limits::Limits;
pub use list::{add, take};
pub use update::{Updating, merged};

/// What is done to a running guest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What is done, in the user's words: `attach disk vdb`.
    pub purpose: String,
    /// The revision of the inventory that it was decided on. Another one is decided anew.
    pub revision: u64,
    /// PCI devices that are taken from the host before anything is opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<PciHandover>,
    /// Virtual functions of network cards that are set up before the guest gets them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub virtual_functions: Vec<VirtualFunction>,
    /// Values that become late values and are written down nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<PlannedSecret>,
    /// Processes that are started, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helpers: Vec<Helper>,
    /// Descriptors that are opened and handed to QEMU.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fds: Vec<Fd>,
    /// What QEMU is told, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Threads of processors that are added, which have a place of their own on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<ThreadPlacement>,
    /// The limits that the kernel puts those threads under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_group: Option<ControlGroup>,
    /// The device that the guest is asked to let go of, once all steps are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// The drive whose medium changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Medium>,
    /// Work on images of disks that the steps begin, or do at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// What QEMU is told when all of that is done. A refusal is noted, and changes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub afterwards: Vec<Command>,
    /// The live document when all is done.
    pub document: String,
    /// What is to be known about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Questions that nobody looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_examined: Vec<String>,
}

/// Something that QEMU is told, and how it is taken back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What it is told.
    #[serde(flatten)]
    pub command: Command,
    /// The command that takes it back. Absent: there is nothing to take back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

/// A command that takes a step back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// Its name.
    pub execute: String,
    /// Its arguments.
    pub arguments: Value,
}

/// A medium that is changed: once all steps are done, the drive has another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medium {
    /// The id of the drive.
    pub device: String,
    /// The topmost node of its medium. Absent: it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// A device that goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Removal {
    /// Its id, which `DEVICE_DELETED` names when the guest has let go of it.
    pub device: String,
    /// What it is, in the user's words: `disk vdb`.
    pub purpose: String,
    /// Devices that go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// What QEMU is told then, in order: what is behind it, the last that was made first.
    pub behind: Vec<Command>,
    /// What the names of helper processes begin with that end then.
    pub helpers: String,
}

impl Step {
    /// A step with the command that takes it back.
    pub(crate) fn with_undo(
        command: (&str, Value),
        undo: Option<(&str, Value)>,
        purpose: &str,
    ) -> Self {
        let (execute, arguments) = command;
        let undo = undo.map(|(execute, arguments)| Undo { execute: execute.to_owned(), arguments });
        let (execute, purpose) = (execute.to_owned(), purpose.to_owned());
        Self { command: Command { execute, arguments, purpose, ..Command::default() }, undo }
    }

    /// A step with what takes it back.
    pub(crate) fn new(command: Command) -> Self {
        let undo = crate::plan::undo(&command);
        let undo = undo.map(|undo| Undo { execute: undo.execute, arguments: undo.arguments });
        Self { command, undo }
    }
}

/// The place of the disk that a word means: its name, or where its image is.
///
/// # Errors
/// There is no such disk; which there are.
pub fn disk(domain: &Domain, word: &str) -> Result<usize, Vec<Problem>> {
    domain.devices.disk(word).ok_or_else(|| {
        let names: Vec<&str> = domain.devices.disks.iter().map(Disk::name).collect();
        let problem = refusal(format!("there is no disk '{word}'"));
        vec![problem.help(format!("it has: {}", names.join(", ")))]
    })
}

/// Something that cannot be done, for which no document asks.
fn refusal(message: impl Into<String>) -> Problem {
    Problem::error(Origin::None, Part::Name, message)
}

/// The text of a live document that `edit` has changed; `None` if it has not, or if that is no document.
fn edited(text: &str, edit: impl FnOnce(&mut Domain) -> Option<()>) -> Option<String> {
    let source = Source::new("live document", text).without_places();
    let (mut domain, _) = conf::parse_live(&source).ok()?;
    edit(&mut domain)?;
    Some(conf::print(&domain))
}

impl Change {
    /// Steps after which a guest has another document.
    pub(crate) fn of_steps(
        inventory: &Inventory,
        document: &Domain,
        purpose: String,
        steps: Vec<Step>,
    ) -> Self {
        Self {
            purpose,
            revision: inventory.revision,
            steps,
            document: conf::print(&alias::of_running(document)),
            ..Self::default()
        }
    }

    /// What of a plan concerns a guest that runs.
    pub(crate) fn of_plan(plan: Plan) -> Self {
        Self {
            handovers: plan.handovers,
            virtual_functions: plan.virtual_functions,
            secrets: plan.secrets,
            helpers: plan.helpers,
            fds: plan.fds,
            steps: plan.qmp.into_iter().map(Step::new).collect(),
            threads: plan.threads,
            control_group: plan.control_group,
            notes: plan.notes,
            not_examined: plan.not_examined,
            ..Self::default()
        }
    }

    /// Notes for each part where its element stands.
    pub fn locate(&mut self, place: impl Fn(xml::Origin) -> Option<String>) {
        let fds = self.fds.iter_mut().map(|it| (&mut it.at, it.origin));
        let handovers = self.handovers.iter_mut().map(|it| (&mut it.at, it.origin));
        let helpers = self.helpers.iter_mut().map(|it| (&mut it.at, it.origin));
        let functions = self.virtual_functions.iter_mut().map(|it| (&mut it.at, it.origin));
        let secrets = self.secrets.iter_mut().map(|it| (&mut it.at, it.origin));
        let steps = self.steps.iter_mut().map(|it| (&mut it.command.at, it.command.origin));
        let all = fds.chain(handovers).chain(helpers).chain(functions).chain(secrets).chain(steps);
        for (at, origin) in all {
            *at = place(origin);
        }
    }
}

/// What is done, a line for each thing, for people.
impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.purpose)?;
        for helper in &self.helpers {
            writeln!(f, "  start {}: {}", helper.name, helper.argv.join(" "))?;
        }
        for fd in &self.fds {
            writeln!(f, "  open {} as {}", fd.source, fd.name)?;
        }
        for Step { command, .. } in &self.steps {
            writeln!(f, "  {} {}", command.execute, command.arguments)?;
        }
        if let Some(removal) = &self.removal {
            writeln!(f, "  device_del {}, and when the guest has let go of it:", removal.device)?;
            for command in &removal.behind {
                writeln!(f, "    {} {}", command.execute, command.arguments)?;
            }
        }
        for command in &self.afterwards {
            writeln!(f, "  {} {}", command.execute, command.arguments)?;
        }
        Ok(())
    }
}
