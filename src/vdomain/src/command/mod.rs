//! The commands: one file each.

mod capabilities;
mod change;
mod console;
mod control;
mod define;
mod dominfo;
mod domrename;
mod domstate;
mod dumpxml;
mod each;
mod edit;
mod format;
mod identity;
mod list;
mod plan;
mod start;
pub(crate) mod supervise;
mod undefine;
mod validate;

use std::path::Path;

use store::{Name, RunDirectory};
use supervisor::Client;
use supervisor::client::AskError;

use crate::arguments::Command;
use crate::domains::{Domains, Naming};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Carries out a command.
pub(crate) fn run(
    command: Command,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    match command {
        Command::Define(arguments) => define::run(&arguments, environment, output),
        Command::Edit(one) => edit::run(&one, environment, output),
        Command::Domrename(arguments) => domrename::run(&arguments, environment, output),
        Command::Undefine(arguments) => undefine::run(&arguments, environment, output),
        Command::Start(arguments) => start::run(&arguments, environment, output),
        Command::List(arguments) => list::run(&arguments, environment, output),
        Command::Dumpxml(arguments) => dumpxml::run(&arguments, environment, output),
        Command::Domstate(arguments) => domstate::run(&arguments, environment, output),
        Command::Dominfo(arguments) => dominfo::run(&arguments, environment, output),
        Command::Domuuid(one) => identity::domuuid(&one, environment, output),
        Command::Domname(one) => identity::domname(&one, environment, output),
        Command::Domid(one) => identity::domid(&one, environment, output),
        Command::Shutdown(several) => control::shutdown(&several, environment, output),
        Command::Destroy(several) => control::destroy(&several, environment, output),
        Command::Suspend(several) => control::suspend(&several, environment, output),
        Command::Resume(several) => control::resume(&several, environment, output),
        Command::AttachDevice(it) => change::attach_device(&it, environment, output),
        Command::DetachDevice(it) => change::detach_device(&it, environment, output),
        Command::AttachDisk(it) => change::attach_disk(&it, environment, output),
        Command::DetachDisk(it) => change::detach_disk(&it, environment, output),
        Command::AttachInterface(it) => change::attach_interface(&it, environment, output),
        Command::DetachInterface(it) => change::detach_interface(&it, environment, output),
        Command::Console(one) => console::run(&one, environment, output),
        Command::Format(arguments) => format::run(&arguments, environment, output),
        Command::Plan(arguments) => plan::run(&arguments, environment, output),
        Command::Validate(arguments) => validate::run(&arguments, environment, output),
        Command::Capabilities(arguments) => capabilities::run(&arguments, environment, output),
    }
}

/// This program, also when the file it was started from has been replaced.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Asks the supervisor of a guest. One that was killed before it replied is asked again by way of the
/// one that takes over: nothing that can be asked does harm when it is done twice.
fn ask<T>(
    run: &RunDirectory,
    question: impl Fn(Client) -> Result<T, AskError>,
) -> Result<T, AskError> {
    match connect(run).and_then(&question) {
        Err(AskError::Died) => connect(run).and_then(&question),
        asked => asked,
    }
}

/// Connects to the supervisor of a guest. Where it was killed, another one takes over first.
fn connect(run: &RunDirectory) -> Result<Client, AskError> {
    match Client::connect(run) {
        Err(AskError::NotRunning) if run.path().exists() => {
            supervisor::revive(Path::new(THIS_PROGRAM), run)
                .map_err(|error| AskError::Refused(error.to_string()))?;
            Client::connect(run)
        }
        connected => connected,
    }
}

/// The domain that a word means, defined or running.
fn domain(word: &str, environment: &Environment) -> Result<Name, Failure> {
    Domains::read(environment)?.find(word, Naming::Whole)
}

/// The same for what only looks: the beginning of a name is enough, where no other begins like that.
fn domain_to_read(word: &str, environment: &Environment) -> Result<Name, Failure> {
    Domains::read(environment)?.find(word, Naming::Prefix)
}
