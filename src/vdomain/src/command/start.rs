//! `start`: start domains.

use std::fs;
use std::path::Path;

use conf::Domain;
use conf::device::graphics::{Graphics, GraphicsType};
use qemu::Mode;
use qemu::plan::Options;
use qemu::validate::start_problems;
use serde_json::json;
use store::Name;
use supervisor::request::{Lifecycle, Request};
use supervisor::{Client, StartError, Waiting};
use sys::lock::{Kind, Lock};

use crate::arguments::{Reading, StartArguments, Starting};
use crate::document::{Completed, Document};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::sharing;
use crate::world::World;

/// What helper processes learn of our environment.
const FOR_HELPERS: &[&str] = &["PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"];

pub(super) fn run(
    arguments: &StartArguments,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let starting = &arguments.start;
    let names = &arguments.domains.names;
    if starting.console && names.len() > 1 {
        return Err(Failure::usage("--console is for one domain, and there are several"));
    }
    let mut connected = Exit::Done;
    let started = super::each::run(names, environment, output, |name, output| {
        let supervisor = prepare(name, environment)?;
        let world = World::here(environment);
        let mut completed = super::define::load(name, environment, &world, &starting.reading)?;
        if starting.ephemeral {
            completed = ephemeral(completed, &world, &starting.reading)?;
        }
        launch(name, &completed, supervisor, &world, starting, environment, output)
    })?;
    if starting.console {
        let name = super::domain(&names[0], environment)?;
        connected = connect(&name, starting, environment, output)?;
    }
    Ok(if started == Exit::Done { connected } else { started })
}

/// The same for a start after which nothing is kept.
fn ephemeral(completed: Completed, world: &World, reading: &Reading) -> Result<Completed, Failure> {
    let Completed { source, domain, warnings, .. } = completed;
    let mut domain = domain.into_domain();
    qemu::complete::ephemeral(&mut domain);
    Document { source, domain, problems: warnings }.complete(world, Mode::Reload, reading)
}

/// Starts the supervisor of a guest, which is there then when the plan is.
pub(super) fn prepare(name: &Name, environment: &Environment) -> Result<Waiting, Failure> {
    let run = environment.directories.run_of(name)?;
    supervisor::prepare(Path::new(super::THIS_PROGRAM), &run).map_err(|error| match error {
        StartError::Running(_) => Failure::state(error),
        other => Failure::refused(other),
    })
}

/// Starts a guest from a completed document.
pub(super) fn launch(
    name: &Name,
    completed: &Completed,
    supervisor: Waiting,
    world: &World,
    starting: &Starting,
    environment: &Environment,
    output: &mut Output,
) -> Result<(), Failure> {
    output.problems(&completed.source, &completed.warnings);
    let capabilities = world.capabilities(&completed.domain)?;
    let problems = start_problems(&completed.domain, &capabilities, &world.host);
    if !problems.is_empty() {
        return Err(Failure::Document { source: completed.source.clone(), problems });
    }
    // A console that is connected before the guest runs misses nothing.
    let options =
        Options { paused: starting.paused || starting.console, strict: starting.reading.strict };
    // Held until QEMU has the ports that are free now.
    let ports = port_lock(&completed.domain, environment).transpose()?;
    let plan = super::plan::make(completed, world, &options, environment, output)?;
    for note in &plan.notes {
        output.say(note);
    }
    let request = request(name, completed, plan, environment);
    supervisor.start(request).map_err(|error| {
        let disks = &completed.domain.devices.disks;
        sharing::name_the_other(Failure::refused(error), name, disks, environment)
    })?;
    drop(ports);
    output.say(format_args!("Domain '{name}' started"));
    Ok(())
}

/// What starts of guests with displays take in turn that get free ports by number: to a plan a port is
/// free until the QEMU of another one listens on it.
fn port_lock(domain: &Domain, environment: &Environment) -> Option<Result<Lock, Failure>> {
    let is_numbered = |graphics: &Graphics| match &graphics.kind {
        GraphicsType::Spice(_) => true,
        GraphicsType::Vnc(vnc) => vnc.websocket.is_some(),
        _ => false,
    };
    let run = &environment.directories.run;
    domain.devices.graphics.iter().any(is_numbered).then(|| {
        let taken = fs::create_dir_all(run);
        let taken = taken.and_then(|()| Lock::take(&run.join(".ports"), Kind::Exclusive));
        taken.map_err(|error| Failure::refused(sys::reason(&error)))
    })
}

/// Connects to the console of a guest that was started for that, and lets it run.
pub(super) fn connect(
    name: &Name,
    starting: &Starting,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let run = environment.directories.run_of(name)?;
    let resume = !starting.paused;
    super::console::attach(&run, None, &starting.keys, false, output, |client: &mut Client| {
        if resume { client.call("Resume", json!({})).map(|_| ()) } else { Ok(()) }
    })
}

fn request(
    name: &Name,
    completed: &Completed,
    plan: qemu::Plan,
    environment: &Environment,
) -> Request {
    let domain = &completed.domain;
    Request {
        name: name.to_string(),
        uuid: domain.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
        run: environment.directories.run.clone(),
        document: conf::print(&qemu::alias::of_running(domain)),
        state: environment.directories.state.clone(),
        machined: environment.machined.clone(),
        units: environment.units.clone(),
        systemd: environment.systemd.clone(),
        lifecycle: Lifecycle::of(domain),
        consoles: qemu::plan::consoles(domain),
        environment: for_helpers(environment).collect(),
        variables: ours(environment),
        plan,
    }
}

/// What says in our environment where things are, for this program when it is run for the guest.
fn ours(environment: &Environment) -> Vec<(String, String)> {
    let is_ours = |name: &str| {
        FOR_HELPERS.contains(&name) || name.starts_with("VDOMAIN_") || name.starts_with("XDG_")
    };
    let variables = environment.variables.iter().filter(|(name, _)| is_ours(name));
    variables.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What helper processes learn of our environment.
pub(super) fn for_helpers(environment: &Environment) -> impl Iterator<Item = (String, String)> {
    let variables = environment.variables.iter();
    variables
        .filter(|(variable, _)| FOR_HELPERS.contains(&variable.as_str()))
        .map(|(variable, value)| (variable.clone(), value.clone()))
}
