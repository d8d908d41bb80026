//! Arguments of the commands that change which processors a guest has.

use base::{CpuSet, Value};
use clap::Args;

use super::{Changing, One};

/// Another number of processors.
#[derive(Debug, Args)]
pub(crate) struct Setvcpus {
    #[command(flatten)]
    pub(crate) domain: One,
    /// How many.
    #[arg(value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=CpuSet::LIMIT.into()))]
    pub(crate) count: u32,
    /// Set the most that there can be, for the next start.
    #[arg(long, requires = "config", conflicts_with_all = ["live", "guest"])]
    pub(crate) maximum: bool,
    /// Have the agent in the guest use so many of those that it has.
    #[arg(long, conflicts_with_all = ["config", "persistent", "print_plan"])]
    pub(crate) guest: bool,
    /// Let processors that are more in the stored document be ones that can be taken away.
    #[arg(long)]
    pub(crate) hotpluggable: bool,
    #[command(flatten)]
    pub(crate) changing: Changing,
}

/// Processors that come or go.
#[derive(Debug, Args)]
pub(crate) struct Setvcpu {
    #[command(flatten)]
    pub(crate) domain: One,
    /// Their numbers, from 0, such as 2-3,5.
    #[arg(value_name = "NUMBERS", value_parser = numbers)]
    pub(crate) numbers: CpuSet,
    /// Give the guest these processors.
    #[arg(long, required_unless_present = "disable")]
    pub(crate) enable: bool,
    /// Take these processors from the guest.
    #[arg(long, conflicts_with = "enable")]
    pub(crate) disable: bool,
    #[command(flatten)]
    pub(crate) changing: Changing,
}

fn numbers(text: &str) -> Result<CpuSet, String> {
    let set = CpuSet::parse(text).map_err(|bad| format!("expected {}", bad.expected))?;
    set.filter(|set| !set.0.is_empty()).ok_or_else(|| "there is no number in it".to_owned())
}
