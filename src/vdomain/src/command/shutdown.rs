//! `shutdown`, `reboot`: ask guests to shut down, in one way after the other.

use std::fmt::Display;
use std::time::{Duration, Instant};

use guest::agent;
use serde_json::json;
use store::Name;
use sys::runtime::block_on;

use crate::arguments::{Mode, Shutdown};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

/// How a guest is asked, unless it is said how.
const USUAL_MODES: &[Mode] = &[Mode::Agent, Mode::Acpi];

/// How long each way is given, unless it is said how long all of them are.
const USUAL_LIMIT: Duration = Duration::from_secs(60);

/// How long an agent may take to refuse. It says nothing when it does what it is asked for.
const REFUSAL_LIMIT: Duration = Duration::from_millis(500);

/// What becomes of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    Off,
    Again,
}

pub(super) fn shutdown(
    arguments: &Shutdown,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let ways = if arguments.mode.is_empty() { USUAL_MODES } else { &arguments.mode };
    let limit = match arguments.timeout {
        Some(seconds) => Some(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))),
        None => arguments.wait.then_some(USUAL_LIMIT * ways.len() as u32),
    };
    super::each::run(&arguments.domains.names, environment, output, |name, output| {
        Request { name, aim: Aim::Off, environment }.carry_out(&arguments.mode, limit, output)
    })
}

pub(super) fn reboot(
    arguments: &Shutdown,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if arguments.wait || arguments.timeout.is_some() {
        return Err(Failure::usage(
            "a guest that reboots does not end, so it cannot be waited for",
        )
        .help("`vdomain event --event reboot` tells when it starts again"));
    }
    super::each::run(&arguments.domains.names, environment, output, |name, output| {
        Request { name, aim: Aim::Again, environment }.carry_out(&arguments.mode, None, output)
    })
}

/// Asks a guest to shut down: its agent, or its power button.
pub(super) fn ask(
    name: &Name,
    environment: &Environment,
    output: &mut Output,
) -> Result<(), Failure> {
    Request { name, aim: Aim::Off, environment }.carry_out(&[], None, output)
}

/// One guest that is asked.
struct Request<'a> {
    name: &'a Name,
    aim: Aim,
    environment: &'a Environment,
}

impl Request<'_> {
    /// Asks in one way after the other, the usual ones if none are said. Each is given its
    /// part of the time that there is; without any, nothing is waited for.
    fn carry_out(
        &self,
        modes: &[Mode],
        limit: Option<Duration>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let is_usual = modes.is_empty();
        let modes = if is_usual { USUAL_MODES } else { modes };
        let share = limit.map(|limit| limit / modes.len() as u32);
        let mut failed = None;
        for mode in modes {
            if let Err(failure) = self.ask(*mode) {
                if !self.runs()? {
                    return Err(failure);
                }
                // Most guests have no agent, which is no news where nobody has named it.
                if (!is_usual || *mode != Mode::Agent)
                    && let Some(before) = failed.replace(failure)
                {
                    output.failure(&before);
                }
                continue;
            }
            if let Some(before) = failed.take() {
                output.failure(&before);
            }
            let Some(share) = share else { return self.said(output) };
            self.step(output, *mode);
            if self.wait(share)? {
                output.say(format_args!("Domain '{}' has shut down", self.name));
                return Ok(());
            }
        }
        Err(failed.unwrap_or_else(|| Failure::Other {
            exit: Exit::TimedOut,
            message: format!("domain '{}' does not shut down", self.name),
            help: Some("`--mode agent,acpi,destroy` ends it if it does not react".to_owned()),
        }))
    }

    fn said(&self, output: &mut Output) -> Result<(), Failure> {
        let done = match self.aim {
            Aim::Off => "is being shut down",
            Aim::Again => "is being rebooted",
        };
        output.say(format_args!("Domain '{}' {done}", self.name));
        Ok(())
    }

    fn step(&self, output: &mut Output, mode: Mode) {
        let done: &dyn Display = match mode {
            Mode::Agent => &"its agent was asked to power off",
            Mode::Acpi => &"its power button was pressed",
            Mode::Destroy => &"was destroyed",
        };
        output.say(format_args!("Domain '{}': {done}", self.name));
    }

    fn ask(&self, mode: Mode) -> Result<(), Failure> {
        let method = match (mode, self.aim) {
            (Mode::Agent, _) => return self.ask_agent(),
            (Mode::Acpi, Aim::Off) => "Shutdown",
            (Mode::Acpi, Aim::Again) => "Reboot",
            (Mode::Destroy, Aim::Off) => "Destroy",
            (Mode::Destroy, Aim::Again) => "Reset",
        };
        let run = self.environment.directories.run_of(self.name)?;
        super::ask(&run, |mut client| client.call(method, json!({})))
            .map(|_| ())
            .map_err(|error| super::refused(self.name, error))
    }

    fn ask_agent(&self) -> Result<(), Failure> {
        let guest = Guest::connect(self.name, self.environment)?;
        let word = if self.aim == Aim::Off { "powerdown" } else { "reboot" };
        let mut agent = guest.agent()?.within(REFUSAL_LIMIT);
        match block_on(agent.execute("guest-shutdown", &json!({ "mode": word }))) {
            Err(error @ agent::Error::Refused { .. }) => Err(error.into()),
            // No answer is what it answers; that nobody is left to answer is as good.
            _ => Ok(()),
        }
    }

    fn runs(&self) -> Result<bool, Failure> {
        Ok(super::domstate::of(self.name, self.environment)?.1.is_some())
    }

    /// Waits until the guest is gone; `false` if time ran out.
    fn wait(&self, limit: Duration) -> Result<bool, Failure> {
        let run = self.environment.directories.run_of(self.name)?;
        super::wait_until_gone(&run, Some(Instant::now() + limit))
            .map_err(|error| super::refused(self.name, error))
    }
}
