//! Finding the device of a guest that an element means.

use std::fmt;

use conf::Domain;
use conf::device::{Device, DeviceId, DeviceKind, Devices};
use conf::device_info::DeviceInfo;

/// Why no device was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// There is none like it.
    None {
        /// What was looked for, in the user's words.
        what: String,
        /// What there is of that kind.
        there: Vec<String>,
    },
    /// There are several like it.
    Several {
        /// What was looked for, in the user's words.
        what: String,
        /// What tells them apart.
        they: Vec<String>,
    },
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None { what, there } if there.is_empty() => {
                write!(f, "the guest has no {what}, and nothing of its kind")
            }
            Self::None { what, there } => {
                write!(f, "the guest has no {what}; it has {}", there.join(", "))
            }
            Self::Several { what, they } => {
                write!(
                    f,
                    "several devices are like {what}; say which by <alias>: {}",
                    they.join(", ")
                )
            }
        }
    }
}

/// The device of a guest that an element means: its alias or address decides if it says one, then
/// what names a device of its kind, such as the target of a disk or the MAC address of an interface.
/// Where nothing does, it is the device of which all is true that the element says.
///
/// libvirt: `virDomainDiskIndexByName`, `virDomainNetFindIdx`, `virDomainHostdevFind`,
/// `virDomainRNGFind` and their like.
///
/// # Errors
/// There is none, or more than one.
pub fn find(domain: &Domain, wanted: &Devices) -> Result<DeviceId, NotFound> {
    let consoles = wanted
        .consoles
        .first()
        .map(|console| (DeviceId { kind: DeviceKind::Console, pos: 0 }, Device::Console(console)));
    let Some((id, device)) = wanted.iter().next().or(consoles) else {
        return Err(NotFound::None { what: "such device".to_owned(), there: Vec::new() });
    };
    let of_kind: Vec<(DeviceId, Device<'_>)> =
        domain.devices.iter().filter(|(other, _)| other.kind == id.kind).collect();
    let mut found: Vec<&(DeviceId, Device<'_>)> =
        of_kind.iter().filter(|(_, other)| may_be(device, *other)).collect();
    if found.len() > 1 && name(device).is_none() {
        found.retain(|(_, other)| says_no_more(device, *other));
    }
    match found.as_slice() {
        [(id, _)] => Ok(*id),
        [] => Err(NotFound::None {
            what: worded(device),
            there: of_kind.iter().map(|(_, other)| worded(*other)).collect(),
        }),
        several => Err(NotFound::Several {
            what: worded(device),
            they: several.iter().map(|(_, other)| alias(*other)).collect(),
        }),
    }
}

/// Whether nothing that names a device speaks against it.
fn may_be(wanted: Device<'_>, other: Device<'_>) -> bool {
    let info = |device: Device<'_>| device.info().cloned().unwrap_or_default();
    let (said, has): (DeviceInfo, DeviceInfo) = (info(wanted), info(other));
    let agree = |one: bool, same: bool| !one || same;
    agree(said.alias.is_some(), said.alias == has.alias)
        && agree(said.address.is_some(), said.address == has.address)
        && name(wanted).is_none_or(|wanted| Some(wanted) == name(other))
        && (name(wanted).is_some()
            || said.alias.is_some()
            || said.address.is_some()
            || says_no_more(wanted, other))
}

/// What tells a device from others of its kind, as far as an element must say it.
fn name(device: Device<'_>) -> Option<String> {
    match device {
        Device::Disk(disk) => Some(disk.name().to_owned()),
        Device::Interface(interface) => interface.mac().map(|mac| mac.to_string()),
        Device::Filesystem(share) => Some(share.tag().unwrap_or_default().to_owned()),
        Device::Controller(controller) => {
            let index = controller.index.unwrap_or_default();
            Some(format!("{} {index}", controller.kind.word()))
        }
        Device::Shmem(shmem) => Some(shmem.name.clone()),
        Device::Channel(channel) => channel.virtio_name().map(str::to_owned),
        _ => None,
    }
}

/// Whether all is true of a device that an element says.
fn says_no_more(wanted: Device<'_>, other: Device<'_>) -> bool {
    xml::says_all_of(&other.to_xml(), &wanted.to_xml())
}

/// A device in the user's words.
pub(super) fn worded(device: Device<'_>) -> String {
    let name = name(device).unwrap_or_else(|| alias(device));
    let kind = device.kind();
    if name.is_empty() { kind.to_string() } else { format!("{kind} {name}") }
}

fn alias(device: Device<'_>) -> String {
    let alias = device.info().and_then(|info| info.alias.as_ref());
    alias.map(|alias| alias.as_str().to_owned()).unwrap_or_default()
}
