//! What a plan is made of while it is made: parts of the machine, in libvirt's order.
//!
//! The elements only say what the machine consists of. Once all of it is known, [`hotplug`] decides
//! which parts must be on the command line, and each part is put into words for where it goes.

use std::collections::{BTreeMap, BTreeSet};

use conf::Domain;
use conf::device::{DeviceId, DeviceKind};
use qmp::Schema;
use serde_json::{Map, Value, json};
use xml::{Origin, Part as ElementPart, Problem, Severity};

use super::chardev::Chardev;
use super::control_group::{ControlGroup, LockedMemory};
use super::device::Device;
use super::secret::{PlannedSecret, SecretOrigin};
use super::writer::{Way, Writer};
use super::{
    AddedProcessor, ByPath, Command, CopyIfMissing, Fd, Helper, Inventory, Open, Options,
    PciHandover, Plan, RequiredProcessor, StartTime, ThreadPlacement, VirtualFunction, hotplug,
    inventory, namespace,
};
use crate::alias::Aliases;
use crate::answers::{Answer, Answers, Question};
use crate::capabilities::Capabilities;
use crate::host::Host;
use crate::machine::Family;

/// The first number that QEMU inherits a descriptor by; those below are for whoever starts it.
const FIRST_FD: i32 = 10;

/// The devices that are planned for a machine that runs already, and what that has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The devices.
    pub(crate) devices: &'a BTreeSet<DeviceId>,
    /// What is there.
    pub(crate) there: &'a Inventory,
}

/// Collects what a plan is made of.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    pub(super) domain: &'a Domain,
    pub(super) capabilities: &'a Capabilities,
    pub(super) host: &'a Host,
    pub(super) answers: &'a Answers,
    pub(super) options: &'a Options,
    pub(super) aliases: Aliases,
    pub(super) family: Family,
    /// Which devices are planned; `None` for all of a machine that is yet to be made.
    pub(super) wanted: Option<Wanted<'a>>,
    /// The commands that this QEMU takes, if it told.
    schema: Option<Schema<'a>>,
    pub(super) environment: BTreeMap<String, String>,
    /// Processors that are added to the machine.
    pub(super) processors: Vec<AddedProcessor>,
    /// Threads that have a place of their own.
    pub(super) threads: Vec<ThreadPlacement>,
    /// What the processor must have.
    pub(super) processor: Option<RequiredProcessor>,
    /// The limits that the kernel puts the guest under.
    pub(super) control_group: Option<ControlGroup>,
    /// How much memory QEMU may lock.
    pub(super) locked_memory: Option<LockedMemory>,
    /// The moment that the guest's clock starts at.
    pub(super) start_time: Option<StartTime>,
    /// Why the plan cannot be made.
    pub(super) problems: Vec<Problem>,
    warnings: Vec<Problem>,
    parts: Vec<Part>,
    /// Commands for when the machine is complete.
    afterwards: Vec<Command>,
    fds: Vec<Fd>,
    helpers: Vec<Helper>,
    notes: Vec<String>,
    by_path: Vec<ByPath>,
    copies: Vec<CopyIfMissing>,
    handovers: Vec<PciHandover>,
    secrets: Vec<PlannedSecret>,
    virtual_functions: Vec<VirtualFunction>,
    not_examined: Vec<String>,
    next_fd: i32,
    next_fdset: u32,
    next_node: u32,
}

/// Something that the machine consists of: a device with what is behind it, or options that belong
/// together. All of it goes the same way.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// What it is, in the user's words.
    pub(super) purpose: String,
    /// The element.
    pub(super) origin: Origin,
    /// What it consists of, in order.
    pub(super) steps: Vec<Step>,
    /// Whether it must be there when the machine is made, whatever it consists of.
    pub(super) is_cold: bool,
}

