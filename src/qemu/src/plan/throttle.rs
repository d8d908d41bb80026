//! Limits of disks.

use conf::device::Disk;
use conf::device::disk::Bus;
use conf::device::disk::source::Source;
use conf::throttle::{BurstLengths, Bursts, Iotune, Limits, ThrottleGroup};
use serde_json::{Map, Value, json};

use super::Builder;

/// A name of a limit in libvirt's throttle groups, of the same limit in QEMU's groups, and in
/// `block_set_io_throttle`.
const NAMES: [(&str, &str); 6] = [
    ("bps-total", "bps"),
    ("bps-read", "bps_rd"),
    ("bps-write", "bps_wr"),
    ("iops-total", "iops"),
    ("iops-read", "iops_rd"),
    ("iops-write", "iops_wr"),
];

fn limits_of(limits: &Limits) -> [u64; 6] {
    [
        limits.total_bytes_sec,
        limits.read_bytes_sec,
        limits.write_bytes_sec,
        limits.total_iops_sec,
        limits.read_iops_sec,
        limits.write_iops_sec,
    ]
    .map(|limit| limit.map_or(0, u64::from))
}

fn bursts_of(bursts: &Bursts) -> [u64; 6] {
    [
        bursts.total_bytes_sec_max,
        bursts.read_bytes_sec_max,
        bursts.write_bytes_sec_max,
        bursts.total_iops_sec_max,
        bursts.read_iops_sec_max,
        bursts.write_iops_sec_max,
    ]
    .map(|limit| limit.map_or(0, u64::from))
}

fn lengths_of(lengths: &BurstLengths) -> [u64; 6] {
    [
        lengths.total_bytes_sec_max_length,
        lengths.read_bytes_sec_max_length,
        lengths.write_bytes_sec_max_length,
        lengths.total_iops_sec_max_length,
        lengths.read_iops_sec_max_length,
        lengths.write_iops_sec_max_length,
    ]
    .map(|limit| limit.map_or(0, u64::from))
}

/// The groups that disks share.
///
/// libvirt: `qemuBuildThrottleGroupCommandLine`.
pub(super) fn groups(builder: &mut Builder<'_>) {
    let Some(groups) = &builder.domain.throttle_groups else { return };
    for group in &groups.groups {
        builder.part(format!("throttle group {}", group.group_name), group.origin);
        builder.object(object(group));
    }
}

fn object(group: &ThrottleGroup) -> Value {
    let mut limits = Map::new();
    for ((name, _), value) in NAMES.iter().zip(limits_of(&group.limits)) {
        limits.insert((*name).to_owned(), value.into());
    }
    for ((name, _), value) in NAMES.iter().zip(bursts_of(&group.bursts)) {
        limits.insert(format!("{name}-max"), value.into());
    }
    for ((name, _), value) in NAMES.iter().zip(lengths_of(&group.burst_lengths)) {
        if value > 0 {
            limits.insert(format!("{name}-max-length"), value.into());
        }
    }
    limits.insert("iops-size".to_owned(), group.size_iops_sec.map_or(0, u64::from).into());
    let id = format!("throttle-{}", group.group_name);
    json!({"qom-type": "throttle-group", "id": id, "limits": limits})
}

/// A node for each group that a disk's requests pass; the name of the topmost one.
pub(super) fn filters(
    builder: &mut Builder<'_>,
    disk: &Disk,
    mut node: String,
    numbers: &[u32],
) -> String {
    for (filter, number) in disk.throttle_filters.iter().zip(numbers) {
        let name = format!("libvirt-{number}-filter");
        let group = format!("throttle-{}", filter.group);
        builder.blockdev(json!({
            "driver": "throttle", "node-name": name, "throttle-group": group, "file": node,
        }));
        node = name;
    }
    node
}

/// The name by which `block_set_io_throttle` knows a disk. `None`: it cannot be limited.
///
/// libvirt: `qemuDomainDiskGetBackendAlias`, `qemuDomainDiskGetQOMName...`.
fn qom_name(disk: &Disk, alias: &str) -> Option<String> {
    match disk.bus()? {
        _ if matches!(disk.source, Source::VhostUser(_)) => None,
        Bus::Virtio => Some(format!("/machine/peripheral/{alias}/virtio-backend")),
        Bus::Usb => Some(format!("/machine/peripheral/{alias}/{alias}.0/legacy[0]")),
        _ => Some(alias.to_owned()),
    }
}

/// A disk's own limits, which are set once it is there.
///
/// libvirt: `qemuProcessSetupDiskThrottling`.
pub(super) fn limits(builder: &mut Builder<'_>, disk: &Disk, alias: &str) {
    let Some(iotune) = disk.iotune.as_ref().filter(|iotune| iotune.has_limits()) else { return };
    if let Some(id) = qom_name(disk, alias) {
        builder.afterwards("block_set_io_throttle", arguments(&id, iotune));
    }
}

/// What QEMU is told of a disk's own limits, none included; `None`: it cannot be limited.
pub(crate) fn limit(disk: &Disk, alias: &str) -> Option<Value> {
    let iotune = disk.iotune.clone().unwrap_or_default();
    Some(arguments(&qom_name(disk, alias)?, &iotune))
}

fn arguments(id: &str, iotune: &Iotune) -> Value {
    let mut arguments = Map::new();
    arguments.insert("id".to_owned(), id.into());
    for ((_, name), value) in NAMES.iter().zip(limits_of(&iotune.limits)) {
        arguments.insert((*name).to_owned(), value.into());
    }
    let mut set = |name: String, value: u64| {
        if value > 0 {
            arguments.insert(name, value.into());
        }
    };
    for ((_, name), value) in NAMES.iter().zip(bursts_of(&iotune.bursts)) {
        set(format!("{name}_max"), value);
    }
    for ((_, name), value) in NAMES.iter().zip(lengths_of(&iotune.burst_lengths)) {
        set(format!("{name}_max_length"), value);
    }
    set("iops_size".to_owned(), iotune.size_iops_sec.map_or(0, u64::from));
    if let Some(group) = &iotune.group_name {
        arguments.insert("group".to_owned(), group.as_str().into());
    }
    arguments.into()
}
