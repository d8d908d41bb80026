//! `wait`: wait until a guest is so far.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use store::Name;
use supervisor::GuestState;
use sys::runtime::block_on;

use crate::arguments::{For, Wait};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

/// How often to look for what nobody tells of.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) fn run(
    arguments: &Wait,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let deadline = arguments
        .timeout
        .map(|seconds| Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    let there = match arguments.what {
        For::Shutoff => {
            let run = environment.directories.run_of(&name)?;
            super::wait_until_gone(&run, deadline).map_err(|error| super::refused(&name, error))?
        }
        For::Running => until(deadline, || {
            let (state, _) = super::domstate::of(&name, environment)?;
            Ok((state == GuestState::Running.to_string()).then_some(()))
        })?
        .is_some(),
        For::Agent | For::Booted => until(deadline, || answers(&name, environment))?.is_some(),
        For::Address => {
            let found = until(deadline, || reachable(&name, environment))?;
            if let Some(addresses) = &found {
                output.text(addresses)?;
            }
            found.is_some()
        }
    };
    if there {
        return Ok(Exit::Done);
    }
    Err(Failure::Other {
        exit: Exit::TimedOut,
        message: format!("domain '{name}' is not so far in time"),
        help: None,
    })
}

/// Tries until it gives something; `None` if time ran out before.
fn until<T>(
    deadline: Option<Instant>,
    mut attempt: impl FnMut() -> Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    loop {
        if let Some(found) = attempt()? {
            return Ok(Some(found));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

/// Whether the guest's agent answers. That there is no channel to one will not change.
fn answers(name: &Name, environment: &Environment) -> Result<Option<()>, Failure> {
    let guest = Guest::connect(name, environment)?;
    let ping = block_on(async {
        let mut agent = guest::agent::Agent::connect(&guest.qemu, &guest.domain).await?;
        agent.execute("guest-ping", &Value::Null).await
    });
    match ping {
        Ok(_) => Ok(Some(())),
        Err(error) if error.is_temporary() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The addresses at which others can reach the guest, a line each.
fn reachable(name: &Name, environment: &Environment) -> Result<Option<String>, Failure> {
    let guest = Guest::connect(name, environment)?;
    let found = super::domif::addresses(&guest, None)?;
    let found = found.iter().filter(|address| super::domif::is_reachable(address));
    let lines: String = found.filter_map(|address| Some(format!("{}\n", address.ip?))).collect();
    Ok((!lines.is_empty()).then_some(lines))
}
