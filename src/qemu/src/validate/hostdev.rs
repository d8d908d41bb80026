//! Devices of the host.
//!
//! libvirt: `virDomainHostdevDefValidate`, `qemuValidateDomainDeviceDefHostdev`,
//! `virDomainDefHostdevValidate`.

use base::OnOff;
use conf::address::Address;
use conf::device::Hostdev;
use conf::device::disk::Sgio;
use conf::device::hostdev::scsi::ScsiSource;
use conf::device::hostdev::usb::UsbSource;
use conf::device::hostdev::{HostdevKind, Mdev, MdevModel};
use conf::device::interface::TeamingKind;
use xml::Part;

use super::{Check, Rule, attribute, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("hostdev-address-fits", "a bus has its own kind of place", address),
    Rule::new("scsi-bus-is-the-first", "a SCSI controller has one bus", scsi_bus),
    Rule::new("hostdev-config-is-filtered", "VFIO lets the kernel say what passes", filtering),
    Rule::new("hostdev-can-boot", "firmware knows only some devices of the host", boot),
    Rule::new("mdev-is-there", "QEMU has a device for each model", mdev),
    Rule::new("picture-is-shown", "a picture needs a display to be shown on", display),
    Rule::new("sgio-is-filtered", "no kernel since 5.x has the knob", sgio),
    Rule::new("hostdev-team-can-go", "a device of the host is the one that can go", teaming),
];

pub(super) const LIST_RULES: &[Rule] = &[
    Rule::new("hostdev-once", "a device can be in one place", once),
    Rule::new("one-ramfb", "the firmware draws on one screen", ramfb),
    Rule::new("scsi-places-differ", "two SCSI units cannot sit in one place", places),
];

fn each(check: &mut Check<'_>, rule: impl Fn(&mut Check<'_>, &Hostdev)) {
    for hostdev in &check.domain.devices.hostdevs {
        rule(check, hostdev);
    }
}

fn address(check: &mut Check<'_>) {
    each(check, |check, hostdev| {
        let Some(address) = &hostdev.info.address else { return };
        let (fits, wanted) = match &hostdev.kind {
            HostdevKind::Pci(_) => {
                (matches!(address, Address::Pci(_) | Address::Unassigned), "pci")
            }
            HostdevKind::Usb(_) => (matches!(address, Address::Usb(_)), "usb"),
            HostdevKind::Scsi(_) => (matches!(address, Address::Drive(_)), "drive"),
            HostdevKind::ScsiHost(_) => (matches!(address, Address::Pci(_)), "pci"),
            HostdevKind::Mdev(Mdev { model: MdevModel::VfioPci, .. }) => {
                (matches!(address, Address::Pci(_) | Address::Unassigned), "pci")
            }
            HostdevKind::Mdev(_) => return,
        };
        if !fits {
            let message = "a device of the host on this bus has no such <address>";
            let help = format!("write <address type='{wanted}' …/>, or leave it out");
            check.refuse(hostdev.origin, within("address@type"), message, help);
        }
    });
}

fn scsi_bus(check: &mut Check<'_>) {
    each(check, |check, hostdev| {
        let drive = hostdev.info.address.as_ref().and_then(|address| address.drive());
        if let Some(bus) = drive.map(|drive| drive.bus).filter(|bus| hostdev.is_scsi() && *bus != 0)
        {
            let message = format!("a SCSI controller has no bus {bus}");
            check.refuse(hostdev.origin, within("address@bus"), message, "write bus='0'");
        }
    });
}

fn filtering(check: &mut Check<'_>) {
    each(check, |check, hostdev| {
        if let HostdevKind::Pci(pci) = &hostdev.kind
            && pci.source.write_filtering.is_some()
        {
            let message = "only Xen filters what a guest writes into a device's configuration";
            let help = "leave out 'writeFiltering'";
            check.refuse(pci.source.origin, attribute("writeFiltering"), message, help);
        }
    });
}

fn boot(check: &mut Check<'_>) {
    each(check, |check, hostdev| {
        let cannot = matches!(hostdev.kind, HostdevKind::ScsiHost(_) | HostdevKind::Mdev(_));
        if cannot && hostdev.info.boot.is_some() {
            let message = "a guest cannot boot from such a device of the host";
            check.refuse(hostdev.origin, Part::Name, message, "leave out <boot>");
        }
    });
}

fn display(check: &mut Check<'_>) {
    let has_display = !check.domain.devices.graphics.is_empty();
    each(check, |check, hostdev| {
        let shows = match &hostdev.kind {
            HostdevKind::Mdev(mdev) => {
                if mdev.model != MdevModel::VfioPci && mdev.display.is_some() {
                    let message = "only model='vfio-pci' has a picture";
                    check.refuse(hostdev.origin, attribute("display"), message, "leave it out");
                }
                mdev.display
            }
            HostdevKind::Pci(pci) => pci.display,
            _ => return,
        };
        if shows == Some(OnOff::On) && !has_display {
            let message = "display='on' needs a display to be shown on";
            check.refuse(hostdev.origin, attribute("display"), message, "add <graphics>");
        }
    });
}

