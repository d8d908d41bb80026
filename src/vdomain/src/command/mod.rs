//! The commands: one file each.

mod agent;
mod autostart;
mod block;
mod capabilities;
mod change;
mod console;
mod control;
mod define;
mod domblk;
mod domdisplay;
mod domif;
mod dominfo;
mod dommemstat;
mod domrename;
mod domstate;
mod domstats;
mod dumpxml;
mod each;
mod edit;
mod event;
mod format;
mod identity;
mod list;
mod memory;
mod monitor;
mod plan;
mod qmp;
mod run;
mod screenshot;
mod send_key;
mod shutdown;
mod start;
pub(crate) mod supervise;
mod supervision;
mod undefine;
mod validate;
mod vcpuinfo;
mod vcpus;
mod wait;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

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
        Command::Autostart(arguments) => autostart::run(&arguments, environment, output),
        Command::Undefine(arguments) => undefine::run(&arguments, environment, output),
        Command::Start(arguments) => start::run(&arguments, environment, output),
        Command::List(arguments) => list::run(&arguments, environment, output),
        Command::Dumpxml(arguments) => dumpxml::run(&arguments, environment, output),
        Command::Domstate(arguments) => domstate::run(&arguments, environment, output),
        Command::Dominfo(arguments) => dominfo::run(&arguments, environment, output),
        Command::Domuuid(one) => identity::domuuid(&one, environment, output),
        Command::Domname(one) => identity::domname(&one, environment, output),
        Command::Domid(one) => identity::domid(&one, environment, output),
        Command::Shutdown(several) => shutdown::shutdown(&several, environment, output),
        Command::Reboot(several) => shutdown::reboot(&several, environment, output),
        Command::Destroy(arguments) => control::destroy(&arguments, environment, output),
        Command::Wait(arguments) => wait::run(&arguments, environment, output),
        Command::Suspend(several) => control::suspend(&several, environment, output),
        Command::Resume(several) => control::resume(&several, environment, output),
        Command::AttachDevice(it) => change::attach_device(&it, environment, output),
        Command::DetachDevice(it) => change::detach_device(&it, environment, output),
        Command::UpdateDevice(it) => change::update_device(&it, environment, output),
        Command::ChangeMedia(it) => change::change_media(&it, environment, output),
        Command::AttachDisk(it) => change::attach_disk(&it, environment, output),
        Command::DetachDisk(it) => change::detach_disk(&it, environment, output),
        Command::AttachInterface(it) => change::attach_interface(&it, environment, output),
        Command::DetachInterface(it) => change::detach_interface(&it, environment, output),
        Command::SnapshotCreateAs(it) => block::snapshot_create_as(&it, environment, output),
        Command::Blockcommit(it) => block::blockcommit(&it, environment, output),
        Command::Blockpull(it) => block::blockpull(&it, environment, output),
        Command::Blockcopy(it) => block::blockcopy(&it, environment, output),
        Command::Blockjob(it) => block::blockjob(&it, environment, output),
        Command::Blockresize(it) => block::blockresize(&it, environment, output),
        Command::Domblkthreshold(it) => block::domblkthreshold(&it, environment, output),
        Command::Blkdeviotune(it) => block::blkdeviotune(&it, environment, output),
        Command::Setmem(it) => memory::setmem(&it, environment, output),
        Command::Setmaxmem(it) => memory::setmaxmem(&it, environment, output),
        Command::UpdateMemoryDevice(it) => memory::update_memory_device(&it, environment, output),
        Command::Setvcpus(it) => vcpus::setvcpus(&it, environment, output),
        Command::Setvcpu(it) => vcpus::setvcpu(&it, environment, output),
        Command::Reset(several) => control::reset(&several, environment, output),
        Command::InjectNmi(several) => monitor::inject_nmi(&several, environment, output),
        Command::Event(arguments) => event::run(&arguments, false, environment, output),
        Command::Domstats(arguments) => domstats::run(&arguments, environment, output),
        Command::Vcpuinfo(arguments) => vcpuinfo::run(&arguments, environment, output),
        Command::Dommemstat(arguments) => dommemstat::run(&arguments, environment, output),
        Command::Domblklist(arguments) => domblk::domblklist(&arguments, environment, output),
        Command::Domblkinfo(arguments) => domblk::domblkinfo(&arguments, environment, output),
        Command::Domblkstat(arguments) => domblk::domblkstat(&arguments, environment, output),
        Command::Domiflist(arguments) => domif::domiflist(&arguments, environment, output),
        Command::Domifstat(arguments) => domif::domifstat(&arguments, environment, output),
        Command::Domifaddr(arguments) => domif::domifaddr(&arguments, environment, output),
        Command::Domdisplay(arguments) => domdisplay::run(&arguments, environment, output),
        Command::Vncdisplay(one) => domdisplay::vncdisplay(&one, environment, output),
        Command::Ttyconsole(one) => console::ttyconsole(&one, environment, output),
        Command::SendKey(arguments) => send_key::run(&arguments, environment, output),
        Command::Screenshot(arguments) => screenshot::run(&arguments, environment, output),
        Command::Guestinfo(arguments) => agent::guestinfo(&arguments, environment, output),
        Command::Domfsinfo(arguments) => agent::domfsinfo(&arguments, environment, output),
        Command::Domtime(arguments) => agent::domtime(&arguments, environment, output),
        Command::Domhostname(arguments) => agent::domhostname(&arguments, environment, output),
        Command::SetUserPassword(arguments) => {
            agent::set_user_password(&arguments, environment, output)
        }
        Command::TellAgent(arguments) => agent::command(&arguments, environment, output),
        Command::Qmp(one) => qmp::run(&one, environment, output),
        Command::TellQemu(arguments) => monitor::command(&arguments, environment, output),
        Command::QemuMonitorEvent(arguments) => event::run(&arguments, true, environment, output),
        Command::Create(arguments) => run::create(&arguments, environment, output),
        Command::Run(arguments) => run::run(&arguments, environment, output),
        Command::Console(arguments) => console::run(&arguments, environment, output),
        Command::Adopt(some) => supervision::adopt(&some, environment, output),
        Command::Reexec(some) => supervision::reexec(&some, environment, output),
        Command::Format(arguments) => format::run(&arguments, environment, output),
        Command::Plan(arguments) => plan::run(&arguments, environment, output),
        Command::Validate(arguments) => validate::run(&arguments, environment, output),
        Command::Capabilities(arguments) => capabilities::run(&arguments, environment, output),
    }
}

