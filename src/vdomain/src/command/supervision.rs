//! `adopt`, `reexec`: who watches over guests that run.

use std::path::PathBuf;

use serde_json::json;
use store::{Name, RunDirectory};
use supervisor::client::AskError;

use crate::arguments::{RunningOrAll, SomeRunning};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn adopt(
    some: &SomeRunning,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let names = if some.names.is_empty() { running(environment)? } else { some.names.clone() };
    super::each::run(&names, environment, output, |name, output| {
        let run = environment.directories.run_of(name)?;
        // Asking is enough: a guest without a supervisor gets one before it answers.
        say_who_supervises(name, &run, output)
    })
}

pub(super) fn reexec(
    some: &RunningOrAll,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let program = this_program()?;
    let names = if some.all { running(environment)? } else { some.names.clone() };
    super::each::run(&names, environment, output, |name, output| {
        let run = environment.directories.run_of(name)?;
        super::ask(&run, |mut client| client.call("Reexec", json!({ "program": program })))
            .map_err(|error| super::refused(name, error))?;
        say_who_supervises(name, &run, output)
    })
}

fn say_who_supervises(name: &Name, run: &RunDirectory, output: &mut Output) -> Result<(), Failure> {
    match super::ask(run, |mut client| client.describe()) {
        Ok(found) => {
            let supervisor = found.supervisor;
            output.say(format_args!(
                "Domain '{name}' is supervised by process {} of vdomain {}",
                supervisor.pid, supervisor.version
            ));
            Ok(())
        }
        // What it left is cleared away.
        Err(AskError::NotRunning) => {
            output.say(format_args!("Domain '{name}' is not running"));
            Ok(())
        }
        Err(error) => Err(super::refused(name, error)),
    }
}

/// The names of the guests that run.
fn running(environment: &Environment) -> Result<Vec<String>, Failure> {
    let names = RunDirectory::list(&environment.directories.run)?;
    Ok(names.iter().map(Name::to_string).collect())
}

/// Where this program is, for a process that shall go on as it.
fn this_program() -> Result<PathBuf, Failure> {
    let path = std::env::current_exe().map_err(|error| {
        Failure::refused(format!("cannot find this program: {}", sys::reason(&error)))
    })?;
    match path.exists() {
        true => Ok(path),
        // It was replaced since it was started; Linux says so behind its path.
        false => Err(Failure::refused(format!("'{}' is not there any more", path.display()))),
    }
}
