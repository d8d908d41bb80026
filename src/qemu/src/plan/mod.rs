//! The plan: what `start` is going to do, as a value.
//!
//! Its JSON form is public (`vdomain plan --json`): the arguments of QEMU, the descriptors it gets
//! and what each is opened from, and the QMP commands in order.

mod argument;
mod audio;
mod blockdev;
mod boot;
mod builder;
mod chain;
mod chardev;
mod clock;
mod control_group;
mod controller;
mod cpu;
mod crypto;
mod device;
mod disk;
mod filesystem;
mod firmware;
mod graphics;
mod guest;
mod header_name;
mod hostdev;
mod hotplug;
mod image;
mod input;
mod interface;
mod inventory;
mod iommu;
mod iothread;
mod launch_security;
mod lease;
mod machine;
mod make;
mod memballoon;
mod memory;
mod memory_device;
mod namespace;
mod network_source;
mod numa;
mod passt;
mod ports;
mod processor;
mod pstore;
mod redirdev;
mod reservations;
mod rng;
mod secret;
mod shmem;
mod smbios;
mod sound;
mod source;
mod switch;
mod tap;
mod text;
pub(crate) mod throttle;
mod tpm;
mod tune;
mod vfio;
mod vhost_user;
mod video;
mod volume;
mod vsock;
mod watchdog;
mod writer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xml::{Origin, Problem};

pub(crate) use builder::{Builder, Wanted};
pub use control_group::{ControlGroup, GroupSetting, LockedMemory};
pub(crate) use graphics::password_commands;
pub(crate) use hotplug::why_it_stays;
pub use hotplug::why_type_is_cold;
pub(crate) use image::{NewImage, OpenImage, add, images, lend, questions as image_questions};
pub use inventory::{Inventory, undo};
pub use make::{Options, plan, questions};
pub(crate) use make::{additions, device_questions, medium, processors};
pub use ports::consoles;
pub use processor::{processor, processor_id};
pub use secret::{PlannedSecret, SecretOrigin};

/// What `start` is going to do.
///
/// A text `{NAME}` in an argument or a command stands for a late value: something that exists only
/// while the guest starts, such as the name of a tap (`{net0-name}`) or a CID (`{vsock0-cid}`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The arguments of QEMU, its binary first.
    pub argv: Vec<String>,
    /// The environment of QEMU: nothing but this.
    pub environment: BTreeMap<String, String>,
    /// Processes that run beside QEMU, started before it, in order.
    pub helpers: Vec<Helper>,
    /// The descriptors that QEMU gets.
    pub fds: Vec<Fd>,
    /// The QMP commands, in order, those that hand over descriptors first; each sent without waiting
    /// for the answer to the one before.
    pub qmp: Vec<Command>,
    /// Questions that nobody looked at.
    pub not_examined: Vec<String>,
    /// What QEMU will open or connect to by itself, and why.
    pub by_path: Vec<ByPath>,
    /// What is to be known about this start, such as a slower way taken because a host lacks the
    /// faster one.
    pub notes: Vec<String>,
    /// PCI devices that are taken from the host before anything is opened, and given back in the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<PciHandover>,
    /// Files that are made before anything is opened, unless they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopyIfMissing>,
    /// Virtual functions of network cards that are set up before the guest gets them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub virtual_functions: Vec<VirtualFunction>,
    /// Values that become late values and are written down nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<PlannedSecret>,
    /// The late value that is a moment, of a guest whose clock goes on from where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<StartTime>,
    /// Processors that are added to the machine before it runs, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<AddedProcessor>,
    /// Threads of QEMU that have a place of their own on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<ThreadPlacement>,
    /// What the processor must have when QEMU has made it. Absent: whatever it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<RequiredProcessor>,
    /// The limits that the kernel puts the guest under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_group: Option<ControlGroup>,
    /// How much memory QEMU may lock. Absent: as much as whoever starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_memory: Option<LockedMemory>,
    /// What is to be said about the document in view of this host.
    #[serde(skip)]
    pub warnings: Vec<Problem>,
}

/// A PCI device that the host lets go of while the guest runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciHandover {
    /// The device, such as `0000:06:12.5`.
    pub address: String,
    /// The kernel's driver that it is bound to for the guest.
    pub driver: String,
    /// What it is for, in the user's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// The element that names it.
    #[serde(skip)]
    pub origin: Origin,
    /// Where that element stands, as `FILE:LINE:COLUMN`; known when the plan is located.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// A file that is made as a copy of another one, unless it is there: a guest's own variables of its
/// firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyIfMissing {
    /// The file.
    pub path: String,
    /// What it is a copy of.
    pub template: String,
    /// What it is for, in the user's words.
    pub purpose: String,
    /// Where the element that needs it stands, as `FILE:LINE:COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The element that needs it.
    #[serde(skip)]
    pub origin: Origin,
}

/// A processor of the guest that is added to the machine before it runs, because it can be taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedProcessor {
    /// Its number, from 0.
    pub number: u32,
    /// What it is, in the user's words.
    pub purpose: String,
    /// Where its element stands, as `FILE:LINE:COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Its element.
    #[serde(skip)]
    pub origin: Origin,
}

/// What a processor must have when QEMU has made it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredProcessor {
    /// The name of its model.
    pub model: String,
    /// Features, in QEMU's words.
    pub features: Vec<String>,
    /// Where its element stands, as `FILE:LINE:COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Its element.
    #[serde(skip)]
    pub origin: Origin,
}

/// Where a thread of QEMU runs, and how it is scheduled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadPlacement {
    /// Which one.
    pub thread: Thread,
    /// The processors of the host that it runs on; all of them if none are said.
    pub cpus: Option<Vec<u32>>,
    /// How it is scheduled; as others are if nothing is said.
    pub policy: Option<Policy>,
    /// Where the element stands that asks for it, as `FILE:LINE:COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The element that asks for it.
    #[serde(skip)]
    pub origin: Origin,
}

/// A thread of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Thread {
    /// QEMU itself, with all of its threads that are nothing else.
    Emulator,
    /// A processor of the guest.
    Vcpu {
        /// Its number, from 0.
        number: u32,
    },
    /// An I/O thread.
    Iothread {
        /// Its number, from 1.
        number: u32,
    },
}

/// How a thread is scheduled. Linux: `sched(7)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Policy {
    /// As one that works without a pause.
    Batch,
    /// After all others.
    Idle,
    /// Before all others of a lower priority, until it waits.
    Fifo {
        /// From 1 (last) to 99 (first).
        priority: i32,
    },
    /// As `Fifo`, but in turn with others of its priority.
    Rr {
        /// From 1 (last) to 99 (first).
        priority: i32,
    },
}

/// A moment that is known when the guest starts, written as `2024-02-29T12:00:00`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartTime {
    /// The late value that it becomes.
    pub late: String,
    /// How many seconds after the guest's start it is.
    pub adjustment: i64,
    /// Whether it is written in the host's time zone, not in UTC.
    pub local: bool,
}

