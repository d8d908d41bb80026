//! Arguments of the commands that change how much memory a guest has.

use clap::Args;

use super::size::kibibytes;
use super::{Changing, One};

/// Another amount of memory.
#[derive(Debug, Args)]
pub(crate) struct Setmem {
    #[command(flatten)]
    pub(crate) domain: One,
    /// The size in KiB, or with a unit: 2G is 2 GiB.
    #[arg(value_name = "SIZE", value_parser = kibibytes)]
    pub(crate) size: u64,
    #[command(flatten)]
    pub(crate) changing: Changing,
}

/// Another size of a virtio-mem device.
#[derive(Debug, Args)]
pub(crate) struct UpdateMemoryDevice {
    #[command(flatten)]
    pub(crate) domain: One,
    /// Its alias; needed where there are several.
    #[arg(long, value_name = "ALIAS")]
    pub(crate) alias: Option<String>,
    /// The guest's NUMA node that it belongs to.
    #[arg(long, value_name = "NUMBER", conflicts_with = "alias")]
    pub(crate) node: Option<u32>,
    /// How large the guest is asked to let it be, in KiB or with a unit.
    #[arg(long, value_name = "SIZE", value_parser = kibibytes)]
    pub(crate) requested_size: u64,
    #[command(flatten)]
    pub(crate) changing: Changing,
}
