//! `dumpxml`: print the document of a domain.

use crate::arguments::Dumpxml;
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(
    arguments: &Dumpxml,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.name, environment)?;
    let live = if arguments.inactive { None } else { domains::live(&name, environment)? };
    let document = match live {
        Some(document) => document,
        None => String::from_utf8_lossy(&domains::stored(&name, environment)?).into_owned(),
    };
    output.text(&document)?;
    Ok(Exit::Done)
}
