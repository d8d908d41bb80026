//! `create`, `run`: guests that are not defined.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::json;
use store::{Definitions, Name, RunDirectory};
use supervisor::{Client, Last, Reason};
use sys::runtime::{Signals, block_on, within};

use crate::arguments::{Create, Reading, Run, Starting};
use crate::document::{Completed, Document};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::world::World;

/// How long a guest that was asked to shut down may go on before it is asked again.
const PRESS_AGAIN: Duration = Duration::from_secs(10);

pub(super) fn create(
    arguments: &Create,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let starting = &arguments.start;
    let world = World::here(environment);
    let (name, completed) = transient(&arguments.file, &starting.reading, &world, environment)?;
    let waiting = super::start::prepare(&name, environment)?;
    super::start::launch(&name, &completed, waiting, &world, starting, environment, output)?;
    if starting.console {
        return super::start::connect(&name, starting, environment, output);
    }
    Ok(Exit::Done)
}

pub(super) fn run(
    arguments: &Run,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let world = World::here(environment);
    let (name, completed) = transient(&arguments.file, &arguments.reading, &world, environment)?;
    // From here on a signal is a wish, also while the guest starts.
    let signals = Signals::new().map_err(Failure::refused)?;
    let starting = Starting {
        // A console that is connected before the guest runs misses nothing.
        paused: true,
        ephemeral: false,
        console: false,
        keys: arguments.keys.clone(),
        reading: arguments.reading.clone(),
    };
    let waiting = super::start::prepare(&name, environment)?;
    // Whoever runs this watches over it, and keeps the guest where it is.
    let here = Environment { units: None, systemd: None, ..environment.clone() };
    super::start::launch(&name, &completed, waiting, &world, &starting, &here, output)?;
    tell(environment, "READY=1");
    obey(signals, name.clone(), environment.clone());
    let run = environment.directories.run_of(&name)?;
    let ended = in_foreground(&run, arguments, output);
    if let Err(failure) = ended {
        // Nothing would watch over it any more.
        let _ = super::ask(&run, |mut client| client.call("Destroy", json!({})));
        return Err(failure);
    }
    let how = Last::read(&run);
    // Nobody can ask any more how a guest ended that is not defined.
    let _ = Last::forget(&run);
    match how.map(|last| last.reason) {
        Some(Reason::Crashed | Reason::Failed) => {
            Err(Failure::refused(format!("domain '{name}' has crashed")))
        }
        _ => Ok(Exit::Done),
    }
}

/// Lets the guest run, shows its console if it has one, and waits until it is gone.
fn in_foreground(run: &RunDirectory, arguments: &Run, output: &mut Output) -> Result<(), Failure> {
    let refused = |error| super::refused(run.name(), error);
    let consoles = super::ask(run, |mut client| client.consoles()).map_err(refused)?;
    if consoles.iter().any(Option::is_some) {
        let resume = |client: &mut Client| client.call("Resume", json!({})).map(|_| ());
        match super::console::attach(run, None, &arguments.keys, false, output, resume) {
            // The guest does not depend on whether somebody reads.
            Ok(_) | Err(Failure::NobodyReads) => {}
            Err(failure) => return Err(failure),
        }
    } else {
        super::ask(run, |mut client| client.call("Resume", json!({}))).map_err(refused)?;
    }
    super::wait_until_gone(run, None).map_err(refused)?;
    Ok(())
}

/// Reads and completes the document of a guest that is not defined.
fn transient(
    file: &Path,
    reading: &Reading,
    world: &World,
    environment: &Environment,
) -> Result<(Name, Completed), Failure> {
    let document = Document::read(file)?;
    let name = Name::new(document.domain.name.clone())?;
    environment.directories.run_of(&name)?;
    if Definitions::new(&environment.directories.definitions).path(&name).exists() {
        return Err(Failure::refused(format!("domain '{name}' is defined"))
            .help(format!("`vdomain start {name}` starts it")));
    }
    Ok((name, document.complete(world, qemu::Mode::Define, reading)?))
}

/// Does what signals ask for: the first asks the guest to shut down, the second ends it. A guest that
/// is still booting does not notice its power button, so that is pressed again.
fn obey(mut signals: Signals, name: Name, environment: Environment) {
    thread::spawn(move || {
        let mut output = Output::new();
        let mut asked = false;
        loop {
            let signal = match asked {
                false => Some(block_on(signals.next())),
                true => block_on(within(PRESS_AGAIN, signals.next())),
            };
            let done = match signal {
                Some(Err(_)) => return,
                Some(Ok(_)) if asked => super::control::end(&name, &environment, &mut output),
                Some(Ok(_)) => {
                    tell(&environment, "STOPPING=1");
                    super::shutdown::ask(&name, &environment, &mut output)
                }
                None => super::shutdown::ask(&name, &environment, &mut output),
            };
            asked = true;
            if let Err(failure) = done {
                output.failure(&failure);
            }
        }
    });
}

/// Tells the service manager how it is, where there is one.
fn tell(environment: &Environment, state: &str) {
    if let Some(address) = environment.variables.get("NOTIFY_SOCKET") {
        // A manager that does not listen any more need not be told.
        let _ = sys::service::notify(address, state);
    }
}
