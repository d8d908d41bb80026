//! What only a look at the things a domain names can tell.
//!
//! The plan asks [`Question`]s, `host` looks and changes nothing, and the plan is made with the
//! [`Answers`]. Answers may raise new questions (an image has a backing file), so this goes on until
//! nothing new is asked. A plan for another host leaves them open.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// An image: its kind, size, format and backing file.
    Image(String),
    /// Whether something is at this path, and of what kind.
    Path(String),
    /// Whether this network interface of the host exists, and as what.
    Link(String),
    /// Whether io_uring can be used on this host.
    IoUring,
    /// The first free TCP port at an address, from a port on.
    FreePort(String, u16),
    /// Where a secret is.
    Secret(Secret),
    /// Where USB devices of a kind, or at a place, are.
    Usb(UsbWanted),
    /// Which driver a PCI device of the host has.
    Pci(String),
    /// The node of a SCSI unit of the host, which the kernel calls `HOST:BUS:TARGET:UNIT`.
    Scsi(String),
}

/// Which USB device is meant: all that is said must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct UsbWanted {
    /// The number of the vendor.
    pub vendor: Option<u16>,
    /// The vendor's number of the product.
    pub product: Option<u16>,
    /// The bus.
    pub bus: Option<u32>,
    /// The number on the bus.
    pub device: Option<u32>,
}

impl Display for UsbWanted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("USB device")?;
        if let (Some(vendor), Some(product)) = (self.vendor, self.product) {
            write!(f, " {vendor:04x}:{product:04x}")?;
        }
        self.bus.iter().try_for_each(|bus| write!(f, " of bus {bus}"))?;
        self.device.iter().try_for_each(|device| write!(f, " with number {device}"))
    }
}

/// Where a USB device is at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UsbPlace {
    /// The bus.
    pub bus: u32,
    /// The number on the bus.
    pub device: u32,
}

/// Which secret is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Secret {
    /// The directories to search, in this order.
    pub directories: Vec<String>,
    /// Its UUID. Absent: `usage` says which one it is.
    pub uuid: Option<String>,
    /// What it is used for, in libvirt's words: `ceph`, `iscsi`, `volume`, `tls`, `vtpm`.
    pub kind: String,
    /// The one of that kind that is meant.
    pub usage: Option<String>,
}

impl Display for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.uuid, &self.usage) {
            (Some(uuid), _) => write!(f, "secret {uuid}"),
            (None, usage) => {
                write!(f, "secret for {} '{}'", self.kind, usage.as_deref().unwrap_or_default())
            }
        }
    }
}

/// Where the value of a secret is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretFile {
    /// The file.
    pub path: String,
    /// Whether it holds the value in base64, as libvirt's do, not the value itself.
    pub base64: bool,
}

impl Display for Question {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(path) => write!(f, "image {path}"),
            Self::Path(path) => f.write_str(path),
            Self::Link(name) => write!(f, "network interface {name}"),
            Self::IoUring => f.write_str("whether io_uring can be used"),
            Self::FreePort(address, from) => {
                write!(f, "a free port at {address} from {from} on")
            }
            Self::Secret(secret) => secret.fmt(f),
            Self::Usb(wanted) => wanted.fmt(f),
            Self::Pci(address) => write!(f, "the driver of PCI device {address}"),
            Self::Scsi(unit) => write!(f, "SCSI unit {unit}"),
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// An image.
    Image(Image),
    /// What is at a path.
    Path(PathKind),
    /// What a network interface is.
    Link(LinkKind),
    /// Whether something can be used.
    Usable(bool),
    /// A TCP port.
    Port(u16),
    /// Where USB devices are.
    Usb(Vec<UsbPlace>),
    /// The driver of a device, if it has one.
    Driver(Option<String>),
    /// The node of a device, if it has one.
    Node(Option<String>),
    /// Where a secret's value is. `None`: there is no such secret.
    Secret(Option<SecretFile>),
    /// It could not be looked at, for this reason.
    Failed(String),
}

/// What a look into an image tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Image {
    /// What holds it.
    pub kind: PathKind,
    /// The format that its first bytes show, in QEMU's words; `raw` when they show none.
    pub format: String,
    /// How many bytes the guest sees. `None` when the format does not tell.
    pub virtual_size: Option<u64>,
    /// Its backing file as its header names it.
    pub backing_file: Option<String>,
    /// The backing file's format, if its header says.
    pub backing_format: Option<String>,
    /// Its external data file as its header names it.
    pub data_file: Option<String>,
}

/// What is at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// Nothing.
    Missing,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharacterDevice,
    /// A socket.
    Socket,
    /// A named pipe.
    Fifo,
}

/// What a network interface of the host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// It does not exist.
    Missing,
    /// A bridge.
    Bridge,
    /// A tap.
    Tap,
    /// A macvtap.
    Macvtap,
    /// Something else.
    Other,
}

/// What was seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers(#[serde(with = "pairs")] BTreeMap<Question, Answer>);

impl Answers {
    /// What was seen, if it was looked at.
    pub fn get(&self, question: &Question) -> Option<&Answer> {
        self.0.get(question)
    }

    /// Notes what was seen.
    pub fn insert(&mut self, question: Question, answer: Answer) {
        self.0.insert(question, answer);
    }

    /// The image at `path`, if it was looked at and is one.
    pub fn image(&self, path: &str) -> Option<&Image> {
        match self.get(&Question::Image(path.to_owned()))? {
            Answer::Image(image) => Some(image),
            _ => None,
        }
    }
}

/// JSON has only texts as keys: the map is written as a list of pairs.
mod pairs {
    use super::{Answer, BTreeMap, Question};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<Question, Answer>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Question, Answer>, D::Error> {
        Ok(Vec::<(Question, Answer)>::deserialize(deserializer)?.into_iter().collect())
    }
}
