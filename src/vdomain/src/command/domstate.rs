//! `domstate`: print the state of a domain.

use serde_json::json;
use store::Name;
use supervisor::GuestState;
use supervisor::client::AskError;

use crate::arguments::Reporting;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(
    arguments: &Reporting,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain(&arguments.name, environment)?;
    let (state, reason) = of(&name, environment)?;
    if arguments.json {
        output.json(&json!({ "name": name.as_str(), "state": state, "reason": reason }))?;
    } else {
        output.text(&format!("{state}\n"))?;
    }
    Ok(Exit::Done)
}

/// The state of a domain in virsh's words, and why it is in it, if it runs.
pub(super) fn of(
    name: &Name,
    environment: &Environment,
) -> Result<(String, Option<String>), Failure> {
    let run = environment.directories.run_of(name)?;
    match super::ask(&run, |mut client| client.state()) {
        Ok((state, reason)) => Ok((state, Some(reason))),
        Err(AskError::NotRunning) => Ok((GuestState::ShutOff.to_string(), None)),
        Err(error) => Err(super::control::asked(name, error)),
    }
}
