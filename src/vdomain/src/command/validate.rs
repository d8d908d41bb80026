//! `validate`: say what is wrong with documents.

use std::path::Path;

use qemu::plan::Options;
use qemu::{Answers, Mode};
use serde_json::json;
use xml::{Problem, Source};

use crate::arguments::Validate;
use crate::document::{Completed, Document};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::report;
use crate::world::World;

pub(super) fn run(
    arguments: &Validate,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let world = World::elsewhere(environment, &arguments.elsewhere)?;
    if arguments.json {
        return as_json(&world, arguments, output);
    }
    let mut exit = Exit::Done;
    for file in &arguments.files {
        match warnings(file, &world, arguments) {
            Ok((source, warnings)) => {
                output.problems(&source, &warnings);
                let verdict = match warnings.len() {
                    0 => "nothing wrong".to_owned(),
                    1 => "1 warning".to_owned(),
                    number => format!("{number} warnings"),
                };
                if !warnings.is_empty() {
                    exit = Exit::Refused;
                }
                output.text(&format!("{}: {verdict}\n", file.display()))?;
            }
            Err(failure) => exit = output.failure(&failure),
        }
    }
    Ok(exit)
}

/// The same for programs: one list for all documents, empty if nothing is wrong.
fn as_json(world: &World, arguments: &Validate, output: &mut Output) -> Result<Exit, Failure> {
    let mut list = Vec::new();
    for file in &arguments.files {
        let (source, problems) = match warnings(file, world, arguments) {
            Ok(found) => found,
            Err(Failure::Document { source, problems }) => (source, problems),
            Err(Failure::Other { message, help, .. }) => {
                list.push(json!({
                    "file": file.display().to_string(), "line": null, "column": null,
                    "severity": "error", "message": message, "expected": null, "help": help,
                }));
                continue;
            }
            Err(Failure::NobodyReads) => return Err(Failure::NobodyReads),
        };
        let places = source.places();
        list.extend(problems.iter().map(|problem| report::as_json(&source, &places, problem)));
    }
    let exit = if list.is_empty() { Exit::Done } else { Exit::Refused };
    output.json(&list.into())?;
    Ok(exit)
}

/// Everything that is to be said about a document up to its start, but for what only a look at the
/// files that it names can tell.
fn warnings(
    file: &Path,
    world: &World,
    arguments: &Validate,
) -> Result<(Source, Vec<Problem>), Failure> {
    let Completed { source, domain, mut warnings, .. } =
        Document::read(file)?.complete(world, Mode::Define, &arguments.reading)?;
    let options = Options { paused: false, strict: arguments.reading.strict };
    let capabilities = world.capabilities(&domain)?;
    match qemu::plan::plan(&domain, &capabilities, &world.host, &Answers::default(), &options) {
        Ok(plan) => warnings.extend(plan.warnings),
        Err(problems) => {
            warnings.extend(problems);
            return Err(Failure::Document { source, problems: warnings });
        }
    }
    Ok((source, warnings))
}