fn mdev(check: &mut Check<'_>) {
    for hostdev in &check.domain.devices.hostdevs {
        match &hostdev.kind {
            HostdevKind::Mdev(Mdev { model: MdevModel::VfioAp, .. }) => {
                check.need_type("vfio-ap", hostdev.origin, "VFIO for crypto adapters of s390");
            }
            HostdevKind::Mdev(Mdev { model: MdevModel::VfioCcw, .. }) => {
                check.need_type("vfio-ccw", hostdev.origin, "VFIO for channels of s390");
            }
            _ => {}
        }
    }
}

fn sgio(check: &mut Check<'_>) {
    each(check, |check, hostdev| {
        if let HostdevKind::Scsi(scsi) = &hostdev.kind
            && scsi.sgio == Some(Sgio::Unfiltered)
        {
            let message = "Linux can no longer let all SCSI commands pass";
            check.refuse(hostdev.origin, attribute("sgio"), message, "leave out 'sgio'");
        }
    });
}

fn teaming(check: &mut Check<'_>) {
    each(check, |check, hostdev| {
        let Some(teaming) = &hostdev.teaming else { return };
        let is_pci = matches!(hostdev.kind, HostdevKind::Pci(_));
        if teaming.kind != TeamingKind::Transient || teaming.persistent.is_none() || !is_pci {
            let message = "of a team, a PCI device of the host is the one that can go";
            let help = "write <teaming type='transient' persistent='…'/> with the other's alias";
            check.refuse(teaming.origin, Part::Name, message, help);
        }
    });
}

/// libvirt: `virDomainHostdevMatch`.
fn once(check: &mut Check<'_>) {
    let hostdevs = &check.domain.devices.hostdevs;
    for (at, hostdev) in hostdevs.iter().enumerate() {
        if hostdevs[..at].iter().any(|other| is_same(&other.kind, &hostdev.kind)) {
            let message = "this device of the host is given to the guest twice";
            check.refuse(hostdev.origin, Part::Name, message, "leave one of them out");
        }
    }
}

fn is_same(a: &HostdevKind, b: &HostdevKind) -> bool {
    match (a, b) {
        (HostdevKind::Pci(a), HostdevKind::Pci(b)) => {
            a.source.address.address() == b.source.address.address()
        }
        (HostdevKind::Usb(a), HostdevKind::Usb(b)) => is_same_usb(&a.source, &b.source),
        (HostdevKind::Scsi(a), HostdevKind::Scsi(b)) => match (&a.source, &b.source) {
            (ScsiSource::Adapter(a), ScsiSource::Adapter(b)) => {
                a.adapter == b.adapter && a.address == b.address
            }
            (ScsiSource::Iscsi(a), ScsiSource::Iscsi(b)) => a.name == b.name && a.hosts == b.hosts,
            _ => false,
        },
        (HostdevKind::ScsiHost(a), HostdevKind::ScsiHost(b)) => a.source.wwpn == b.source.wwpn,
        (HostdevKind::Mdev(a), HostdevKind::Mdev(b)) => a.source.uuid == b.source.uuid,
        _ => false,
    }
}

/// A USB device is named by its place, or else by its maker's numbers.
fn is_same_usb(a: &UsbSource, b: &UsbSource) -> bool {
    let place = |usb: &UsbSource| usb.address.bus.zip(usb.address.device);
    let numbers = |usb: &UsbSource| usb.vendor.zip(usb.product);
    match (place(a), place(b)) {
        (None, None) => numbers(a).is_some() && numbers(a) == numbers(b),
        (a, b) => a == b,
    }
}

fn ramfb(check: &mut Check<'_>) {
    let mut before = false;
    each_with_ramfb(check, |check, hostdev| {
        if before {
            let message = "another device of the host has ramfb='on', too";
            check.refuse(hostdev.origin, attribute("ramfb"), message, "leave one of them out");
        }
        before = true;
    });
}

fn each_with_ramfb(check: &mut Check<'_>, mut rule: impl FnMut(&mut Check<'_>, &Hostdev)) {
    for hostdev in &check.domain.devices.hostdevs {
        let ramfb = match &hostdev.kind {
            HostdevKind::Mdev(mdev) => mdev.ramfb,
            HostdevKind::Pci(pci) => pci.ramfb,
            _ => None,
        };
        if ramfb == Some(OnOff::On) {
            rule(check, hostdev);
        }
    }
}

fn places(check: &mut Check<'_>) {
    let place = |hostdev: &Hostdev| hostdev.info.address.as_ref().and_then(|a| a.drive().cloned());
    let hostdevs: Vec<&Hostdev> =
        check.domain.devices.hostdevs.iter().filter(|hostdev| hostdev.is_scsi()).collect();
    for (at, hostdev) in hostdevs.iter().enumerate() {
        let Some(drive) = place(hostdev) else { continue };
        let is_taken_by_hostdev =
            hostdevs[..at].iter().any(|other| place(other).as_ref() == Some(&drive));
        let is_taken_by_disk = check.domain.devices.disks.iter().any(|disk| {
            disk.bus() == Some(conf::device::disk::Bus::Scsi)
                && disk.info.address.as_ref().and_then(|a| a.drive()) == Some(&drive)
        });
        if is_taken_by_hostdev || is_taken_by_disk {
            let message = format!(
                "another SCSI device has the same place: controller {}, bus {}, target {}, unit {}",
                drive.controller, drive.bus, drive.target, drive.unit
            );
            check.refuse(hostdev.origin, Part::Name, message, "give them different addresses");
        }
    }
}
