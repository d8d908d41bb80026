//! Disks beside each other.
//!
//! libvirt: `virDomainDiskDefCheckDuplicateInfo`, `virDomainDefDuplicateDriveAddressesValidate`.

use conf::Domain;
use conf::device::disk::Disk;

use super::{Check, Rule, attribute, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("disk-names-differ", "a name stands for one disk", names),
    Rule::new("disk-wwns-differ", "a world-wide name stands for one disk", wwns),
    Rule::new("disk-places-differ", "two disks cannot sit in one place", places),
];

fn pairs(domain: &Domain) -> impl Iterator<Item = (&Disk, &Disk)> {
    let disks = &domain.devices.disks;
    disks
        .iter()
        .enumerate()
        .flat_map(move |(at, disk)| disks[..at].iter().map(move |before| (before, disk)))
}

fn names(check: &mut Check<'_>) {
    for (before, disk) in pairs(check.domain) {
        if before.target.dev == disk.target.dev {
            let source = before.source.path().map(|path| format!(" ('{path}')"));
            let message = format!(
                "'{}' is the name of another disk{}, too",
                disk.name(),
                source.unwrap_or_default()
            );
            check.refuse(
                disk.target.origin,
                attribute("dev"),
                message,
                "name each disk differently",
            );
        }
    }
}

fn wwns(check: &mut Check<'_>) {
    for (before, disk) in pairs(check.domain) {
        if disk.wwn.is_some() && before.wwn == disk.wwn {
            let message = format!("disk '{}' has the same <wwn>", before.name());
            check.refuse(disk.origin, within("wwn"), message, "give each disk its own");
        }
    }
}

fn places(check: &mut Check<'_>) {
    for (before, disk) in pairs(check.domain) {
        let place = |disk: &Disk| disk.info.address.as_ref().and_then(|a| a.drive().cloned());
        if before.bus() == disk.bus()
            && let Some(drive) = place(disk)
            && place(before).as_ref() == Some(&drive)
        {
            let message = format!(
                "disk '{}' has the same place: controller {}, bus {}, target {}, unit {}",
                before.name(),
                drive.controller,
                drive.bus,
                drive.target,
                drive.unit
            );
            check.refuse(
                disk.origin,
                within("address"),
                message,
                "give them different addresses or names",
            );
        }
    }
}
