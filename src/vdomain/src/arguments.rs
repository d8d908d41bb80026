//! The command line: one struct for each command, whose doc comments are its help.

mod agent;
mod block;
mod deferred;
mod devices;
mod domains;
mod memory;
mod running;
mod size;
mod vcpus;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::engine::ArgValueCompleter;

use self::deferred::Deferred;
use crate::completion;

pub(crate) use agent::{AgentCommand, Domtime, Guestinfo, SetUserPassword};
pub(crate) use block::{
    Blkdeviotune, Blockcommit, Blockcopy, Blockjob, Blockpull, Blockresize, DiskOf,
    Domblkthreshold, Saying, SnapshotCreateAs, Waiting,
};
pub(crate) use devices::{
    Affected, AttachDisk, AttachInterface, ChangeMedia, Changing, DetachDisk, DetachInterface,
    DeviceFile, UpdateDevice,
};
pub(crate) use domains::{
    AutostartArguments, Console, Create, Destroy, Domstate, Escape, For, List, Mode, One, OneOf,
    Rename, Reporting, Run, RunningOrAll, Several, Shutdown, SomeRunning, StartArguments, Starting,
    Wait,
};

pub(crate) use memory::{Setmem, UpdateMemoryDevice};
pub(crate) use running::{
    AddressSource, Domblkinfo, Domblklist, Domblkstat, Domdisplay, Domifaddr, Domiflist, Domifstat,
    Domstats, EventArguments, MonitorCommand, Screenshot, SendKey,
};
pub(crate) use vcpus::{Setvcpu, Setvcpus};

