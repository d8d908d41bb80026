//! Carrying out a plan: everything is opened, QEMU is started and told what to do over QMP; what was
//! done is taken back if a step fails.

mod error;
mod processor;
mod resources;
pub(crate) mod threads;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use host::control_group::{self, Group, Parent};
use host::helper::HelperError;
use host::late::{LateValues, named};
use host::opening::{self, Place};
use host::{copies, helper, opening::Opened, vfio};
use qemu::plan::{Command, Fd, Helper, Inventory, LockedMemory, Open};
use qmp::{Client, Events};
use serde_json::Value;
use store::RunDirectory;
use sys::process::{Child, Program};
use sys::runtime::{self, JoinHandle};

use crate::change::Record;
use crate::control::Control;
use crate::exchange::{ExchangeError, exchange};
use crate::registration::Registration;
use crate::request::{Request, resets_end};
use crate::state::{GuestState, Reason};
use crate::status::Status;

pub use error::LaunchError;
pub use resources::Resources;
pub(crate) use resources::end_helper;

/// How long QEMU may take to greet: it makes the machine before it does.
const GREETING_LIMIT: Duration = Duration::from_secs(60);
/// How long to wait for systemd, once everything else is done.
const UNITS_LIMIT: Duration = Duration::from_secs(5);
/// How long to wait for the end of a QEMU whose monitor has closed.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The steps of a launch, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The run-time directory is made.
    Directory,
    /// The control socket is made.
    Control,
    /// The control group is made.
    Group,
    /// The helper processes are started.
    Helpers,
    /// Everything the plan names is opened.
    Open,
    /// QEMU is started.
    Spawn,
    /// QEMU greets.
    Connect,
    /// QEMU carries out the commands.
    Commands,
    /// The terminals of consoles are found out.
    Consoles,
    /// The status is written down.
    Status,
    /// The guest's processors are let run.
    Run,
}

impl Step {
    /// All of them, in order.
    pub const ALL: &[Self] = &[
        Self::Directory,
        Self::Control,
        Self::Group,
        Self::Helpers,
        Self::Open,
        Self::Spawn,
        Self::Connect,
        Self::Commands,
        Self::Consoles,
        Self::Status,
        Self::Run,
    ];
}

/// Lets a test make a step fail after it was done.
pub trait Faults {
    /// Called after each step.
    ///
    /// # Errors
    /// What the step is to fail with.
    fn after(&self, step: Step) -> Result<(), LaunchError>;
}

/// No step is made to fail.
#[derive(Clone, Copy, Debug)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn after(&self, _step: Step) -> Result<(), LaunchError> {
        Ok(())
    }
}

/// A guest that was launched.
#[derive(Debug)]
pub struct Guest {
    /// QEMU.
    pub qemu: Child,
    /// What there is besides, to be cleared away in the end.
    pub resources: Resources,
    /// The connection to QEMU.
    pub client: Client,
    /// What QEMU says, from the beginning.
    pub events: Events,
    /// The socket that requests come in on.
    pub control: Control,
    /// What is written down about it.
    pub status: Status,
    /// Its state, and why.
    pub state: (GuestState, Reason),
    /// Whether it was taken over from another supervisor.
    pub adopted: bool,
    /// What came of telling systemd of it.
    pub registration: Registration,
}

/// Launches a guest.
///
/// # Errors
/// The step that failed. Nothing of the guest is left then.
pub async fn launch(request: Request, faults: &dyn Faults) -> Result<Guest, LaunchError> {
    let run = request.run_directory()?;
    let machined = request.machined.clone();
    let copies = copies::make(&request.plan.copies)?;
    let mut resources = Resources::new(run);
    let registration = Registration::default();
    match Launch::new(request, &mut resources, &registration).carry_out(faults).await {
        Ok((client, events, control, status, state)) => {
            let qemu = resources.qemu.take().expect("a launch that worked has started QEMU");
            let guest = Guest {
                qemu,
                resources,
                client,
                events,
                control,
                status,
                state,
                adopted: false,
                registration,
            };
            if let Some(socket) = machined {
                guest.registration.register(&guest, socket);
            }
            Ok(guest)
        }
        Err(error) => {
            let error = error.with_end_of(&mut resources).await;
            resources.clear();
            copies::take_back(&copies);
            Err(error)
        }
    }
}

struct Launch<'a> {
    request: Request,
    resources: &'a mut Resources,
    registration: &'a Registration,
    /// What puts the processes into units of their own.
    keeping: Option<JoinHandle<()>>,
    late: LateValues,
    group: Option<Group>,
}

