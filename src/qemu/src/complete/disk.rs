//! Disks: bus and format.

use base::YesNo;
use conf::Domain;
use conf::device::disk::driver::StorageFormat;
use conf::device::disk::encryption::{Encryption, EncryptionEngine};
use conf::device::disk::network_source::Protocol;
use conf::device::disk::source::Source;
use conf::device::disk::{BackingStore, Bus, Disk, Snapshot};
use conf::throttle::Iotune;

use super::context::Context;

/// Fills in what a disk leaves open.
///
/// libvirt: `virDomainDiskDefPostParse`, `qemuDomainDeviceDiskDefPostParse`.
pub(super) fn defaults(domain: &mut Domain, _context: &mut Context<'_>) {
    for disk in &mut domain.devices.disks {
        bus(disk);
        driver(disk);
        if disk.is_cdrom() {
            disk.readonly = true;
        }
        let is_out_of_snapshots = disk.readonly || matches!(disk.source, Source::VhostUser(_));
        if is_out_of_snapshots {
            disk.snapshot.get_or_insert(Snapshot::No);
        }
        if let Source::Nvme(nvme) = &mut disk.source {
            nvme.managed.get_or_insert(YesNo::Yes);
        }
        encryption(disk);
        sources(disk, network_defaults);
    }
    if let Some(source) = domain.os.nvram.as_mut().and_then(|nvram| nvram.source.as_mut()) {
        default_ports(source);
    }
}

fn bus(disk: &mut Disk) {
    let suggested = if disk.is_floppy() { Bus::Fdc } else { disk.target.dev.suggested_bus() };
    disk.target.bus.get_or_insert(suggested);
}

fn driver(disk: &mut Disk) {
    disk.driver.name.get_or_insert_with(|| "qemu".to_owned());
    if !matches!(disk.source, Source::Volume(_)) {
        disk.driver.format.get_or_insert(StorageFormat::Raw);
    }
}

/// QEMU encrypts, unless the document names another.
fn encryption(disk: &mut Disk) {
    let qemu = |encryption: &mut Option<Encryption>| {
        if let Some(encryption) = encryption {
            encryption.engine.get_or_insert(EncryptionEngine::Qemu);
        }
    };
    qemu(&mut disk.encryption);
    sources(disk, |source| qemu(&mut source.common_mut().encryption));
}

/// Calls `each` with the source of the image and of each one below it that the document names.
fn sources(disk: &mut Disk, each: impl Fn(&mut Source)) {
    each(&mut disk.source);
    let mut below = disk.backing_store.as_mut();
    while let Some(BackingStore::Image(image)) = below {
        each(&mut image.source);
        below = image.backing_store.as_mut();
    }
}

/// Servers have the port of their protocol.
///
/// libvirt: `virStorageSourceNetworkAssignDefaultPorts`.
fn default_ports(source: &mut Source) {
    let Source::Network(network) = source else { return };
    for host in &mut network.hosts {
        if host.transport.is_none() {
            host.port = host.port.or(network.protocol.default_port());
        }
    }
}

/// Servers have their ports, and iSCSI's first unit goes without saying.
///
/// libvirt: `virDomainDiskDefParseXML`.
fn network_defaults(source: &mut Source) {
    default_ports(source);
    let Source::Network(network) = source else { return };
    if network.protocol == Protocol::Iscsi
        && let Some(name) = network.name.as_mut().filter(|name| !name.contains('/'))
    {
        name.0.push_str("/0");
    }
}

/// A disk of a throttle group that names no limits has those of the group's first disk that does.
///
/// libvirt: `virDomainDefPostParseCommon`, `virDomainDiskDefIotuneParse`.
pub(super) fn group_limits(domain: &mut Domain, _context: &mut Context<'_>) {
    let disks = &mut domain.devices.disks;
    for at in 0..disks.len() {
        let Some(tune) = disks[at].iotune.as_ref().filter(|tune| !tune.has_limits()) else {
            continue;
        };
        let group = tune.group_name.clone();
        let first = disks
            .iter()
            .filter_map(|disk| disk.iotune.as_ref())
            .find(|other| group.is_some() && other.group_name == group && other.has_limits());
        if let Some(limits) = first.cloned() {
            let origin = disks[at].origin;
            disks[at].iotune = Some(Iotune { origin, ..limits });
        }
    }
}