/// QEMU guests from libvirt domain XML, without a daemon.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Store a domain, so that it can be started.
    Define(Deferred<Define>),
    /// Change the document of a domain in an editor.
    Edit(Deferred<One>),
    /// Give a domain another name.
    #[command(alias = "rename")]
    Domrename(Deferred<Rename>),
    /// Have domains started with the host, by systemd.
    Autostart(Deferred<AutostartArguments>),
    /// Forget a domain.
    Undefine(Deferred<Undefine>),
    /// Start domains.
    Start(Deferred<StartArguments>),
    /// List domains.
    List(Deferred<List>),
    /// Print the document of a domain.
    Dumpxml(Deferred<Dumpxml>),
    /// Print what there is to know about a domain.
    Dominfo(Deferred<Reporting>),
    /// Print the state of a domain.
    Domstate(Deferred<Domstate>),
    /// Print the UUID of a domain.
    Domuuid(Deferred<OneOf>),
    /// Print the name of a domain.
    Domname(Deferred<OneOf>),
    /// Print the number of a domain: that of its QEMU process; - if it does not run.
    Domid(Deferred<OneOf>),
    /// Ask guests to shut down: their agents, or as their power button would.
    #[command(alias = "poweroff")]
    Shutdown(Deferred<Shutdown>),
    /// Ask guests to shut down, and start them again.
    Reboot(Deferred<Shutdown>),
    /// End guests at once, as pulling their plug would.
    #[command(alias = "terminate")]
    Destroy(Deferred<Destroy>),
    /// Wait until a guest is so far.
    Wait(Deferred<Wait>),
    /// Stop the processors of guests.
    #[command(alias = "pause")]
    Suspend(Deferred<Several>),
    /// Let the processors of guests run on.
    Resume(Deferred<Several>),
    /// Add a device to a domain.
    AttachDevice(Deferred<DeviceFile>),
    /// Take a device from a domain.
    DetachDevice(Deferred<DeviceFile>),
    /// Change a device of a domain: the medium of a drive, or the link of an interface.
    UpdateDevice(Deferred<UpdateDevice>),
    /// Change the medium of a CD-ROM or floppy drive.
    ChangeMedia(Deferred<ChangeMedia>),
    /// Add a disk to a domain.
    AttachDisk(Deferred<AttachDisk>),
    /// Take a disk from a domain.
    DetachDisk(Deferred<DetachDisk>),
    /// Add a network interface to a domain.
    AttachInterface(Deferred<AttachInterface>),
    /// Take a network interface from a domain.
    DetachInterface(Deferred<DetachInterface>),
    /// Have a guest go on writing to overlays on its disks; the images below stay as they are.
    SnapshotCreateAs(Deferred<SnapshotCreateAs>),
    /// Bring the data of images of a disk into one below them.
    Blockcommit(Deferred<Blockcommit>),
    /// Bring the data of images of a disk into the one that the guest writes.
    Blockpull(Deferred<Blockpull>),
    /// Copy a disk of a guest.
    Blockcopy(Deferred<Blockcopy>),
    /// Print how far a block job is, or have it end.
    Blockjob(Deferred<Blockjob>),
    /// Make a disk of a guest larger or smaller.
    Blockresize(Deferred<Blockresize>),
    /// Have it said when a disk's image is filled beyond a point.
    Domblkthreshold(Deferred<Domblkthreshold>),
    /// Print or set the limits of a disk.
    Blkdeviotune(Deferred<Blkdeviotune>),
    /// Have the balloon of a guest leave it so much memory, or let it begin with that.
    Setmem(Deferred<Setmem>),
    /// Set the most memory that a guest can have, for the next start.
    Setmaxmem(Deferred<Setmem>),
    /// Ask a guest to let a virtio-mem device be larger or smaller.
    UpdateMemoryDevice(Deferred<UpdateMemoryDevice>),
    /// Set how many processors a guest has, or begins with.
    Setvcpus(Deferred<Setvcpus>),
    /// Give a guest some processors, or take them from it.
    Setvcpu(Deferred<Setvcpu>),
    /// Reset guests, as their reset button would.
    Reset(Deferred<Several>),
    /// Send guests a non-maskable interrupt.
    InjectNmi(Deferred<Several>),
    /// Say what happens to guests.
    Event(Deferred<EventArguments>),
    /// Print statistics of domains.
    Domstats(Deferred<Domstats>),
    /// Print what a guest's processors do.
    Vcpuinfo(Deferred<Reporting>),
    /// Print what a guest's memory is used for.
    Dommemstat(Deferred<Reporting>),
    /// List the disks of a domain.
    Domblklist(Deferred<Domblklist>),
    /// Print how large the images of a guest's disks are.
    Domblkinfo(Deferred<Domblkinfo>),
    /// Print what a guest has read from its disks and written.
    Domblkstat(Deferred<Domblkstat>),
    /// List the interfaces of a domain.
    Domiflist(Deferred<Domiflist>),
    /// Print what went through an interface of a guest.
    Domifstat(Deferred<Domifstat>),
    /// Print the addresses of a guest.
    Domifaddr(Deferred<Domifaddr>),
    /// Print where the display of a guest can be seen.
    Domdisplay(Deferred<Domdisplay>),
    /// Print the address of a guest's VNC display.
    Vncdisplay(Deferred<OneOf>),
    /// Print the terminal of a guest's console.
    Ttyconsole(Deferred<OneOf>),
    /// Press keys of a guest's keyboard.
    SendKey(Deferred<SendKey>),
    /// Write a picture of what a guest shows.
    Screenshot(Deferred<Screenshot>),
    /// Print what the agent in a guest says of it.
    Guestinfo(Deferred<Guestinfo>),
    /// Print the file systems that a guest has mounted; takes an agent in it.
    Domfsinfo(Deferred<Reporting>),
    /// Print or set the time of a guest; takes an agent in it.
    Domtime(Deferred<Domtime>),
    /// Print the name that a guest has given itself; takes an agent in it.
    Domhostname(Deferred<Reporting>),
    /// Set the password of a user of a guest; takes an agent in it.
    SetUserPassword(Deferred<SetUserPassword>),
    /// Give the agent in a guest a command.
    #[command(name = "qemu-agent-command")]
    TellAgent(Deferred<AgentCommand>),
    /// Talk to the QEMU of a guest; as many as like can at once.
    Qmp(Deferred<One>),
    /// Give the QEMU of a guest a command.
    #[command(name = "qemu-monitor-command")]
    TellQemu(Deferred<MonitorCommand>),
    /// Say what happens to guests, in QEMU's words.
    QemuMonitorEvent(Deferred<EventArguments>),
    /// Connect to the console of a guest; ^] leaves.
    Console(Deferred<Console>),
    /// Start a guest that is not defined.
    Create(Deferred<Create>),
    /// Run a guest that is not defined, in the foreground; it ends with this command.
    Run(Deferred<Run>),
    /// See to it that guests have a supervisor, where theirs was killed.
    Adopt(Deferred<SomeRunning>),
    /// Have supervisors go on as this version of vdomain, such as after an upgrade. Guests do not
    /// notice.
    Reexec(Deferred<RunningOrAll>),
    /// Print what `define` would store.
    Format(Deferred<Format>),
    /// Print what `start` would do; looks, and changes nothing.
    Plan(Deferred<PlanArguments>),
    /// Say what is wrong with documents.
    Validate(Deferred<Validate>),
    /// Print what a QEMU binary can do.
    Capabilities(Deferred<CapabilitiesArguments>),
}

