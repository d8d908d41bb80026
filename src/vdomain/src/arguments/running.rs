//! Arguments of the commands about what running guests do.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::completion;

use super::{One, OneOf};

/// Print statistics.
#[derive(Debug, Args)]
pub(crate) struct Domstats {
    /// The domains. Without any, all.
    #[arg(value_name = "DOMAIN", add = ArgValueCompleter::new(completion::domains))]
    pub(crate) names: Vec<String>,
    /// The state.
    #[arg(long)]
    pub(crate) state: bool,
    /// How long processors of the host have worked for the guest, in nanoseconds.
    #[arg(long)]
    pub(crate) cpu_total: bool,
    /// The memory, in KiB.
    #[arg(long)]
    pub(crate) balloon: bool,
    /// Each of the guest's processors.
    #[arg(long)]
    pub(crate) vcpu: bool,
    /// The interfaces.
    #[arg(long)]
    pub(crate) interface: bool,
    /// The disks.
    #[arg(long)]
    pub(crate) block: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// List disks.
#[derive(Debug, Args)]
pub(crate) struct Domblklist {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// Those of the stored document, also while the guest runs.
    #[arg(long)]
    pub(crate) inactive: bool,
    /// Also what kind of device and source each is.
    #[arg(long)]
    pub(crate) details: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print how large images are.
#[derive(Debug, Args)]
pub(crate) struct Domblkinfo {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// The name of the disk, such as vda, or its image.
    #[arg(value_name = "DISK")]
    pub(crate) device: Option<String>,
    /// All disks, in a table.
    #[arg(long, conflicts_with = "device")]
    pub(crate) all: bool,
    /// Sizes in the unit that suits.
    #[arg(long)]
    pub(crate) human: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print what was read and written.
#[derive(Debug, Args)]
pub(crate) struct Domblkstat {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// The name of the disk, such as vda, or its image. Without it, all.
    #[arg(value_name = "DISK")]
    pub(crate) device: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// List interfaces.
#[derive(Debug, Args)]
pub(crate) struct Domiflist {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// Those of the stored document, also while the guest runs.
    #[arg(long)]
    pub(crate) inactive: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print what went through an interface.
#[derive(Debug, Args)]
pub(crate) struct Domifstat {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// The device of the host that carries it, such as vnet0, or its MAC address.
    #[arg(value_name = "INTERFACE")]
    pub(crate) interface: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who is asked for a guest's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AddressSource {
    /// The agent in the guest.
    Agent,
    /// The DHCP servers of libvirt's networks.
    Lease,
    /// The host's neighbour table.
    Arp,
    /// The document, which tells passt what to give.
    Passt,
}

/// Print addresses.
#[derive(Debug, Args)]
pub(crate) struct Domifaddr {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// Only those of this interface.
    #[arg(value_name = "INTERFACE")]
    pub(crate) interface: Option<String>,
    /// Who is asked. Without it, one after the other, until one knows any.
    #[arg(long)]
    pub(crate) source: Option<AddressSource>,
    /// Name the interface on each line.
    #[arg(long)]
    pub(crate) full: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print where a display can be seen.
#[derive(Debug, Args)]
pub(crate) struct Domdisplay {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// Only displays of this kind.
    #[arg(long = "type", value_name = "TYPE", value_parser = ["vnc", "spice"])]
    pub(crate) kind: Option<String>,
    /// All displays, not only the first.
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Press keys.
#[derive(Debug, Args)]
pub(crate) struct SendKey {
    #[command(flatten)]
    pub(crate) domain: One,
    /// What the keys are named after: linux, xt, atset1, atset2, atset3, os_x, xt_kbd, usb, win32, rfb,
    /// qnum or qemu.
    #[arg(long, default_value = "linux")]
    pub(crate) codeset: String,
    /// How long they are held, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) holdtime: Option<u64>,
    /// The keys, all pressed at once: names such as KEY_ENTER, or numbers.
    #[arg(value_name = "KEY", required = true)]
    pub(crate) keys: Vec<String>,
}

/// Write a picture.
#[derive(Debug, Args)]
pub(crate) struct Screenshot {
    #[command(flatten)]
    pub(crate) domain: OneOf,
    /// The file. Without it, DOMAIN.png.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Which screen, from 0: the heads of the video cards.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) screen: Option<u32>,
}

/// Say what happens.
#[derive(Debug, Args)]
pub(crate) struct EventArguments {
    /// The domain. Without it, all that run, and that are started meanwhile.
    #[arg(value_name = "DOMAIN", add = ArgValueCompleter::new(completion::domains))]
    pub(crate) domain: Option<String>,
    /// Only events of this name; may be given more than once. Those of QEMU are in capitals.
    #[arg(long = "event", value_name = "NAME")]
    pub(crate) events: Vec<String>,
    /// Go on after the first.
    #[arg(long = "loop")]
    pub(crate) loops: bool,
    /// End after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
    /// Say when each happened, in seconds since 1970.
    #[arg(long)]
    pub(crate) timestamp: bool,
    /// What QEMU says, in its own words.
    #[arg(long)]
    pub(crate) qmp: bool,
    /// Print the names that there are.
    #[arg(long)]
    pub(crate) list: bool,
    /// Print JSON, a line each.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Give QEMU a command.
#[derive(Debug, Args)]
pub(crate) struct MonitorCommand {
    #[command(flatten)]
    pub(crate) domain: One,
    /// The command is one of QEMU's monitor for people.
    #[arg(long, conflicts_with_all = ["pretty", "return_value"])]
    pub(crate) hmp: bool,
    /// Print the reply in several lines.
    #[arg(long)]
    pub(crate) pretty: bool,
    /// Print only what is returned.
    #[arg(long)]
    pub(crate) return_value: bool,
    /// The command: JSON, or just its name.
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub(crate) command: Vec<String>,
}
