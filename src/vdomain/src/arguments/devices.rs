//! Arguments of the commands that change devices.

use std::path::PathBuf;

use clap::Args;

use super::{One, Reading};

/// What of a domain is changed.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Affected {
    /// Change the guest that runs.
    #[arg(long)]
    pub(crate) live: bool,
    /// Change the stored document, for the next start.
    #[arg(long)]
    pub(crate) config: bool,
    /// Change the guest if it runs, else the stored document; so it is if nothing is said.
    #[arg(long, conflicts_with_all = ["live", "config", "persistent"])]
    pub(crate) current: bool,
    /// Change the stored document, and the guest too if it runs.
    #[arg(long)]
    pub(crate) persistent: bool,
}

/// How a change is made.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Changing {
    #[command(flatten)]
    pub(crate) affected: Affected,
    /// Print what would be done to the guest, and change nothing.
    #[arg(long)]
    pub(crate) print_plan: bool,
    /// Print that as JSON.
    #[arg(long, requires = "print_plan")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// A device from a document.
#[derive(Debug, Args)]
pub(crate) struct DeviceFile {
    #[command(flatten)]
    pub(crate) domain: One,
    /// The document of the device: an element as it stands in <devices>; - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) changing: Changing,
}

/// A device as it is to be.
#[derive(Debug, Args)]
pub(crate) struct UpdateDevice {
    #[command(flatten)]
    pub(crate) device: DeviceFile,
    /// Open a tray also if the guest has locked it.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Another medium for a drive.
#[derive(Debug, Args)]
pub(crate) struct ChangeMedia {
    #[command(flatten)]
    pub(crate) domain: One,
    /// The name of the drive, such as sda, or its image.
    #[arg(value_name = "PATH")]
    pub(crate) drive: String,
    /// The image that is put in.
    #[arg(value_name = "SOURCE", conflicts_with = "eject")]
    pub(crate) source: Option<String>,
    /// Take the medium out.
    #[arg(long, conflicts_with_all = ["insert", "update"])]
    pub(crate) eject: bool,
    /// Put a medium into an empty drive.
    #[arg(long, requires = "source", conflicts_with = "update")]
    pub(crate) insert: bool,
    /// Put another medium in; so it is if nothing is said.
    #[arg(long, requires = "source")]
    pub(crate) update: bool,
    /// Open the tray also if the guest has locked it.
    #[arg(long)]
    pub(crate) force: bool,
    /// The image is a block device; if nothing is said, what is found there.
    #[arg(long)]
    pub(crate) block: bool,
    /// Print the document of the drive, and change nothing.
    #[arg(long)]
    pub(crate) print_xml: bool,
    #[command(flatten)]
    pub(crate) changing: Changing,
}

/// A disk in words.
#[derive(Debug, Args)]
pub(crate) struct AttachDisk {
    #[command(flatten)]
    pub(crate) domain: One,
    /// The image: a file or a block device.
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// The name of the disk, such as vdb.
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// The bus; if nothing is said, the one that goes with the name.
    #[arg(long, value_name = "BUS")]
    pub(crate) targetbus: Option<String>,
    /// The image's format; raw if nothing is said.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) subdriver: Option<String>,
    /// How the host's cache is used.
    #[arg(long, value_name = "MODE")]
    pub(crate) cache: Option<String>,
    /// How QEMU reads and writes: threads, native or io_uring.
    #[arg(long, value_name = "IO")]
    pub(crate) io: Option<String>,
    /// The I/O thread that serves it.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) iothread: Option<u32>,
    /// What the guest sees: disk, cdrom, floppy or lun.
    #[arg(long = "type", value_name = "DEVICE", default_value = "disk")]
    pub(crate) device: String,
    /// Who may write: readonly, or shareable with other guests.
    #[arg(long, value_name = "MODE", value_parser = ["readonly", "shareable"])]
    pub(crate) mode: Option<String>,
    /// What the image is; if nothing is said, what is found there.
    #[arg(long, value_name = "KIND", value_parser = ["file", "block"])]
    pub(crate) sourcetype: Option<String>,
    /// The serial number.
    #[arg(long, value_name = "TEXT")]
    pub(crate) serial: Option<String>,
    /// The world wide name.
    #[arg(long, value_name = "WWN")]
    pub(crate) wwn: Option<String>,
    /// The device's alias; it begins with ua-.
    #[arg(long, value_name = "ALIAS")]
    pub(crate) alias: Option<String>,
    /// Print the document of the disk, and change nothing.
    #[arg(long)]
    pub(crate) print_xml: bool,
    #[command(flatten)]
    pub(crate) changing: Changing,
}

/// A disk that is there.
#[derive(Debug, Args)]
pub(crate) struct DetachDisk {
    #[command(flatten)]
    pub(crate) domain: One,
    /// Its name, such as vdb.
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) changing: Changing,
}

/// A network interface in words.
#[derive(Debug, Args)]
pub(crate) struct AttachInterface {
    #[command(flatten)]
    pub(crate) domain: One,
    /// What it is connected to: user, bridge, network, direct, ethernet, hostdev.
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// The bridge, network, device of the host or PCI address; none for user and ethernet.
    #[arg(value_name = "SOURCE")]
    pub(crate) source: Option<String>,
    /// The name of the device on the host.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// The MAC address; made up if nothing is said.
    #[arg(long, value_name = "MAC")]
    pub(crate) mac: Option<String>,
    /// The model, such as virtio.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Of direct: vepa, bridge, private or passthrough.
    #[arg(long, value_name = "MODE")]
    pub(crate) source_mode: Option<String>,
    /// Of hostdev: whether the device is taken from the host and given back.
    #[arg(long)]
    pub(crate) managed: bool,
    /// The device's alias; it begins with ua-.
    #[arg(long, value_name = "ALIAS")]
    pub(crate) alias: Option<String>,
    /// Print the document of the interface, and change nothing.
    #[arg(long)]
    pub(crate) print_xml: bool,
    #[command(flatten)]
    pub(crate) changing: Changing,
}

/// A network interface that is there.
#[derive(Debug, Args)]
pub(crate) struct DetachInterface {
    #[command(flatten)]
    pub(crate) domain: One,
    /// What it is connected to.
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// Its MAC address; needed where there are several of that type.
    #[arg(long, value_name = "MAC")]
    pub(crate) mac: Option<String>,
    #[command(flatten)]
    pub(crate) changing: Changing,
}