/// A descriptor that QEMU gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fd {
    /// Its name in this plan.
    pub name: String,
    /// What it is opened from: a path, or `tap:{net0-name}` and the like.
    pub source: String,
    /// How it is opened.
    pub open: Open,
    /// Whether it is passed under its name (`getfd`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub getfd: bool,
    /// The set it belongs to (`add-fd`).
    pub fdset: Option<u32>,
    /// Its number in QEMU, if it is inherited.
    pub fd: Option<i32>,
    /// What it is for, in the user's words: `disk vda`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// The element that names the source.
    #[serde(skip)]
    pub origin: Origin,
    /// Where that element stands, as `FILE:LINE:COLUMN`; known when the plan is located.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// How a descriptor is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Open {
    /// A regular file or block device with an image.
    File {
        /// For reading, or for writing too.
        access: Access,
        /// Past the host's cache (`O_DIRECT`).
        direct: bool,
    },
    /// A new file with a name, for an image, opened for reading and writing.
    Create {
        /// How large it is, in bytes.
        size: u64,
        /// Past the host's cache (`O_DIRECT`).
        direct: bool,
    },
    /// A directory.
    Directory,
    /// A new file without a name, for a guest's memory: in the directory that the path is, or in
    /// the nearest one above it that is there.
    Memory,
    /// A new file without a name that holds what a guest writes and nobody keeps: beside the image that
    /// the path is, in `/var/tmp`, or in memory, the first of these that can be.
    Overlay,
    /// The file's content is copied into sealed memory, so that QEMU never sees the file.
    MemfdCopy,
    /// Sealed memory with a text of the document.
    Text {
        /// The text.
        content: String,
    },
    /// A file that is mapped as memory, made if it is missing; it gets its size from QEMU.
    MemoryFile,
    /// A file that is written from its end, made if it is missing.
    Log {
        /// Whether what is in it stays.
        append: bool,
    },
    /// A device node or file, opened for reading and writing as it is.
    Device {
        /// For reading, or for writing too.
        access: Access,
    },
    /// One queue of a tap that is made for the guest.
    Tap(Tap),
    /// One queue of a macvtap that is made for the guest.
    Macvtap(Macvtap),
    /// One queue's accelerator: `/dev/vhost-net`.
    VhostNet,
    /// `/dev/vhost-vsock`, with the guest's CID claimed on it.
    VhostVsock {
        /// The CID; the first free one from 3 if none is given.
        cid: Option<u32>,
        /// The late value that the CID becomes.
        late: String,
    },
    /// The node of a UNIX socket, by which QEMU can connect but nothing else (`O_PATH`).
    SocketNode,
    /// A UNIX socket on which QEMU listens, bound by us.
    ListenUnix,
    /// A TCP socket on which QEMU listens, bound by us.
    ListenTcp {
        /// The address, or the name of one.
        address: String,
        /// The port.
        port: u32,
        /// Whether it is the next free one if it is taken.
        auto: bool,
    },
    /// A connection to a UNIX socket.
    ConnectUnix,
    /// A connection to a helper's socket.
    Helper {
        /// The helper's name in this plan.
        helper: String,
    },
    /// The node of a helper's socket, by which QEMU can connect but nothing else (`O_PATH`).
    HelperNode {
        /// The helper's name in this plan.
        helper: String,
    },
    /// Sealed memory with a late value.
    Secret {
        /// The late value.
        late: String,
    },
    /// QEMU's monitor: a listening socket in the guest's run-time directory.
    Monitor,
}

impl Default for Open {
    fn default() -> Self {
        Self::File { access: Access::Ro, direct: false }
    }
}

/// For reading, or for writing too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// For reading.
    #[default]
    Ro,
    /// For reading and writing.
    Rw,
}

/// A tap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tap {
    /// Its name, or a pattern such as `vnet%d` of which the kernel makes one.
    pub name: String,
    /// The late value that its name becomes.
    pub late: String,
    /// The bridge it is attached to.
    pub bridge: Option<String>,
    /// Its Ethernet address on the host's side.
    pub mac: Option<String>,
    /// The largest packet.
    pub mtu: Option<u32>,
    /// Which of its queues this is, from 0.
    pub queue: u32,
    /// How many queues it has.
    pub queues: u32,
    /// Whether it exists already and is only opened.
    pub existing: bool,
    /// The node that it is made with. Absent: `/dev/net/tun`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What is set up once it is there.
    #[serde(default, skip_serializing_if = "LinkSetup::is_empty")]
    pub setup: LinkSetup,
}

/// A network device of its own on top of another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macvtap {
    /// Its name, or a pattern such as `macvtap%d`.
    pub name: String,
    /// The late value that its name becomes.
    pub late: String,
    /// The device it is put on.
    pub on: String,
    /// Whom guests on the same device reach: `vepa`, `private`, `bridge` or `passthrough`.
    pub mode: String,
    /// Its Ethernet address, which is the guest's.
    pub mac: Option<String>,
    /// The largest packet.
    pub mtu: Option<u32>,
    /// Which of its queues this is, from 0.
    pub queue: u32,
    /// How many queues it has.
    pub queues: u32,
    /// What is set up once it is there.
    #[serde(default, skip_serializing_if = "LinkSetup::is_empty")]
    pub setup: LinkSetup,
}

/// What is set up on a network device of a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkSetup {
    /// Whether it reaches only ports of its bridge that are not isolated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub isolated: bool,
    /// The VLANs of its port, which the bridge filters by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<Vlan>,
    /// How many packets may wait for an interrupt (ethtool: `rx-frames`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_frames: Option<u32>,
    /// Programs that are run when it is there, in order, with the late value of its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Vec<String>>,
    /// Programs that are run when the guest is gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Vec<String>>,
}

