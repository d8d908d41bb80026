//! `dommemstat`: print what a guest's memory is used for.

use guest::statistics;
use sys::runtime::block_on;

use crate::arguments::Reporting;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

pub(super) fn run(
    arguments: &Reporting,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let guest = Guest::connect(&name, environment)?;
    let mut told = block_on(statistics::memory(&guest.seen()))?;
    // virsh has other names for two of these than in `domstats`, and leaves the maximum to `dominfo`.
    told.remove("maximum");
    if arguments.json {
        output.json(&told.into())?;
        return Ok(Exit::Done);
    }
    let line = |(name, value): (&String, &serde_json::Value)| {
        let name = match name.as_str() {
            "current" => "actual",
            "last-update" => "last_update",
            other => other,
        };
        format!("{name} {value}\n")
    };
    output.text(&told.iter().map(line).collect::<String>())?;
    Ok(Exit::Done)
}
