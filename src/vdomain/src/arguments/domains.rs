//! Arguments of the commands about domains and their states.

use clap::Args;

use super::Reading;

/// A domain.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Its name, its UUID, or the number that `list` shows.
    #[arg(value_name = "DOMAIN")]
    pub(crate) name: String,
}

/// A domain that is only looked at.
#[derive(Debug, Args)]
pub(crate) struct OneOf {
    /// Its name or the beginning of it, its UUID, or the number that `list` shows.
    #[arg(value_name = "DOMAIN")]
    pub(crate) name: String,
}

/// Some domains.
#[derive(Debug, Args)]
pub(crate) struct Several {
    /// Their names, UUIDs, or the numbers that `list` shows. What is asked is done with all at once.
    #[arg(value_name = "DOMAIN", required = true)]
    pub(crate) names: Vec<String>,
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
