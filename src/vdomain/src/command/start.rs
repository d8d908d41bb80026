//! `start`: start a domain.

use std::path::Path;

use qemu::plan::Options;
use qemu::validate::start_problems;
use serde_json::json;
use store::Name;
use supervisor::request::{Lifecycle, Request};
use supervisor::{Client, StartError};

use crate::arguments::Start;
use crate::document::Completed;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::world::World;

/// What helper processes learn of our environment.
const FOR_HELPERS: &[&str] = &["PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"];

pub(super) fn run(
    arguments: &Start,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain(&arguments.name, environment)?;
    let world = World::here(environment);
    let completed = super::define::load(&name, environment, &world, &arguments.reading)?;
    output.problems(&completed.source, &completed.warnings);
    let capabilities = world.capabilities(&completed.domain)?;
    let problems = start_problems(&completed.domain, &capabilities, &world.host);
    if !problems.is_empty() {
        return Err(Failure::Document { source: completed.source, problems });
    }
    // A console that is connected before the guest runs misses nothing.
    let options =
        Options { paused: arguments.paused || arguments.console, strict: arguments.reading.strict };
    let plan = super::plan::make(&completed, &world, &options, output)?;
    for note in &plan.notes {
        output.say(note);
    }
    let request = request(&name, &completed, plan, environment);
    supervisor::start(Path::new(super::THIS_PROGRAM), &request).map_err(|error| match error {
        StartError::Running(_) => Failure::state(error),
        other => Failure::refused(other),
    })?;
    output.say(format_args!("Domain '{name}' started"));
    if arguments.console {
        let run = environment.directories.run_of(&name)?;
        let resume = !arguments.paused;
        return super::console::attach(&run, output, |client: &mut Client| {
            if resume { client.call("Resume", json!({})).map(|_| ()) } else { Ok(()) }
        });
    }
    Ok(Exit::Done)
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
        document: conf::print(domain),
        lifecycle: Lifecycle::of(domain),
        consoles: qemu::plan::consoles(domain),
        environment: environment
            .variables
            .iter()
            .filter(|(variable, _)| FOR_HELPERS.contains(&variable.as_str()))
            .map(|(variable, value)| (variable.clone(), value.clone()))
            .collect(),
        plan,
    }
}