/// A piece of a [`Part`].
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// An option of the command line, whichever way the rest goes.
    Argument(&'static str, Option<String>),
    /// A word of the command line as a document says it.
    Word(String),
    /// Descriptors behind `/dev/fdset/NUMBER`.
    Fdset(u32, Vec<Fd>),
    /// A secret: the object's id, by which its value is known when the guest starts.
    Secret(String),
    /// A block node.
    Blockdev(Value),
    /// An image that is made by a job of this name, with these options. Only a QEMU that runs does
    /// that.
    Create(String, Value),
    /// An object.
    Object(Value),
    /// What is behind a network interface; the properties that are descriptors have names or numbers
    /// with colons between.
    Netdev(Map<String, Value>, Vec<(&'static str, Vec<Fd>)>),
    /// What is behind a character device.
    Chardev(Chardev),
    /// A device.
    Device(Device),
}

impl<'a> Builder<'a> {
    pub(crate) fn new(
        domain: &'a Domain,
        capabilities: &'a Capabilities,
        host: &'a Host,
        answers: &'a Answers,
        options: &'a Options,
    ) -> Self {
        Self {
            domain,
            capabilities,
            host,
            answers,
            options,
            aliases: Aliases::assign(domain),
            family: Family::of(domain),
            wanted: None,
            schema: (!capabilities.schema.is_empty())
                .then(|| Schema::from_text(&capabilities.schema)),
            environment: BTreeMap::new(),
            start_time: None,
            processors: Vec::new(),
            threads: Vec::new(),
            processor: None,
            control_group: None,
            locked_memory: None,
            problems: Vec::new(),
            warnings: Vec::new(),
            parts: Vec::new(),
            afterwards: Vec::new(),
            fds: Vec::new(),
            helpers: Vec::new(),
            notes: Vec::new(),
            by_path: Vec::new(),
            copies: Vec::new(),
            handovers: Vec::new(),
            secrets: Vec::new(),
            virtual_functions: Vec::new(),
            not_examined: Vec::new(),
            next_fd: FIRST_FD,
            next_fdset: 1,
            next_node: 1,
        }
    }

    /// Whether a device is planned.
    pub(super) fn wants(&self, kind: DeviceKind, pos: usize) -> bool {
        let wanted = self.wanted.as_ref();
        wanted.is_none_or(|wanted| wanted.devices.contains(&DeviceId { kind, pos }))
    }

    /// Whether all of the machine is planned, and not something that is added to it.
    pub(super) fn is_whole_machine(&self) -> bool {
        self.wanted.is_none()
    }

    /// Plans only some devices, for a machine that runs.
    pub(crate) fn only(&mut self, wanted: Wanted<'a>) {
        self.next_node = wanted.there.free_node();
        self.next_fdset = wanted.there.free_fdset();
        self.wanted = Some(wanted);
    }

    /// Starts the next part of the machine.
    pub(crate) fn part(&mut self, purpose: impl Into<String>, origin: Origin) {
        self.parts.push(Part { purpose: purpose.into(), origin, ..Part::default() });
    }

    /// Starts the next part, which must be there when the machine is made.
    pub(super) fn cold_part(&mut self, purpose: impl Into<String>, origin: Origin) {
        self.part(purpose, origin);
        self.current().is_cold = true;
    }

    fn current(&mut self) -> &mut Part {
        if self.parts.is_empty() {
            self.parts.push(Part::default());
        }
        self.parts.last_mut().expect("one was just added")
    }

    fn step(&mut self, step: Step) {
        self.current().steps.push(step);
    }

    /// An option with a value.
    pub(super) fn argument(&mut self, option: &'static str, value: impl Into<String>) {
        self.step(Step::Argument(option, Some(value.into())));
    }

    /// A word of the command line as a document says it.
    pub(super) fn word(&mut self, word: &str) {
        self.step(Step::Word(word.to_owned()));
    }

    /// An option without a value.
    pub(super) fn flag(&mut self, option: &'static str) {
        self.step(Step::Argument(option, None));
    }

    /// A block node, over QMP if it can be.
    pub(super) fn blockdev(&mut self, node: Value) {
        self.step(Step::Blockdev(node));
    }

    /// An image that is made before the nodes after it.
    pub(super) fn create(&mut self, job: String, options: Value) {
        self.step(Step::Create(job, options));
    }

    /// An object, over QMP if it can be.
    pub(super) fn object(&mut self, object: Value) {
        self.step(Step::Object(object));
    }

    /// A virtual function of a network card, which is set up before the guest gets it.
    pub(super) fn virtual_function(
        &mut self,
        address: String,
        mac: Option<String>,
        vlan: Option<u16>,
    ) {
        let Part { purpose, origin, .. } = self.current();
        let (purpose, origin) = (purpose.clone(), *origin);
        let function = VirtualFunction { address, mac, vlan, purpose, origin, at: None };
        self.virtual_functions.push(function);
    }

    /// Whether there is an object of that id already.
    pub(super) fn has_object(&self, id: &str) -> bool {
        let mut steps = self.parts.iter().flat_map(|part| &part.steps);
        steps.any(|step| matches!(step, Step::Object(object) if object["id"] == id))
    }

    /// An object called `id` with a secret value, which comes from there.
    pub(super) fn secret(&mut self, id: &str, from: SecretOrigin) {
        self.secret_value(id, from);
        self.step(Step::Secret(id.to_owned()));
    }

    /// A secret value, which comes from there and becomes the late value `late`.
    pub(super) fn secret_value(&mut self, late: &str, from: SecretOrigin) {
        let Part { purpose, origin, .. } = self.current();
        let secret = PlannedSecret {
            late: late.to_owned(),
            from,
            purpose: purpose.clone(),
            origin: *origin,
            at: None,
        };
        self.secrets.push(secret);
    }

    /// What is behind a network interface.
    pub(super) fn netdev(
        &mut self,
        properties: Map<String, Value>,
        fds: Vec<(&'static str, Vec<Fd>)>,
    ) {
        self.step(Step::Netdev(properties, fds));
    }

    /// What is behind a character device.
    pub(super) fn chardev(&mut self, chardev: Chardev) {
        self.step(Step::Chardev(chardev));
    }

    /// A device, with what the document says of its properties by hand.
    pub(super) fn device(&mut self, mut device: Device) {
        namespace::override_properties(self, &mut device.properties);
        self.step(Step::Device(device));
    }

    /// Whether a device of this id has been made.
    pub(super) fn has_device(&self, id: &str) -> bool {
        self.parts
            .iter()
            .flat_map(|part| &part.steps)
            .any(|step| matches!(step, Step::Device(device) if device.text("id") == Some(id)))
    }

    /// A descriptor of the present part, not yet passed on in any way.
    pub(super) fn fd(
        &mut self,
        name: impl Into<String>,
        source: impl Into<String>,
        open: Open,
    ) -> Fd {
        let Part { purpose, origin, .. } = self.current();
        Fd {
            purpose: purpose.clone(),
            origin: *origin,
            name: name.into(),
            source: source.into(),
            open,
            ..Fd::default()
        }
    }

    /// Lets QEMU inherit a descriptor; the number there.
    pub(super) fn inherit(&mut self, mut fd: Fd) -> i32 {
        let number = self.next_fd;
        self.next_fd += 1;
        fd.fd = Some(number);
        self.fds.push(fd);
        number
    }

    /// Lets QEMU inherit a descriptor; a path by which it can open the same thing again. A QEMU that
    /// runs gets it over QMP, and its number is known then; but not the node of a socket, for which
    /// newer QEMUs drop the connection.
    pub(super) fn inherited_path(&mut self, fd: Fd) -> String {
        let is_node = matches!(fd.open, Open::SocketNode | Open::HelperNode { .. });
        if !self.is_whole_machine() && !is_node {
            let path = inventory::number_path(&fd.name);
            self.fdset(vec![fd]);
            return path;
        }
        format!("/proc/self/fd/{}", self.inherit(fd))
    }

    /// A set of descriptors; the path by which QEMU takes the one with the access that it wants.
    pub(super) fn fdset(&mut self, fds: Vec<Fd>) -> String {
        let id = self.next_fdset;
        self.next_fdset += 1;
        self.step(Step::Fdset(id, fds));
        format!("/dev/fdset/{id}")
    }

    /// A process beside QEMU.
    pub(super) fn helper(&mut self, name: &str, argv: Vec<String>) -> &mut Helper {
        let Part { purpose, origin, .. } = self.current();
        let helper = Helper {
            name: name.to_owned(),
            argv,
            purpose: purpose.clone(),
            origin: *origin,
            ..Helper::default()
        };
        self.helpers.push(helper);
        self.helpers.last_mut().expect("it was just added")
    }

    /// A command for when the machine is complete.
    pub(crate) fn afterwards(&mut self, execute: &str, arguments: Value) {
        let Part { purpose, origin, .. } = self.current();
        let command = Command {
            execute: execute.to_owned(),
            arguments,
            purpose: purpose.clone(),
            origin: *origin,
            ..Command::default()
        };
        self.afterwards.push(command);
    }

    /// Hands a descriptor to QEMU under its name, for a command after this one.
    pub(super) fn afterwards_fd(&mut self, fd: Fd) {
        self.afterwards("getfd", json!({"fdname": fd.name}));
        if let Some(command) = self.afterwards.last_mut() {
            command.fds.push(fd.name.clone());
        }
        self.fds.push(Fd { getfd: true, ..fd });
    }

    /// Puts a descriptor into a set that is there, for a command after this one.
    pub(super) fn afterwards_in_set(&mut self, fd: Fd, set: u64) {
        self.afterwards("add-fd", json!({"fdset-id": set, "opaque": fd.name}));
        if let Some(command) = self.afterwards.last_mut() {
            command.fds.push(fd.name.clone());
        }
        self.fds.push(Fd { fdset: u32::try_from(set).ok(), ..fd });
    }

    /// The path of a helper program; refused if this host has none.
    pub(super) fn program(&mut self, name: &str) -> Option<String> {
        let path = self.host.programs.get(name).cloned();
        if path.is_none() {
            let refused = self.refuse(format!("this host has no {name}"));
            refused.help = Some(format!("install {name}"));
        }
        path
    }

    /// What the connection to a helper is called, which runs `program` for the device `alias`.
    pub(super) fn helper_source(&self, program: &str, alias: &str, helper: &str) -> String {
        match self.host.helper_sockets.get(program) {
            Some(pattern) => Host::of_guest(pattern, &self.domain.name).replace("{alias}", alias),
            None => format!("helper:{helper}"),
        }
    }

    /// Something to be known about this start.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Something that QEMU opens or connects to by itself.
    pub(super) fn by_path(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.by_path.push(ByPath { path: path.into(), reason: reason.into() });
    }

    /// A file that is made as a copy of another, unless it is there.
    pub(super) fn copy_if_missing(&mut self, path: String, template: String) {
        let Part { purpose, origin, .. } = self.current();
        let (purpose, origin) = (purpose.clone(), *origin);
        self.copies.push(CopyIfMissing { path, template, purpose, at: None, origin });
    }

    /// A PCI device that is taken from the host.
    pub(super) fn handover(&mut self, address: String, driver: String) {
        let Part { purpose, origin, .. } = self.current();
        let (purpose, origin) = (purpose.clone(), *origin);
        self.handovers.push(PciHandover { address, driver, purpose, origin, at: None });
    }

    /// The number of the next block node.
    pub(super) fn next_node(&mut self) -> u32 {
        self.next_node += 1;
        self.next_node - 1
    }

    /// Says something about the present part. What is unsafe to leave at a warning is an error where
    /// everything must be as asked.
    pub(super) fn say(&mut self, mut problem: Problem) -> &mut Problem {
        if self.options.strict {
            problem.severity = Severity::Error;
        }
        problem.message = format!("{}: {}", self.current().purpose, problem.message);
        let list = if problem.is_error() { &mut self.problems } else { &mut self.warnings };
        list.push(problem);
        list.last_mut().expect("it was just added")
    }

    /// Says why the present part cannot be made.
    pub(crate) fn refuse(&mut self, message: impl Into<String>) -> &mut Problem {
        let origin = self.current().origin;
        self.say(Problem::error(origin, ElementPart::Name, message))
    }

    /// Says what the user should know about the present part.
    pub(super) fn warn(&mut self, message: impl Into<String>) -> &mut Problem {
        let origin = self.current().origin;
        self.say(Problem::warning(origin, ElementPart::Name, message))
    }

    /// Whether io_uring can be used; if not, that is noted.
    pub(super) fn io_uring_works(&mut self) -> bool {
        let built_in = self.schema.as_ref().is_none_or(has_io_uring);
        let usable = self.ask(&Question::IoUring) != Some(&Answer::Usable(false));
        let reason = match (built_in, usable) {
            (true, true) => return true,
            (false, _) => "this QEMU is built without io_uring",
            (true, false) => "this host does not let io_uring be used",
        };
        if self.options.strict {
            self.refuse(reason).help = Some("write io='threads', or leave it out".to_owned());
        } else {
            let purpose = self.current().purpose.clone();
            self.note(format!("{purpose}: {reason}; QEMU's default takes its place"));
        }
        false
    }

    /// What was seen, or `None`; a question that nobody looked at is noted.
    pub(super) fn ask(&mut self, question: &Question) -> Option<&'a Answer> {
        let answer = self.answers.get(question);
        if answer.is_none() {
            let text = question.to_string();
            if !self.not_examined.contains(&text) {
                self.not_examined.push(text);
            }
        }
        answer
    }

    /// Puts everything into words.
    ///
    /// # Errors
    /// Why there is no plan.
    pub(super) fn finish(mut self, binary: &str) -> Result<Plan, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        if namespace::wants_all_on_the_command_line(self.domain) {
            self.parts.iter_mut().for_each(|part| part.is_cold = true);
        }
        let ways = hotplug::ways(&self.parts, &hotplug::Root::of(self.domain));
        let mut writer = self.writer();
        writer.argv.push(binary.to_owned());
        for (part, way) in self.parts.iter().zip(&ways.of_parts) {
            writer.arguments(part, *way);
        }
        for at in &ways.qmp_order {
            writer.commands(&self.parts[*at]);
        }
        // QEMU gets descriptors one by one, and nothing else meanwhile: it reads the rest ahead.
        writer.qmp.sort_by_key(|command| command.fds.is_empty());
        if !ways.qmp_order.is_empty() {
            // fw_cfg's boot order is written at a reset, and so is what the firmware will find.
            writer.qmp.push(Command { execute: "system_reset".to_owned(), ..Command::default() });
        }
        let is_run = !self.options.paused;
        let mut plan = self.into_plan(writer)?;
        if is_run {
            plan.qmp.push(Command { execute: "cont".to_owned(), ..Command::default() });
        }
        Ok(plan)
    }

    /// Puts what is added to a machine that runs into words: commands alone.
    ///
    /// # Errors
    /// Why something cannot be added.
    pub(crate) fn finish_additions(mut self) -> Result<Plan, Vec<Problem>> {
        let there = self.wanted.map(|wanted| wanted.there.parts()).unwrap_or_default();
        let root = hotplug::Root::of(self.domain);
        for (at, reason) in hotplug::refusals(&self.parts, there, &root) {
            let Part { purpose, origin, .. } = &self.parts[at];
            let message = format!("{purpose}: {reason}");
            self.problems.push(
                Problem::error(*origin, ElementPart::Name, message)
                    .help("add it to the stored document (--config); the next start has it"),
            );
        }
        let is_option = |step: &Step| matches!(step, Step::Argument(..) | Step::Word(_));
        let options = self.parts.iter().filter(|part| part.steps.iter().any(is_option));
        let inherited = self.fds.iter().filter(|fd| fd.fd.is_some());
        let named = options.map(|part| (&part.purpose, part.origin));
        let cold = named.chain(inherited.map(|fd| (&fd.purpose, fd.origin)));
        let cold = cold.map(|(purpose, origin)| {
            let message =
                format!("{purpose}: QEMU takes what is behind it only when it is started");
            Problem::error(origin, ElementPart::Name, message)
        });
        let cold: Vec<Problem> = cold.collect();
        if self.problems.is_empty() {
            self.problems.extend(cold);
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let mut writer = self.writer();
        for at in hotplug::order(&self.parts, &vec![Way::Qmp; self.parts.len()]) {
            writer.commands(&self.parts[at]);
        }
        self.into_plan(writer)
    }

    fn writer(&mut self) -> Writer<'a> {
        Writer {
            argv: Vec::new(),
            fds: std::mem::take(&mut self.fds),
            qmp: Vec::new(),
            next_fd: self.next_fd,
            schema: self.schema.take(),
            problems: Vec::new(),
        }
    }

    /// All that was put into words, and all the rest.
    fn into_plan(self, mut writer: Writer<'a>) -> Result<Plan, Vec<Problem>> {
        for command in self.afterwards {
            let Command { execute, arguments, purpose, origin, .. } = &command;
            writer.check((purpose, *origin), execute, arguments);
            writer.qmp.push(command);
        }
        if !writer.problems.is_empty() {
            return Err(writer.problems);
        }
        Ok(Plan {
            argv: writer.argv,
            environment: self.environment,
            helpers: self.helpers,
            fds: writer.fds,
            qmp: writer.qmp,
            not_examined: self.not_examined,
            by_path: self.by_path,
            notes: self.notes,
            copies: self.copies,
            handovers: self.handovers,
            secrets: self.secrets,
            virtual_functions: self.virtual_functions,
            start_time: self.start_time,
            processors: self.processors,
            threads: self.threads,
            processor: self.processor,
            control_group: self.control_group,
            locked_memory: self.locked_memory,
            warnings: self.warnings,
        })
    }
}

/// Whether a file can be read and written by io_uring.
fn has_io_uring(schema: &Schema<'_>) -> bool {
    let options = schema.command("blockdev-add").and_then(|add| add.arguments());
    let file = options.and_then(|options| options.variant("file"));
    file.and_then(|file| file.member("aio")).is_some_and(|aio| aio.has_value("io_uring"))
}