type Launched = (Client, Events, Control, Status, (GuestState, Reason));

impl<'a> Launch<'a> {
    fn new(request: Request, resources: &'a mut Resources, registration: &'a Registration) -> Self {
        let late = LateValues::default();
        Self { request, resources, registration, keeping: None, late, group: None }
    }

    async fn carry_out(&mut self, faults: &dyn Faults) -> Result<Launched, LaunchError> {
        self.make_directory()?;
        faults.after(Step::Directory)?;
        let control = Control::listen(&self.resources.run)?;
        faults.after(Step::Control)?;
        self.make_group().await?;
        faults.after(Step::Group)?;
        self.inside_group(Self::start_helpers)??;
        faults.after(Step::Helpers)?;
        let mut opened = self.open()?;
        faults.after(Step::Open)?;
        self.inside_group(|launch| launch.spawn(&mut opened))??;
        faults.after(Step::Spawn)?;
        self.begin_units();
        // Written while QEMU comes up, though it is not true before the last answer.
        Record::new(Inventory::of(&self.request.plan)).write(&self.resources.run)?;
        let monitor = self.resources.run.monitor();
        let (client, events) = Client::connect(&monitor, GREETING_LIMIT).await?;
        faults.after(Step::Connect)?;
        let (run, mut commands) = split_run(std::mem::take(&mut self.request.plan.qmp));
        if !self.request.consoles.is_empty() {
            commands.push(ask_for_terminals());
        }
        processor::check(&client, self.request.plan.processor.as_ref()).await?;
        threads::add(&client, &self.request.plan.processors).await?;
        let sent = self.send(&client, &commands, &mut opened).await;
        // What QEMU misses because a helper has ended is best said by the helper.
        self.helpers_run()?;
        let answers = sent?;
        if let Some(qemu) = &self.resources.qemu {
            let number = qemu.process().identity()?.pid;
            let plan = &self.request.plan;
            let group = self.resources.group.as_deref();
            let limited = group.zip(plan.control_group.as_ref());
            threads::place(&client, number, &plan.threads, limited).await?;
        }
        faults.after(Step::Commands)?;
        let consoles = self.consoles(answers.last());
        faults.after(Step::Consoles)?;
        if self.request.lifecycle.reboot_ends() {
            client.execute("set-action", &resets_end(true)).await?;
        }
        let status = self.note(true, consoles)?;
        faults.after(Step::Status)?;
        // Whoever is told that the guest has started may end everything of the session it was started
        // from.
        if let Some(keeping) = self.keeping.take() {
            runtime::within(UNITS_LIMIT, keeping).await;
        }
        let state = match run {
            Some(command) => {
                self.send(&client, &[command], &mut opened).await?;
                (GuestState::Running, Reason::Booted)
            }
            None => (GuestState::Paused, Reason::StartedPaused),
        };
        faults.after(Step::Run)?;
        Ok((client, events, control, status, state))
    }

    fn make_directory(&mut self) -> Result<(), LaunchError> {
        let run = &self.resources.run;
        run.create()?;
        self.resources.directory = true;
        // QEMU looks for firmware in its working directory first.
        fs::create_dir(run.empty())?;
        sys::file::atomic_write_until_crash(
            &run.document(),
            self.request.document.as_bytes(),
            0o600,
        )?;
        Ok(())
    }

    /// Makes the control group of what is started, if there are limits.
    async fn make_group(&mut self) -> Result<(), LaunchError> {
        let Some(planned) = &self.request.plan.control_group else { return Ok(()) };
        let run = &self.resources.run;
        let parent = match control_group::parent(planned)? {
            Parent::There(path) => path,
            Parent::Scope { slice } => {
                let without = |reason| control_group::without_group(planned, reason);
                let units = self.request.systemd.as_ref();
                let units =
                    units.ok_or_else(|| without("systemd cannot be asked for one".to_owned()))?;
                let scope = units.divide(run, &slice).await.map_err(without)?;
                control_group::in_scope(planned, &scope)?
            }
        };
        let group = control_group::make(planned, parent, &run.name().in_unit())?;
        self.resources.group = Some(group.path().to_owned());
        self.group = Some(group);
        Ok(())
    }

    /// Does what starts processes, which are in the group of the guest then.
    fn inside_group<T>(&mut self, start: impl FnOnce(&mut Self) -> T) -> io::Result<T> {
        let Some(group) = self.group.take() else { return Ok(start(self)) };
        let started = group.inside(|| start(self));
        self.group = Some(group);
        started
    }

