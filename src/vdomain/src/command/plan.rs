//! `plan`: print what `start` would do.

use std::path::Path;

use qemu::Plan;
use qemu::plan::Options;
use store::Name;
use xml::Part;

use crate::arguments::PlanArguments;
use crate::document::{Completed, Document};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::report;
use crate::world::World;

pub(super) fn run(
    arguments: &PlanArguments,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let world = World::elsewhere(environment, &arguments.elsewhere)?;
    let subject = arguments.subject.as_str();
    let completed = if subject == "-" || subject.contains('/') || subject.contains(".xml") {
        let mode = super::format::mode(arguments.reload);
        Document::read(Path::new(subject))?.complete(&world, mode, &arguments.reading)?
    } else {
        let name = super::domain_to_read(subject, environment)?;
        super::define::load(&name, environment, &world, &arguments.reading)?
    };
    completed.say(output);
    let options = Options { paused: arguments.paused, strict: arguments.reading.strict };
    let plan = make(&completed, &world, &options, environment, output)?;
    if arguments.json {
        let json = serde_json::to_value(&plan)
            .map_err(|error| Failure::refused(format!("the plan cannot be written: {error}")))?;
        output.json(&json)?;
    } else {
        output.text(&plan.to_string())?;
    }
    Ok(Exit::Done)
}

/// Plans the start of a domain, and says what it warns of; every part of the plan knows where its
/// element stands.
pub(super) fn make(
    completed: &Completed,
    world: &World,
    options: &Options,
    environment: &Environment,
    output: &mut Output,
) -> Result<Plan, Failure> {
    let Completed { domain, source, .. } = completed;
    let name = Name::new(domain.name.clone());
    let domain = match name.and_then(|name| environment.directories.run_of(&name)) {
        // Whoever connects to the console sees what was said before.
        Ok(run) => &domain.with_console_log(&run.console_log().display().to_string()),
        // It cannot be defined or started under this name, and is only looked at.
        Err(_) => domain,
    };
    let capabilities = world.capabilities(domain)?;
    let answers = world.answers(domain);
    let mut plan = qemu::plan::plan(domain, &capabilities, &world.host, &answers, options)
        .map_err(|problems| Failure::Document { source: source.clone(), problems })?;
    output.problems(source, &plan.warnings);
    let places = source.places();
    plan.locate(|origin| {
        places.find(origin, &Part::Name).map(|found| report::place(source, &found))
    });
    Ok(plan)
}
