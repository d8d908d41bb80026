//! `console`: connect to the console of a guest.

use std::fs::OpenOptions;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use store::RunDirectory;
use supervisor::Client;
use supervisor::client::AskError;
use sys::terminal::{Ended, RawMode};

use crate::arguments::One;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// How long a supervisor may take to clear away what is left of a guest.
const END_LIMIT: Duration = Duration::from_secs(10);

/// The key that leaves: Ctrl and ].
const LEAVE: u8 = 0x1d;

pub(super) fn run(
    one: &One,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain(&one.name, environment)?;
    attach(&environment.directories.run_of(&name)?, output, |_| Ok(()))
}

/// Connects to the first console that has a terminal; `connected` is called when it is open.
pub(super) fn attach(
    run: &RunDirectory,
    output: &mut Output,
    connected: impl FnOnce(&mut Client) -> Result<(), AskError>,
) -> Result<Exit, Failure> {
    let name = run.name();
    let refused = |error| super::refused(name, error);
    let (mut client, consoles) = super::ask(run, |mut client| {
        let consoles = client.consoles()?;
        Ok((client, consoles))
    })
    .map_err(refused)?;
    let path = consoles.into_iter().flatten().next().ok_or_else(|| {
        Failure::refused(format!("domain '{name}' has no console with a terminal"))
            .help("add <console type='pty'/> to its devices and start it again")
    })?;
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(sys::terminal::NOT_CONTROLLING)
        .open(&path)
        .map_err(|error| cannot_open(&path, &error))?;
    output.say(format_args!("Connected to domain '{name}'\nEscape character is ^] (Ctrl + ])"));
    // Standard input may be no terminal; what comes from it is passed on all the same.
    let raw = RawMode::enter(io::stdin()).ok();
    connected(&mut client).map_err(refused)?;
    let ended = sys::terminal::pass_through(io::stdin(), io::stdout(), &terminal, leave);
    drop(raw);
    match ended {
        Ok(Ended::ByUser) => output.say("\nLeft the console; the guest goes on"),
        Ok(Ended::ByPeer) => {
            // The guest may also just have closed its console.
            let _ = super::wait_until_gone(run, Some(Instant::now() + END_LIMIT));
            output.say("\nThe guest is gone");
        }
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Err(Failure::NobodyReads);
        }
        Err(error) => {
            return Err(Failure::refused(format!("the console: {}", sys::reason(&error))));
        }
    }
    Ok(Exit::Done)
}

/// Passes keys on up to the one that leaves.
fn leave(typed: &mut Vec<u8>) -> ControlFlow<()> {
    match typed.iter().position(|key| *key == LEAVE) {
        Some(at) => {
            typed.truncate(at);
            ControlFlow::Break(())
        }
        None => ControlFlow::Continue(()),
    }
}

fn cannot_open(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(format!(
        "cannot open the console '{}': {}",
        path.display(),
        sys::reason(error)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_before_leaving_is_passed_on() {
        let mut typed = b"ls\r\x1dx".to_vec();
        assert!(leave(&mut typed).is_break());
        assert_eq!(typed, b"ls\r");
    }
}