impl LinkSetup {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A VLAN of a bridge's port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// Its tag.
    pub id: u16,
    /// Whether packets without a tag belong to it.
    pub native: bool,
    /// Whether its packets reach the guest without a tag.
    pub untagged: bool,
}

/// A virtual function of a network card, set up through the card itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualFunction {
    /// Its PCI address.
    pub address: String,
    /// Its Ethernet address.
    pub mac: Option<String>,
    /// The VLAN of all of its packets.
    pub vlan: Option<u16>,
    /// What it is for, in the user's words: `interface 52:54:00:…`.
    pub purpose: String,
    /// Where the element that asks for it stands, as `FILE:LINE:COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The element that asks for it.
    #[serde(skip)]
    pub origin: Origin,
}

/// A process beside QEMU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Helper {
    /// Its name in this plan, such as `fs0-virtiofsd`.
    pub name: String,
    /// Its arguments, the program first. `{socket}` stands for the number of its listening socket,
    /// or for the socket's path where the program takes none by number.
    pub argv: Vec<String>,
    /// How it gets the socket that QEMU connects to.
    pub socket: HelperSocket,
    /// The late value that is the secret which it inherits; `{secret}` in its arguments stands for the
    /// number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Whether it only prepares something: it must end, and well, before anything else is started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
    /// A directory that is made for it unless it is there, for nobody but its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// A CID that it needs for itself: vhost-device-vsock has no kernel to see to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_cid: Option<ClaimCid>,
    /// What it is for, in the user's words: `filesystem /mnt`.
    pub purpose: String,
    /// Where the element that needs it stands, as `FILE:LINE:COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The element that needs it.
    #[serde(skip)]
    pub origin: Origin,
}

/// A CID that no other guest may have at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimCid {
    /// The CID; the first free one from 3 if none is given.
    pub cid: Option<u32>,
    /// The late value that the CID becomes.
    pub late: String,
}

/// How a helper gets its socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HelperSocket {
    /// It inherits a listening socket.
    #[default]
    Inherited,
    /// It makes one at a path in the guest's run-time directory.
    Path,
    /// It inherits one end of a pair of connected sockets; QEMU gets the other.
    Pair,
    /// It has none.
    None,
}

/// A QMP command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Its name.
    pub execute: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub arguments: Value,
    /// The descriptor that goes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fds: Vec<String>,
    /// What it is for, in the user's words: `disk vda`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// Where the element that asks for it stands, as `FILE:LINE:COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The element that asks for it.
    #[serde(skip)]
    pub origin: Origin,
}

/// Something that QEMU opens or connects to by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByPath {
    /// The path or address.
    pub path: String,
    /// Why it cannot be passed as a descriptor.
    pub reason: String,
}

impl Plan {
    /// Notes for each part where its element stands, so that whoever carries the plan out can say
    /// so.
    pub fn locate(&mut self, place: impl Fn(Origin) -> Option<String>) {
        let fds = self.fds.iter_mut().map(|it| (&mut it.at, it.origin));
        let handovers = self.handovers.iter_mut().map(|it| (&mut it.at, it.origin));
        let helpers = self.helpers.iter_mut().map(|it| (&mut it.at, it.origin));
        let copies = self.copies.iter_mut().map(|it| (&mut it.at, it.origin));
        let functions = self.virtual_functions.iter_mut().map(|it| (&mut it.at, it.origin));
        let secrets = self.secrets.iter_mut().map(|it| (&mut it.at, it.origin));
        let processors = self.processors.iter_mut().map(|it| (&mut it.at, it.origin));
        let threads = self.threads.iter_mut().map(|it| (&mut it.at, it.origin));
        let processor = self.processor.iter_mut().map(|it| (&mut it.at, it.origin));
        let group = self.control_group.iter_mut().map(|it| (&mut it.at, it.origin));
        let commands = self.qmp.iter_mut().map(|it| (&mut it.at, it.origin));
        let first = fds.chain(handovers).chain(helpers).chain(copies).chain(functions);
        let then =
            secrets.chain(processors).chain(threads).chain(processor).chain(group).chain(commands);
        for (at, origin) in first.chain(then) {
            *at = place(origin);
        }
        let settings = self.control_group.iter_mut().flat_map(|group| &mut group.settings);
        for setting in settings {
            setting.at = place(setting.origin);
        }
    }
}
