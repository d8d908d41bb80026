//! Devices of the host that the guest gets.

use base::{OnOff, PciAddress};
use conf::address::Address;
use conf::device::DeviceKind;
use conf::device::disk::network_source::{Network, Protocol};
use conf::device::disk::source::StartupPolicy;
use conf::device::hostdev::scsi::{IscsiUnit, ScsiSource};
use conf::device::hostdev::usb::{GuestReset, UsbSource};
use conf::device::hostdev::{Hostdev, HostdevKind, Mdev, MdevModel, Pci, Scsi, ScsiHost, Usb};
use serde_json::{Map, Value, json};

use super::blockdev::object;
use super::device::Device;
use super::{Access, Builder, Open, disk, network_source, secret, vfio};
use crate::answers::{Answer, Question, UsbPlace, UsbWanted};
use crate::host::Host;

/// The kernel's driver that lets QEMU have a PCI device.
pub(super) const VFIO_PCI: &str = "vfio-pci";
/// Where the first SCSI unit of the host lies, which stands for one that nobody looked for.
const FIRST_SCSI: &str = "/dev/sg0";

/// What to look at.
pub(super) fn questions(hostdev: &Hostdev, host: &Host) -> Vec<Question> {
    match &hostdev.kind {
        HostdevKind::Usb(usb) => vec![Question::Usb(usb_wanted(&usb.source))],
        HostdevKind::Pci(pci) => vec![Question::Pci(pci.source.address.address().to_string())],
        HostdevKind::Scsi(scsi) => match &scsi.source {
            ScsiSource::Adapter(_) => unit_name(scsi).map(Question::Scsi).into_iter().collect(),
            ScsiSource::Iscsi(unit) => {
                let auth = unit.auth.iter();
                auth.map(|auth| secret::question(host, ISCSI, &auth.secret.lookup)).collect()
            }
        },
        HostdevKind::Mdev(mdev) => vec![Question::Path(mdev_path(mdev))],
        HostdevKind::ScsiHost(_) => Vec::new(),
    }
}

/// A device of the host.
///
/// libvirt: `qemuBuildHostdevCommandLine`.
pub(super) fn hostdev(builder: &mut Builder<'_>, pos: usize, hostdev: &Hostdev) {
    builder.part(format!("{} device {pos} of the host", hostdev.kind.word()), hostdev.origin);
    let alias = builder.aliases.get(DeviceKind::Hostdev, pos).to_owned();
    let device = match &hostdev.kind {
        HostdevKind::Usb(usb) => self::usb(builder, hostdev, usb, &alias),
        HostdevKind::Pci(pci) => self::pci(builder, hostdev, pci, &alias),
        HostdevKind::Mdev(mdev) => self::mdev(builder, hostdev, mdev, &alias),
        HostdevKind::Scsi(scsi) => self::scsi(builder, hostdev, scsi, &alias),
        HostdevKind::ScsiHost(host) => self::scsi_host(builder, hostdev, host, &alias),
    };
    if let Some(device) = device {
        builder.device(device);
    }
}

/// libvirt: `qemuBuildUSBHostdevDevProps`.
fn usb(builder: &mut Builder<'_>, hostdev: &Hostdev, usb: &Usb, alias: &str) -> Option<Device> {
    let mut device = Device::new("usb-host");
    if let Some(path) = usb_path(builder, &usb.source, alias)? {
        let open = Open::Device { access: Access::Rw };
        let fd = builder.fd(format!("{alias}-usb"), path, open);
        device.set("hostdevice", builder.fdset(vec![fd]));
    }
    device.set("id", alias);
    device.maybe("bootindex", hostdev.info.boot_order());
    if let Some(reset) = usb.source.guest_reset {
        let (once, always) = match reset {
            GuestReset::Off => (false, false),
            GuestReset::Uninitialized => (true, false),
            GuestReset::On => (true, true),
        };
        device.set("guest-reset", once).set("guest-resets-all", always);
    }
    device.address(&hostdev.info, builder);
    Some(device)
}

fn usb_wanted(source: &UsbSource) -> UsbWanted {
    UsbWanted {
        vendor: source.vendor.map(|hex| hex.0 as u16),
        product: source.product.map(|hex| hex.0 as u16),
        bus: source.address.bus.map(u32::from),
        device: source.address.device.map(u32::from),
    }
}

