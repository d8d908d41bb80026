//! `dumpxml`: print the document of a domain.

use std::fs;
use std::io;

use store::{Definitions, Name};

use crate::arguments::Dumpxml;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(
    arguments: &Dumpxml,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain(&arguments.name, environment)?;
    let live = if arguments.inactive { None } else { live(&name, environment)? };
    let document = match live {
        Some(document) => document,
        None => stored(&name, environment)?,
    };
    output.text(&document)?;
    Ok(Exit::Done)
}

/// The document that a running guest was started from.
fn live(name: &Name, environment: &Environment) -> Result<Option<String>, Failure> {
    let path = environment.directories.run_of(name)?.document();
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|error| {
            Failure::refused(format!("cannot read '{}': {}", path.display(), sys::reason(&error)))
        }),
    }
}

fn stored(name: &Name, environment: &Environment) -> Result<String, Failure> {
    let bytes = Definitions::new(&environment.directories.definitions)
        .read(name)?
        .ok_or_else(|| Failure::state(format!("domain '{name}' runs, but is not defined")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
