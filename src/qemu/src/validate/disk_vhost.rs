//! Disks that another process or a device of the host serves in QEMU's place.
//!
//! libvirt: `virDomainDiskVhostUserValidate`, `qemuValidateDomainDeviceDefDisk`.

use conf::device::Disk;
use conf::device::disk::driver::Cache;
use conf::device::disk::source::Source;
use conf::device::disk::{Blockio, Bus, Snapshot};

use super::disk::{bus_of, each};
use super::{Check, Rule, attribute, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("vhost-disk-needs-shared-memory", "another process reads the requests", memory),
    Rule::new("vhost-disk-is-virtio", "the requests are virtio's own", bus),
    Rule::new("vhost-user-disk-is-not-qemus", "what QEMU would do, it cannot", plain),
    Rule::new("vdpa-disk-is-direct", "the device knows no page cache", cache),
];

fn what(disk: &Disk) -> Option<&'static str> {
    match &disk.source {
        Source::VhostUser(_) => Some("a vhost-user disk"),
        Source::VhostVdpa(_) => Some("a vDPA disk"),
        _ => None,
    }
}

fn memory(check: &mut Check<'_>) {
    each(check, |check, disk| {
        if let Some(what) = what(disk) {
            check.need_shared_memory(disk.origin, what);
        }
    });
}

fn bus(check: &mut Check<'_>) {
    each(check, |check, disk| {
        if let Some(what) = what(disk).filter(|_| bus_of(disk) != Bus::Virtio) {
            let message = format!("{what} needs bus='virtio'");
            check.refuse(disk.target.origin, attribute("bus"), message, "write bus='virtio'");
        }
    });
}

fn plain(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let Source::VhostUser(vhost) = &disk.source else { return };
        let (driver, source) = (&disk.driver, &vhost.common);
        let given = [
            ("driver@cache", driver.cache.is_some()),
            ("driver@error_policy", driver.error_policy.is_some()),
            ("driver@rerror_policy", driver.rerror_policy.is_some()),
            ("driver@io", driver.io.is_some()),
            ("driver@ioeventfd", driver.ioeventfd.is_some()),
            ("driver@copy_on_read", driver.copy_on_read.is_some()),
            ("driver@discard", driver.discard.is_some()),
            ("driver@iothread", driver.iothread.is_some()),
            ("driver@detect_zeroes", driver.detect_zeroes.is_some()),
            ("driver/metadata_cache", driver.metadata_cache.max_size.is_some()),
            ("iotune", disk.iotune.is_some()),
            ("backingStore", disk.backing_store.is_some()),
            ("encryption", disk.encryption().is_some()),
            ("source/auth", source.auth.is_some()),
            ("readonly", disk.readonly),
            ("shareable", disk.shareable),
            ("transient", disk.is_transient()),
            ("serial", disk.serial.is_some()),
            ("wwn", disk.wwn.is_some()),
            ("vendor", disk.vendor.is_some()),
            ("product", disk.product.is_some()),
            ("geometry", disk.geometry.is_some()),
            ("blockio", disk.blockio != Blockio::default()),
        ];
        for (path, _) in given.into_iter().filter(|(_, given)| *given) {
            let name = path.rsplit(['/', '@']).next().unwrap_or(path);
            let name = if path.contains('@') { format!("'{name}'") } else { format!("<{name}>") };
            let message = format!("the process behind a vhost-user disk takes no {name}");
            check.refuse(disk.origin, within(path), message, "leave it out");
        }
        if disk.snapshot.is_some_and(|snapshot| snapshot != Snapshot::No) {
            let message = "nobody makes snapshots of a vhost-user disk";
            check.refuse_value(disk.origin, "snapshot", message, "no");
        }
    });
}

fn cache(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let is_direct = matches!(disk.driver.cache, Some(Cache::None | Cache::Directsync));
        if matches!(disk.source, Source::VhostVdpa(_)) && !is_direct {
            let message = "a vDPA disk needs cache='none' or 'directsync'";
            check.refuse(disk.origin, within("driver@cache"), message, "write cache='none'");
        }
    });
}
