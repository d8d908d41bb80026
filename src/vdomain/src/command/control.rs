//! `shutdown`, `destroy`, `suspend`, `resume`: one request to the supervisor each.

use serde_json::json;
use store::Name;
use supervisor::client::AskError;

use crate::arguments::Several;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn shutdown(
    several: &Several,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    ask(several, "Shutdown", "is being shut down", environment, output)
}

pub(super) fn destroy(
    several: &Several,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    ask(several, "Destroy", "destroyed", environment, output)
}

pub(super) fn suspend(
    several: &Several,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    ask(several, "Suspend", "suspended", environment, output)
}

pub(super) fn resume(
    several: &Several,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    ask(several, "Resume", "resumed", environment, output)
}

fn ask(
    several: &Several,
    method: &str,
    done: &str,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    super::each::run(&several.names, environment, output, |name, output| {
        let run = environment.directories.run_of(name)?;
        super::ask(&run, |mut client| client.call(method, json!({})))
            .map_err(|error| asked(name, error))?;
        output.say(format_args!("Domain '{name}' {done}"));
        Ok(())
    })
}

/// Why a supervisor did not do what was asked, in a sentence about the domain.
pub(super) fn asked(name: &Name, error: AskError) -> Failure {
    match error {
        AskError::NotRunning => Failure::state(format!("domain '{name}' is not running")),
        AskError::WrongState(state) => Failure::state(format!("domain '{name}' is {state}")),
        AskError::TimedOut => Failure::Other {
            exit: Exit::TimedOut,
            message: format!("domain '{name}': {error}"),
            help: Some(format!("`vdomain domstate {name}` tells")),
        },
        AskError::Changed | AskError::Refused(_) | AskError::Died | AskError::Io(_) => {
            Failure::refused(format!("domain '{name}': {error}"))
        }
    }
}