/// The node of the only device that fits; none for one that may be missing and is. The outer `None`:
/// it was refused.
///
/// libvirt: `qemuHostdevFindUSBDevice`.
fn usb_path(builder: &mut Builder<'_>, source: &UsbSource, alias: &str) -> Option<Option<String>> {
    let wanted = usb_wanted(source);
    let node = |place: &UsbPlace| format!("/dev/bus/usb/{:03}/{:03}", place.bus, place.device);
    let message = match builder.ask(&Question::Usb(wanted.clone())) {
        Some(Answer::Usb(places)) => match places.as_slice() {
            [place] => return Some(Some(node(place))),
            [] if source.startup_policy == Some(StartupPolicy::Optional) => {
                builder.note(format!("{wanted}: it is not plugged in, and may be missing"));
                return Some(None);
            }
            [] => format!("this host has no {wanted}"),
            places => format!("this host has {} of {wanted}", places.len()),
        },
        Some(Answer::Failed(reason)) => reason.clone(),
        _ => {
            let place = wanted.bus.zip(wanted.device);
            let place = place.map(|(bus, device)| node(&UsbPlace { bus, device }));
            return Some(Some(place.unwrap_or_else(|| format!("usb:{{{alias}}}"))));
        }
    };
    builder.refuse(message).help =
        Some("see lsusb, and name the place with <address bus='…' device='…'/>".to_owned());
    None
}

/// libvirt: `qemuBuildPCIHostdevDevProps`.
fn pci(builder: &mut Builder<'_>, hostdev: &Hostdev, pci: &Pci, alias: &str) -> Option<Device> {
    let address = pci.source.address.address();
    let driver = pci.driver.model.as_deref().unwrap_or(VFIO_PCI).to_owned();
    handover(builder, address, driver, hostdev.is_managed())?;
    if matches!(hostdev.info.address, Some(Address::Unassigned)) {
        return None;
    }
    let mut device = vfio::pci(builder, address, &pci.driver, alias);
    picture(&mut device, pci.display, pci.ramfb);
    device.maybe("bootindex", hostdev.info.boot_order());
    if let Some(teaming) = &hostdev.teaming {
        device.maybe("failover_pair_id", teaming.persistent.clone());
    }
    device.address(&hostdev.info, builder);
    device.rom(hostdev.info.rom.as_ref(), &format!("{alias}-rom"), builder);
    Some(device)
}

/// A PCI interface that the guest gets, with what goes with it on the host.
///
/// libvirt: `qemuBuildHostdevCommandLine` of a network interface's device.
pub(super) fn handover(
    builder: &mut Builder<'_>,
    address: PciAddress,
    driver: String,
    managed: bool,
) -> Option<()> {
    let (message, help) = match builder.ask(&Question::Pci(address.to_string())) {
        Some(Answer::Driver(Some(found))) if *found == driver => return Some(()),
        Some(Answer::Driver(_)) | None if managed => {
            builder.handover(address.to_string(), driver);
            return Some(());
        }
        None => return Some(()),
        Some(Answer::Driver(found)) => (
            match found {
                Some(found) => format!("the host itself uses {address} (driver {found})"),
                None => format!("{address} has no driver, but needs {driver}"),
            },
            format!("write managed='yes', or bind {address} to {driver} before the start"),
        ),
        Some(Answer::Failed(reason)) => (reason.clone(), "see lspci -D".to_owned()),
        Some(_) => return Some(()),
    };
    builder.refuse(message).help = Some(help);
    None
}

/// libvirt: `qemuBuildHostdevMediatedDevProps`.
fn mdev(builder: &mut Builder<'_>, hostdev: &Hostdev, mdev: &Mdev, alias: &str) -> Option<Device> {
    if mdev.model != MdevModel::VfioPci {
        builder.refuse(format!("a mediated device of model '{}' is only for s390", mdev.model));
        return None;
    }
    let path = mdev_path(mdev);
    if let Some(Answer::Path(crate::answers::PathKind::Missing)) =
        builder.ask(&Question::Path(path.clone()))
    {
        let refused = builder.refuse(format!("this host has no mediated device '{path}'"));
        refused.help = Some("make it first, with mdevctl start".to_owned());
        return None;
    }
    builder.by_path(path.as_str(), "QEMU opens devices of VFIO by itself");
    let mut device = Device::new(VFIO_PCI);
    device.set("id", alias).set("sysfsdev", path);
    picture(&mut device, mdev.display, mdev.ramfb);
    device.address(&hostdev.info, builder);
    Some(device)
}

fn mdev_path(mdev: &Mdev) -> String {
    format!("/sys/bus/mdev/devices/{}", mdev.source.uuid)
}

