//! Arguments of the commands about domains and their states.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use super::Reading;
use crate::completion;

/// A domain.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Its name, its UUID, or the number that `list` shows.
    #[arg(value_name = "DOMAIN", add = ArgValueCompleter::new(completion::domains))]
    pub(crate) name: String,
}

/// A domain that is only looked at.
#[derive(Debug, Args)]
pub(crate) struct OneOf {
    /// Its name or the beginning of it, its UUID, or the number that `list` shows.
    #[arg(value_name = "DOMAIN", add = ArgValueCompleter::new(completion::domains))]
    pub(crate) name: String,
}

/// Some domains.
#[derive(Debug, Args)]
pub(crate) struct Several {
    /// Their names, UUIDs, or the numbers that `list` shows. What is asked is done with all at once.
    #[arg(value_name = "DOMAIN", required = true, add = ArgValueCompleter::new(completion::domains))]
    pub(crate) names: Vec<String>,
}

/// End guests.
#[derive(Debug, Args)]
pub(crate) struct Destroy {
    #[command(flatten)]
    pub(crate) domains: Several,
    /// Never kill QEMU, also where it does not end by itself.
    #[arg(long)]
    pub(crate) graceful: bool,
}

/// How a guest is asked to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Its agent is asked.
    Agent,
    /// Its power button is pressed.
    Acpi,
    /// It is ended, as pulling its plug would.
    Destroy,
}

/// Ask guests to shut down.
#[derive(Debug, Args)]
pub(crate) struct Shutdown {
    #[command(flatten)]
    pub(crate) domains: Several,
    /// How to ask, one way after the other. Without it: its agent, and where none answers, its power
    /// button.
    #[arg(long, value_name = "MODE", value_delimiter = ',')]
    pub(crate) mode: Vec<Mode>,
    /// Wait until the guest is gone, and go on to the next way when it does not react.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Wait so many seconds at most, all ways together. Says --wait.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum For {
    /// Its processors run.
    Running,
    /// Its operating system is up: its agent answers.
    Booted,
    /// Its agent answers.
    Agent,
    /// It has an address that others can reach.
    Address,
    /// It is gone.
    Shutoff,
}

/// Wait until a guest is so far.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// What to wait for.
    #[arg(long = "for", value_name = "WHAT", default_value = "shutoff")]
    pub(crate) what: For,
    /// Wait so many seconds at most.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
}

/// Have domains started with the host.
#[derive(Debug, Args)]
pub(crate) struct AutostartArguments {
    #[command(flatten)]
    pub(crate) domains: Several,
    /// No longer.
    #[arg(long)]
    pub(crate) disable: bool,
}

/// Connect to a console.
#[derive(Debug, Args)]
pub(crate) struct Console {
    #[command(flatten)]
    pub(crate) domain: One,
    #[command(flatten)]
    pub(crate) keys: Escape,
    /// The console, serial or parallel port, by its alias such as serial1. Without it, the first console.
    #[arg(long, value_name = "ALIAS")]
    pub(crate) devname: Option<String>,
    /// Connect also where somebody else is connected: what the guest says goes to one or the other.
    #[arg(long, conflicts_with = "read_only")]
    pub(crate) force: bool,
    /// Only show what the guest says, from the log of the console; any number can.
    #[arg(long)]
    pub(crate) read_only: bool,
}

/// The key that is not the guest's.
#[derive(Clone, Debug, Args)]
pub(crate) struct Escape {
    /// The key that leaves: ^ and a letter, or the letter alone. Twice and p stops the guest's
    /// processors or lets them run on, twice and r resets it; three times it is sent to the guest.
    #[arg(long, value_name = "KEY", default_value = "^]", value_parser = key)]
    pub(crate) escape: u8,
}

fn key(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [b'^', letter @ (b'@'..=b'_' | b'a'..=b'z')] => Ok(letter & 0x1f),
        [letter] if letter.is_ascii() => Ok(*letter),
        _ => Err("expected a key such as ^] or ^A".to_owned()),
    }
}

/// Start a guest that is not defined.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The document; - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) start: Starting,
}

/// Run a guest in the foreground.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The document; - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) keys: Escape,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Some domains that run, or all of them.
#[derive(Debug, Args)]
pub(crate) struct SomeRunning {
    /// Their names, UUIDs, or the numbers that `list` shows; all that run, if none is given.
    #[arg(value_name = "DOMAIN", add = ArgValueCompleter::new(completion::domains))]
    pub(crate) names: Vec<String>,
}

/// Some domains that run, or all of them where that is said.
#[derive(Debug, Args)]
pub(crate) struct RunningOrAll {
    /// Their names, UUIDs, or the numbers that `list` shows.
    #[arg(
        value_name = "DOMAIN",
        required_unless_present = "all",
        conflicts_with = "all",
        add = ArgValueCompleter::new(completion::domains)
    )]
    pub(crate) names: Vec<String>,
    /// All domains that run.
    #[arg(long)]
    pub(crate) all: bool,
}

/// A domain and a form of output.
#[derive(Debug, Args)]
pub(crate) struct Reporting {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print the state of a domain.
#[derive(Debug, Args)]
pub(crate) struct Domstate {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// Also say why it is in that state.
    #[arg(long)]
    pub(crate) reason: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Start domains.
#[derive(Debug, Args)]
pub(crate) struct StartArguments {
    #[command(flatten)]
    pub(crate) domains: Several,
    #[command(flatten)]
    pub(crate) start: Starting,
}

/// How guests are started.
#[derive(Clone, Debug, Args)]
pub(crate) struct Starting {
    /// Leave its processors stopped.
    #[arg(long)]
    pub(crate) paused: bool,
    /// Connect to its console.
    #[arg(long)]
    pub(crate) console: bool,
    /// Keep nothing of what it writes to its disks.
    #[arg(long)]
    pub(crate) ephemeral: bool,
    #[command(flatten)]
    pub(crate) keys: Escape,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// List domains.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Also those that do not run.
    #[arg(long)]
    pub(crate) all: bool,
    /// Only those that do not run.
    #[arg(long, conflicts_with = "all")]
    pub(crate) inactive: bool,
    /// Only those that are defined.
    #[arg(long, conflicts_with = "transient")]
    pub(crate) persistent: bool,
    /// Only those that are started with the host.
    #[arg(long, conflicts_with = "no_autostart")]
    pub(crate) autostart: bool,
    /// Only those that are not started with the host.
    #[arg(long)]
    pub(crate) no_autostart: bool,
    /// Only those that are not defined.
    #[arg(long)]
    pub(crate) transient: bool,
    /// Only names, one on a line.
    #[arg(long, conflicts_with_all = ["json", "uuid"])]
    pub(crate) name: bool,
    /// Only UUIDs, one on a line.
    #[arg(long, conflicts_with = "json")]
    pub(crate) uuid: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Give a domain another name.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    #[command(flatten)]
    pub(crate) domain: One,
    /// Its name from then on.
    #[arg(value_name = "NEW-NAME")]
    pub(crate) new_name: String,
}