    fn start_helpers(&mut self) -> Result<(), LaunchError> {
        host::secrets::fill(&self.request.plan.secrets, &mut self.late)?;
        let environment = environment(&self.request);
        for planned in &self.request.plan.helpers {
            name_sockets(&planned.argv, &self.resources.run, &mut self.late);
            let socket = self.resources.run.helper_socket(&planned.name);
            let log = self.resources.run.helper_log(&planned.name);
            let claim = opening::claim(planned, &self.request.run, &mut self.late)?;
            let running = helper::start(planned, &socket, &log, &environment, &self.late, claim)?;
            if planned.ends {
                continue;
            }
            self.resources.helpers.push(running);
            self.note(false, Vec::new())?;
        }
        Ok(())
    }

    /// Helpers that find something missing end when they begin their work, such as passt where it
    /// may not make a user namespace: a guest would start, and lack what they are for.
    fn helpers_run(&mut self) -> Result<(), LaunchError> {
        for running in &mut self.resources.helpers {
            let Some(status) = running.child.try_wait()? else { continue };
            let planned = &self.request.plan.helpers;
            let planned = planned.iter().find(|planned| planned.name == running.name);
            let log = self.resources.run.helper_log(&running.name);
            return Err(LaunchError::Helper(HelperError {
                at: planned.and_then(|planned| planned.at.clone()),
                purpose: planned.map(|planned| planned.purpose.clone()).unwrap_or_default(),
                reason: format!("{} ended with {status}{}", running.name, helper::said(&log)),
            }));
        }
        Ok(())
    }

    fn open(&mut self) -> Result<Opened, LaunchError> {
        for device in &self.request.plan.handovers {
            self.resources.taken.push(vfio::take(device)?);
            self.note(false, Vec::new())?;
        }
        // Written down before it is made, for whoever finds a start that was cut off.
        self.resources.made.sockets = opening::sockets(&self.request.plan.fds);
        if !self.resources.made.sockets.is_empty() {
            self.note(false, Vec::new())?;
        }
        let plan = &self.request.plan;
        let place =
            Place { monitor: self.resources.run.monitor(), helpers: &self.resources.helpers };
        let opened =
            opening::open_all((&plan.virtual_functions, &plan.fds), &place, &mut self.late)?;
        if opened.made != self.resources.made {
            self.resources.made.clone_from(&opened.made);
            self.note(false, Vec::new())?;
        }
        Ok(opened)
    }