/// What is shown of a device that draws; one that draws before its driver is there cannot be
/// plugged in later.
fn picture(device: &mut Device, display: Option<OnOff>, ramfb: Option<OnOff>) {
    device.on_off("display", display);
    if ramfb == Some(OnOff::On) {
        device.set("driver", "vfio-pci-nohotplug").set("ramfb", true);
    }
}

/// What secrets of iSCSI are used for, in libvirt's words.
const ISCSI: &str = "iscsi";

/// libvirt: `qemuBuildHostdevSCSICommandLine`, `qemuBuildSCSIHostdevDevProps`.
fn scsi(builder: &mut Builder<'_>, hostdev: &Hostdev, scsi: &Scsi, alias: &str) -> Option<Device> {
    let node = format!("libvirt-{}-backend", builder.next_node());
    let mut properties = match &scsi.source {
        ScsiSource::Adapter(_) => adapter(builder, hostdev, scsi, alias)?,
        ScsiSource::Iscsi(unit) => iscsi(builder, unit, &node)?,
    };
    properties.insert("node-name".to_owned(), node.as_str().into());
    properties.insert("read-only".to_owned(), hostdev.readonly.into());
    builder.blockdev(Value::Object(properties));
    let mut device = Device::new("scsi-generic");
    device.set("drive", node).set("id", alias);
    device.maybe("bootindex", hostdev.info.boot_order());
    if let Some(Address::Drive(drive)) = &hostdev.info.address {
        disk::scsi_address(&mut device, drive, builder);
    }
    Some(device)
}

/// A unit of the host's, as the kernel names it: `0:0:1:0`.
fn unit_name(scsi: &Scsi) -> Option<String> {
    let ScsiSource::Adapter(unit) = &scsi.source else { return None };
    let host: u32 = unit.adapter.strip_prefix("scsi_host")?.parse().ok()?;
    let address = &unit.address;
    Some(format!("{host}:{}:{}:{}", address.bus, address.target, address.unit))
}

fn adapter(
    builder: &mut Builder<'_>,
    hostdev: &Hostdev,
    scsi: &Scsi,
    alias: &str,
) -> Option<Map<String, Value>> {
    let Some(unit) = unit_name(scsi) else {
        let refused = builder.refuse("the adapter has no number");
        refused.expected = Some("<adapter name='scsi_host0'/>, with a number".to_owned());
        return None;
    };
    let path = match builder.ask(&Question::Scsi(unit.clone())) {
        Some(Answer::Node(Some(path))) => path.clone(),
        Some(Answer::Node(None)) => {
            let refused = builder.refuse(format!("this host has no SCSI unit {unit}"));
            refused.help = Some("see lsscsi -g, and load the kernel's module sg".to_owned());
            return None;
        }
        Some(Answer::Failed(reason)) => {
            builder.refuse(reason.clone());
            return None;
        }
        _ => FIRST_SCSI.to_owned(),
    };
    let access = if hostdev.readonly { Access::Ro } else { Access::Rw };
    let fd = builder.fd(format!("{alias}-unit"), path, Open::Device { access });
    let path = builder.fdset(vec![fd]);
    Some(object(json!({"driver": "host_device", "filename": path})))
}

fn iscsi(builder: &mut Builder<'_>, unit: &IscsiUnit, node: &str) -> Option<Map<String, Value>> {
    let network = Network {
        protocol: Protocol::Iscsi,
        name: Some(base::NonEmpty(unit.name.clone())),
        hosts: unit.hosts.clone(),
        initiator: unit.initiator.clone(),
        ..Network::default()
    };
    let mut properties = network_source::iscsi(builder, &network)?;
    if let Some(auth) = &unit.auth {
        let id = format!("{node}-secret0");
        network_source::auth(builder, &network, auth, id, &mut properties);
    }
    Some(properties)
}

/// libvirt: `qemuBuildSCSIVHostHostdevDevProps`.
fn scsi_host(
    builder: &mut Builder<'_>,
    hostdev: &Hostdev,
    host: &ScsiHost,
    alias: &str,
) -> Option<Device> {
    let open = Open::Device { access: Access::Rw };
    let fd = builder.fd(format!("{alias}-vhost"), "/dev/vhost-scsi", open);
    let mut device = Device::virtio("vhost-scsi-pci", host.model, None);
    device.set("wwpn", host.source.wwpn.as_str());
    device.descriptors("vhostfd", vec![fd]);
    device.set("id", alias);
    device.address(&hostdev.info, builder);
    Some(device)
}
