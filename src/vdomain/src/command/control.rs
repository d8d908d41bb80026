//! `shutdown`, `destroy`, `suspend`, `resume`: one request to the supervisor each.

use crate::arguments::Several;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use serde_json::json;

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
            .map_err(|error| super::refused(name, error))?;
        output.say(format_args!("Domain '{name}' {done}"));
        Ok(())
    })
}