    fn spawn(&mut self, opened: &mut Opened) -> Result<(), LaunchError> {
        let plan = &self.request.plan;
        let mut descriptors: Vec<(OwnedFd, i32)> = plan
            .fds
            .iter()
            .filter_map(|fd| Some((fd.fd?, opened.fds.remove(&fd.name)?)))
            .map(|(number, descriptor)| (descriptor, number))
            .collect();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.resources.run.log())?;
        descriptors.push((log.try_clone()?.into(), 1));
        descriptors.push((log.into(), 2));
        let locked = plan.locked_memory.map(|limit| match limit {
            LockedMemory::Unlimited => None,
            LockedMemory::Bytes(bytes) => Some(bytes),
        });
        if let (Some(wanted), Some(most)) = (locked, sys::process::lockable())
            && wanted.is_none_or(|wanted| wanted > most)
        {
            return Err(LaunchError::Locked { wanted, most });
        }
        let qemu = Program {
            argv: plan.argv.iter().map(|argument| self.late.in_text(argument).into()).collect(),
            environment: plan
                .environment
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            directory: Some(self.resources.run.empty()),
            descriptors,
            own_session: true,
            // A guest decides about the permissions of what it makes in a 9p share. libvirt:
            // `qemuProcessLaunch` sets the same umask.
            before_exec: Some(Box::new(move || {
                sys::process::shared_files();
                locked.into_iter().for_each(sys::process::may_lock);
                Ok(())
            })),
            ..Program::default()
        };
        self.resources.qemu = Some(qemu.spawn().map_err(LaunchError::Spawn)?);
        self.note(false, Vec::new())?;
        Ok(())
    }

    /// Begins to put what has been started into units of its own, while QEMU comes up.
    fn begin_units(&mut self) {
        let Some(units) = self.request.units.clone() else { return };
        let helpers = self.resources.helpers.iter().map(|helper| &helper.child);
        // What has a group is where it belongs.
        let children = self.resources.qemu.iter().chain(helpers).filter(|_| self.group.is_none());
        let processes = children.map(|child| child.process().pid()).collect();
        let run = self.resources.run.clone();
        self.keeping = Some(self.registration.keep(units, run, processes));
    }

    /// Sends all commands before the first answer is read. The first refusal is the one that counts.
    async fn send(
        &self,
        client: &Client,
        commands: &[Command],
        opened: &mut Opened,
    ) -> Result<Vec<Value>, LaunchError> {
        match exchange(client, commands, &self.late, &mut opened.fds).await {
            Ok(answers) => Ok(answers),
            Err(ExchangeError::NoDescriptor(name)) => Err(LaunchError::NoDescriptor(name)),
            Err(ExchangeError::Refused { at, error, .. }) => Err(LaunchError::Command {
                at: commands[at].at.clone(),
                purpose: commands[at].purpose.clone(),
                error,
            }),
        }
    }

    /// The terminal of each console, as QEMU has made it.
    fn consoles(&self, chardevs: Option<&Value>) -> Vec<Option<PathBuf>> {
        let chardevs = chardevs.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let terminal = |id: &String| {
            chardevs.iter().find(|chardev| chardev["label"].as_str() == Some(id))?["filename"]
                .as_str()?
                .strip_prefix("pty:")
                .map(PathBuf::from)
        };
        self.request.consoles.iter().map(terminal).collect()
    }

    /// Writes down what there is, so that whoever comes after us finds it.
    fn note(&self, is_ready: bool, consoles: Vec<Option<PathBuf>>) -> Result<Status, LaunchError> {
        let mut helpers = BTreeMap::new();
        for running in &self.resources.helpers {
            helpers.insert(running.name.clone(), running.child.process().identity()?.into());
        }
        let qemu = match &self.resources.qemu {
            Some(qemu) => Some(qemu.process().identity()?.into()),
            None => None,
        };
        let status = Status {
            uuid: self.request.uuid.clone(),
            is_ready,
            qemu,
            helpers,
            lifecycle: self.request.lifecycle.clone(),
            rebooting: false,
            consoles,
            cid: cid(&self.request.plan.fds, &self.request.plan.helpers, &self.late),
            units: self.request.units.clone(),
            made: self.resources.made.clone(),
            taken: self.resources.taken.clone(),
            group: self.resources.group.clone(),
            variables: self.request.variables.clone(),
        };
        status.write(&self.resources.run)?;
        Ok(status)
    }
}

/// The environment of what is started beside QEMU.
fn environment(request: &Request) -> Vec<(OsString, OsString)> {
    request.environment.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// A helper may have sockets for others than QEMU: an argument `{NAME-path}` becomes the path of one
/// in the guest's run-time directory.
pub(crate) fn name_sockets(argv: &[String], run: &RunDirectory, late: &mut LateValues) {
    for argument in argv {
        if let Some(value) = named(argument)
            && let Some(name) = value.strip_suffix("-path")
        {
            late.insert(value, run.helper_socket(name).display().to_string());
        }
    }
}

/// The CID that a vsock device among what was opened and started has got.
pub(crate) fn cid(fds: &[Fd], helpers: &[Helper], late: &LateValues) -> Option<u32> {
    let opened = fds.iter().filter_map(|fd| match &fd.open {
        Open::VhostVsock { cid, late } => Some((*cid, late)),
        _ => None,
    });
    let claims = helpers.iter().filter_map(|helper| helper.claim_cid.as_ref());
    let (fixed, name) = opened.chain(claims.map(|claim| (claim.cid, &claim.late))).next()?;
    fixed.or_else(|| late.get(name)?.as_u64()?.try_into().ok())
}

/// Asks for the terminals that QEMU has made for consoles.
fn ask_for_terminals() -> Command {
    Command {
        execute: "query-chardev".to_owned(),
        purpose: "terminals of consoles".to_owned(),
        ..Command::default()
    }
}

/// Takes the last command off if it lets the guest run: that waits for all other answers.
fn split_run(mut commands: Vec<Command>) -> (Option<Command>, Vec<Command>) {
    let run = commands.pop_if(|command| command.execute == "cont");
    (run, commands)
}

/// Waits for a process to end, but not for long.
pub(crate) async fn ended_soon(child: &mut Child) -> Option<std::process::ExitStatus> {
    runtime::within(END_LIMIT, runtime::exited(child.process())).await?.ok()?;
    child.try_wait().ok().flatten()
}