/// How documents are taken.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Reading {
    /// Refuse what would otherwise be a warning.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Change what would otherwise be refused, and say what was changed.
    #[arg(long)]
    pub(crate) adapt: bool,
}

/// Another machine than this one.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Elsewhere {
    /// What QEMU can do, from a recorded conversation instead of the binary.
    #[arg(long, value_name = "FILE")]
    pub(crate) capabilities: Option<PathBuf>,
    /// What the host is like, from a file; nothing of this machine is looked at then.
    #[arg(long, value_name = "FILE")]
    pub(crate) host: Option<PathBuf>,
}

/// Store a domain.
#[derive(Debug, Args)]
pub(crate) struct Define {
    /// The document; - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Keep at least this many root ports of a PCI Express machine free, for devices that are added
    /// while the guest runs. It has at most 255 buses.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) spare_ports: Option<u8>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Forget a domain.
#[derive(Debug, Args)]
pub(crate) struct Undefine {
    /// Its name.
    #[arg(value_name = "DOMAIN", add = ArgValueCompleter::new(completion::domains))]
    pub(crate) name: String,
    /// Remove the variables of its firmware too.
    #[arg(long, conflicts_with = "keep_nvram")]
    pub(crate) nvram: bool,
    /// Keep the variables of its firmware.
    #[arg(long)]
    pub(crate) keep_nvram: bool,
    /// Remove the state of its TPM too.
    #[arg(long, conflicts_with = "keep_tpm")]
    pub(crate) tpm: bool,
    /// Keep the state of its TPM, as is done if nothing is said.
    #[arg(long)]
    pub(crate) keep_tpm: bool,
}

/// Print the document of a domain.
#[derive(Debug, Args)]
pub(crate) struct Dumpxml {
    /// Its name.
    #[arg(value_name = "DOMAIN", add = ArgValueCompleter::new(completion::domains))]
    pub(crate) name: String,
    /// The stored document, also while the guest runs.
    #[arg(long)]
    pub(crate) inactive: bool,
}

/// Print what `define` would store.
#[derive(Debug, Args)]
pub(crate) struct Format {
    /// The document; - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Read it as libvirt reads back what it has stored, not as a new definition.
    #[arg(long)]
    pub(crate) reload: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) elsewhere: Elsewhere,
}

/// Print what `start` would do.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// A domain, or the file of a document (anything with a / or .xml in it).
    #[arg(value_name = "DOMAIN|FILE")]
    pub(crate) subject: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave the guest's processors stopped.
    #[arg(long)]
    pub(crate) paused: bool,
    /// Read it as libvirt reads back what it has stored, not as a new definition.
    #[arg(long)]
    pub(crate) reload: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) elsewhere: Elsewhere,
}

/// Say what is wrong with documents.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The documents; - for standard input.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Print JSON: a list of what is wrong.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) elsewhere: Elsewhere,
}

/// Print what a QEMU binary can do.
#[derive(Debug, Args)]
pub(crate) struct CapabilitiesArguments {
    /// The binary. Without it, the one for guests of this machine's architecture.
    #[arg(long, value_name = "PATH")]
    pub(crate) emulator: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the conversation with the binary into a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Read the conversation from a file instead.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["emulator", "record"])]
    pub(crate) replay: Option<PathBuf>,
}
