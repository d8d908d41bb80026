//! Arguments of the commands to a guest's agent.

use clap::Args;

use super::{One, OneOf};

/// Give an agent a command.
#[derive(Debug, Args)]
pub(crate) struct AgentCommand {
    #[command(flatten)]
    pub(crate) domain: One,
    /// How long to wait for its answer.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Print the reply in several lines.
    #[arg(long)]
    pub(crate) pretty: bool,
    /// The command: JSON.
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub(crate) command: Vec<String>,
}

/// Print what a guest says of itself.
#[derive(Debug, Args)]
pub(crate) struct Guestinfo {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// Who is logged in.
    #[arg(long)]
    pub(crate) user: bool,
    /// The operating system.
    #[arg(long)]
    pub(crate) os: bool,
    /// The time zone.
    #[arg(long)]
    pub(crate) timezone: bool,
    /// The name of the machine.
    #[arg(long)]
    pub(crate) hostname: bool,
    /// The file systems.
    #[arg(long)]
    pub(crate) filesystem: bool,
    /// The interfaces and their addresses.
    #[arg(long)]
    pub(crate) interface: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print or set the time.
#[derive(Debug, Args)]
pub(crate) struct Domtime {
    #[command(flatten)]
    pub(crate) domain: One,
    /// Set it to that of the host.
    #[arg(long, conflicts_with_all = ["sync", "time"])]
    pub(crate) now: bool,
    /// Set it to that of the guest's hardware clock.
    #[arg(long, conflicts_with = "time")]
    pub(crate) sync: bool,
    /// Set it to so many seconds after 1970.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) time: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Set a password.
#[derive(Debug, Args)]
pub(crate) struct SetUserPassword {
    #[command(flatten)]
    pub(crate) domain: One,
    /// The user in the guest.
    #[arg(value_name = "USER")]
    pub(crate) user: String,
    /// The password. Without it, it is read from standard input, where nobody else sees it.
    #[arg(value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
    /// It is encrypted already, as the guest's system does it.
    #[arg(long)]
    pub(crate) encrypted: bool,
}
