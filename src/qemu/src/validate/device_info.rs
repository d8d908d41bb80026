//! Names and addresses, of every device.
//!
//! libvirt: `virDomainDeviceInfoValidate`, `qemuValidateDomainDeviceInfo`,
//! `virDomainDefValidateAliases`.

use std::collections::BTreeMap;

use conf::address::Address;
use conf::device::{DeviceId, DeviceKind};
use xml::Origin;

use super::{Check, Rule, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("address-is-of-pc", "other architectures have buses of their own", of_pc),
    Rule::new("loadparm-is-short", "firmware of s390 has room for 8 characters", loadparm),
    Rule::new("unassigned-is-for-hostdevs", "any other device has a place", unassigned),
    Rule::new("pci-knobs-need-pci", "only PCI devices have a ROM and an ACPI index", pci_knobs),
];

pub(super) const LIST_RULES: &[Rule] =
    &[Rule::new("aliases-differ", "an alias stands for one device", aliases)];

fn of_pc(check: &mut Check<'_>) {
    for (_, device) in check.domain.devices.iter() {
        let Some(address) = device.info().and_then(|info| info.address.as_ref()) else { continue };
        let name = match address {
            Address::Ccw(_) => "ccw",
            Address::VirtioS390 => "virtio-s390",
            Address::Pci(pci) if pci.zpci.is_some() => "zpci",
            _ => continue,
        };
        let message = format!("a PC has no address of type '{name}'");
        check.refuse(device.origin(), within("address@type"), message, "leave out <address>");
    }
}

fn loadparm(check: &mut Check<'_>) {
    for (_, device) in check.domain.devices.iter() {
        let boot = device.info().and_then(|info| info.boot.as_ref());
        let Some(loadparm) = boot.and_then(|boot| boot.loadparm.as_deref()) else { continue };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == ' ';
        if !(1..=8).contains(&loadparm.len()) || !loadparm.chars().all(is_plain) {
            let message = format!("'{loadparm}' is not a value of 'loadparm'");
            let help = "write 1 to 8 letters, digits, '.' or blanks, or leave it out";
            check.refuse(device.origin(), within("boot@loadparm"), message, help);
        }
    }
}

fn unassigned(check: &mut Check<'_>) {
    for (id, device) in check.domain.devices.iter() {
        let address = device.info().and_then(|info| info.address.as_ref());
        if matches!(address, Some(Address::Unassigned)) && id.kind != DeviceKind::Hostdev {
            let message = "only a device of the host can be kept out of the guest";
            check.refuse(device.origin(), within("address@type"), message, "leave out <address>");
        }
    }
}

fn pci_knobs(check: &mut Check<'_>) {
    for (_, device) in check.domain.devices.iter() {
        let Some(info) = device.info() else { continue };
        let can = matches!(info.address, None | Some(Address::Pci(_) | Address::Unassigned));
        if info.acpi_index.is_some() && !can {
            let message = "only a PCI device has an ACPI index";
            check.refuse(device.origin(), within("acpi"), message, "leave out <acpi>");
        }
        if info.rom.is_some() && !can {
            let message = "only a PCI device has a ROM";
            check.refuse(device.origin(), within("rom"), message, "leave out <rom>");
        }
    }
}

fn aliases(check: &mut Check<'_>) {
    let devices = &check.domain.devices;
    let mut seen: BTreeMap<&str, Origin> = BTreeMap::new();
    for (id, device) in devices.iter() {
        let is_twin = id == DeviceId { kind: DeviceKind::Console, pos: 0 }
            && devices.consoles.first().is_some_and(|console| console.is_serial())
            && !devices.serials.is_empty();
        let Some(alias) = device.info().and_then(|info| info.alias.as_ref()) else { continue };
        if !is_twin && seen.insert(alias.as_str(), device.origin()).is_some() {
            let message = format!("another device has the alias '{}', too", alias.as_str());
            let help = "name each device differently";
            check.refuse(device.origin(), within("alias@name"), message, help);
        }
    }
}