/// This program, also when the file it was started from has been replaced.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// How often to look whether a supervisor has cleared everything away.
const CLEARING_PAUSE: Duration = Duration::from_millis(10);

/// How often a supervisor that ends before it replies is asked again: the one that takes over may end
/// with its guest, and then the next says so.
const ATTEMPTS: usize = 50;

/// How long to wait before: one that goes on as another version is not there for a moment.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(10);

/// Asks the supervisor of a guest. One that was killed before it replied is asked again by way of the
/// one that takes over: nothing that can be asked does harm when it is done twice.
pub(crate) fn ask<T>(
    run: &RunDirectory,
    question: impl Fn(Client) -> Result<T, AskError>,
) -> Result<T, AskError> {
    let mut asked = connect(run).and_then(&question);
    for _ in 1..ATTEMPTS {
        let Err(AskError::Died) = asked else { break };
        thread::sleep(ATTEMPT_PAUSE);
        asked = connect(run).and_then(&question);
    }
    asked
}

/// Connects to the supervisor of a guest; there is one as long as there is a guest.
fn connect(run: &RunDirectory) -> Result<Client, AskError> {
    supervisor::reach(Path::new(THIS_PROGRAM), run)
}

/// Waits until nothing of a guest is left; `false` if it is there still at the deadline. A supervisor
/// that is killed meanwhile is replaced.
fn wait_until_gone(run: &RunDirectory, deadline: Option<Instant>) -> Result<bool, AskError> {
    let left = || deadline.map_or(FOREVER, |at| at.saturating_duration_since(Instant::now()));
    loop {
        match connect(run) {
            // Whether it has ended or was killed is told by the next connection.
            Ok(client) => {
                if !client.wait_until_gone(left()) {
                    return Ok(false);
                }
            }
            Err(AskError::NotRunning) if !run.path().exists() => return Ok(true),
            Err(AskError::NotRunning) if left().is_zero() => return Ok(false),
            // It is just clearing away.
            Err(AskError::NotRunning) => thread::sleep(CLEARING_PAUSE),
            Err(error) => return Err(error),
        }
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

/// Why a supervisor did not do what was asked, in a sentence about the domain.
pub(crate) fn refused(name: &Name, error: AskError) -> Failure {
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
