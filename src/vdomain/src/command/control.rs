//! `destroy`, `reset`, `suspend`, `resume`: one request to the supervisor each.

use crate::arguments::{Destroy, Several};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use serde_json::{Value, json};
use store::Name;

pub(super) fn destroy(
    arguments: &Destroy,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let parameters = json!({ "graceful": arguments.graceful });
    ask(&arguments.domains, "Destroy", parameters, "destroyed", environment, output)
}

/// Ends one guest at once.
pub(super) fn end(
    name: &Name,
    environment: &Environment,
    output: &mut Output,
) -> Result<(), Failure> {
    ask_one(name, "Destroy", &json!({}), "destroyed", environment, output)
}

pub(super) fn reset(
    several: &Several,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    ask(several, "Reset", json!({}), "was reset", environment, output)
}

pub(super) fn suspend(
    several: &Several,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    ask(several, "Suspend", json!({}), "suspended", environment, output)
}

pub(super) fn resume(
    several: &Several,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    ask(several, "Resume", json!({}), "resumed", environment, output)
}

fn ask(
    several: &Several,
    method: &str,
    parameters: Value,
    done: &str,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    super::each::run(&several.names, environment, output, |name, output| {
        ask_one(name, method, &parameters, done, environment, output)
    })
}

fn ask_one(
    name: &Name,
    method: &str,
    parameters: &Value,
    done: &str,
    environment: &Environment,
    output: &mut Output,
) -> Result<(), Failure> {
    let run = environment.directories.run_of(name)?;
    super::ask(&run, |mut client| client.call(method, parameters.clone()))
        .map_err(|error| super::refused(name, error))?;
    output.say(format_args!("Domain '{name}' {done}"));
    Ok(())
}
