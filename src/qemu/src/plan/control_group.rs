//! The limits that the kernel puts a guest under: a control group of its own, and how much memory it
//! may lock.

use std::num::{NonZeroI64, NonZeroU64};

use conf::numatune::NumatuneMode;
use conf::tune::{BlkioDevice, MemoryLimit};
use serde::{Deserialize, Serialize};
use xml::Origin;

use super::{Builder, Thread, vfio};

/// The weights of processor time that control groups of version 2 take.
const WEIGHTS: std::ops::RangeInclusive<u64> = 1..=10_000;
/// The period of a limit that says none, in microseconds: the kernel's own.
const PERIOD: u64 = 100_000;
/// KiB for what devices have mapped beside the guest's memory.
const DEVICE_MEMORY: u64 = 1 << 20;
/// The partition that libvirt makes, and writes into every document of a running guest.
const DEFAULT_PARTITION: &str = "/machine";

/// A control group (version 2) that a guest gets before its QEMU is started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlGroup {
    /// The group below which it is made, as libvirt names it: `/machine/guests`. Absent: wherever one can be
    /// made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// What is written, in order.
    pub settings: Vec<GroupSetting>,
    /// Where the first element stands that asks for it, as `FILE:LINE:COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// That element.
    #[serde(skip)]
    pub origin: Origin,
}

/// What is written into a file of a control group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSetting {
    /// The threads that it is for, which get a group within that of the guest. Absent: all of the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Thread>,
    /// The file, such as `cpu.weight`.
    pub file: String,
    /// The block device whose number stands before the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The value.
    pub value: String,
    /// What asks for it, in the user's words: `<memtune>`.
    pub purpose: String,
    /// Where its element stands, as `FILE:LINE:COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Its element.
    #[serde(skip)]
    pub origin: Origin,
}

/// How much memory a guest may lock, so that it is never paged out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockedMemory {
    /// All that there is.
    Unlimited,
    /// So many bytes.
    Bytes(u64),
}

/// All of what the document limits.
///
/// libvirt: `qemuSetupCgroup`, `qemuProcessSetupPid`, `virCgroupV2*` of `vircgroupv2.c`.
pub(super) fn limits(builder: &mut Builder<'_>) {
    let mut group = ControlGroup::default();
    processor_time(builder, &mut group);
    memory(builder, &mut group);
    block_devices(builder, &mut group);
    nodes(builder, &mut group);
    partition(builder, &mut group);
    let first = group.settings.first();
    let Some((purpose, origin)) = first.map(|it| (it.purpose.clone(), it.origin)) else {
        if group.partition.is_some() {
            builder.control_group = Some(group);
        }
        return;
    };
    if let Some(reason) = &builder.host.no_control_groups {
        builder.part(purpose, origin);
        let refused = builder.refuse(format!("this host cannot limit guests: {reason}"));
        refused.help =
            Some("leave it out, or start Linux with control groups of version 2".to_owned());
        return;
    }
    group.origin = origin;
    builder.control_group = Some(group);
}

impl ControlGroup {
    fn set(&mut self, of: (&str, Origin), thread: Option<Thread>, file: &str, value: String) {
        self.settings.push(GroupSetting {
            thread,
            file: file.to_owned(),
            value,
            purpose: of.0.to_owned(),
            origin: of.1,
            ..GroupSetting::default()
        });
    }
}

/// libvirt: `virCgroupV2SetCpuShares`, `virCgroupV2SetCpuCfsQuota`.
fn processor_time(builder: &mut Builder<'_>, group: &mut ControlGroup) {
    let domain = builder.domain;
    let Some(tune) = &domain.cputune else { return };
    let of = ("<cputune>", tune.origin);
    if let Some(shares) = tune.shares {
        if !WEIGHTS.contains(&shares) {
            builder.part("<cputune>", tune.origin);
            let refused = builder.refuse(format!(
                "<shares> of {shares} cannot be given: control groups of version 2 take 1 to 10000"
            ));
            refused.help = Some("100 is the share of a group that says none".to_owned());
        }
        group.set(of, None, "cpu.weight", shares.to_string());
    }
    let mut limit = |thread, period: Option<NonZeroU64>, quota: Option<NonZeroI64>| {
        if period.is_none() && quota.is_none() {
            return;
        }
        let period = period.map_or(PERIOD, NonZeroU64::get);
        let quota = quota.and_then(|quota| u64::try_from(quota.get()).ok());
        let quota = quota.map_or("max".to_owned(), |quota| quota.to_string());
        group.set(of, thread, "cpu.max", format!("{quota} {period}"));
    };
    limit(None, tune.global_period, tune.global_quota);
    limit(Some(Thread::Emulator), tune.emulator_period, tune.emulator_quota);
    for number in 0..domain.vcpu.as_ref().map_or(1, |vcpu| vcpu.maximum) {
        limit(Some(Thread::Vcpu { number }), tune.period, tune.quota);
    }
    for number in domain.iothread_numbers() {
        limit(Some(Thread::Iothread { number }), tune.iothread_period, tune.iothread_quota);
    }
}

/// libvirt: `qemuSetupMemoryCgroup`, `virCgroupV2SetMemSwapHardLimit`: what is called memory and swap together
/// is the limit of swap alone in version 2.
fn memory(builder: &Builder<'_>, group: &mut ControlGroup) {
    let Some(tune) = &builder.domain.memtune else { return };
    let limits = [
        ("memory.max", tune.hard_limit),
        ("memory.high", tune.soft_limit),
        ("memory.swap.max", tune.swap_hard_limit),
    ];
    for (file, limit) in limits {
        if let Some(MemoryLimit(size)) = limit {
            group.set(("<memtune>", tune.origin), None, file, (size << 10).to_string());
        }
    }
}

/// libvirt: `qemuSetupBlkioCgroup`, `virDomainCgroupSetupDomainBlkioParameters`.
fn block_devices(builder: &Builder<'_>, group: &mut ControlGroup) {
    let Some(tune) = &builder.domain.blkiotune else { return };
    if let Some(weight) = tune.weight {
        group.set(("<blkiotune>", tune.origin), None, "io.weight", weight.to_string());
    }
    for device in &tune.devices {
        let BlkioDevice { read_iops_sec, write_iops_sec, .. } = device;
        let settings = [
            ("io.weight", device.weight.map(|weight| weight.to_string())),
            ("io.max", read_iops_sec.map(|number| format!("riops={number}"))),
            ("io.max", write_iops_sec.map(|number| format!("wiops={number}"))),
            ("io.max", device.read_bytes_sec.map(|number| format!("rbps={number}"))),
            ("io.max", device.write_bytes_sec.map(|number| format!("wbps={number}"))),
        ];
        for (file, value) in settings {
            let Some(value) = value else { continue };
            group.set(("<device> of <blkiotune>", device.origin), None, file, value);
            let last = group.settings.last_mut();
            last.into_iter().for_each(|setting| setting.device = Some(device.path.clone()));
        }
    }
}

/// Memory of a guest whose NUMA nodes QEMU is not told.
///
/// libvirt: `qemuProcessSetupPid`.
fn nodes(builder: &Builder<'_>, group: &mut ControlGroup) {
    let Some(numatune) = &builder.domain.numatune else { return };
    let Some(memory) = &numatune.memory else { return };
    if memory.mode != NumatuneMode::Restrictive {
        return;
    }
    let nodes = match &memory.nodeset {
        Some(nodes) => nodes.to_string(),
        None => {
            let advised = builder.host.numad_nodes.iter().flatten();
            advised.map(u32::to_string).collect::<Vec<_>>().join(",")
        }
    };
    if !nodes.is_empty() {
        group.set(("<numatune>", memory.origin), None, "cpuset.mems", nodes);
    }
}

/// Guests of a user get their group from that user's systemd, as libvirt's do not get into a partition either.
fn partition(builder: &mut Builder<'_>, group: &mut ControlGroup) {
    let Some(resource) = &builder.domain.resource else { return };
    let Some(partition) = &resource.partition else { return };
    if partition.0 == DEFAULT_PARTITION {
        return;
    }
    let reason = match &builder.host.no_control_groups {
        None if builder.host.privileged => {
            group.partition = Some(partition.0.clone());
            group.origin = resource.origin;
            return;
        }
        None => "only root's guests have one".to_owned(),
        Some(reason) => reason.clone(),
    };
    builder.part("<partition>", resource.origin);
    let warning = builder.warn(format!("has no effect: {reason}"));
    warning.help = Some("limit the unit or scope that the guest runs in".to_owned());
}

/// How much memory QEMU may lock: all of the guest's where the document wants it locked, and as much as
/// devices reach by themselves.
///
/// libvirt: `qemuDomainGetMemLockLimitBytes`.
pub(super) fn locked_memory(builder: &Builder<'_>) -> Option<LockedMemory> {
    let domain = builder.domain;
    let is_locked = domain.memory_backing.as_ref().is_some_and(|backing| backing.locked);
    let maps = vfio::memory_maps(domain);
    if !is_locked && maps == 0 {
        return None;
    }
    let limit = domain.memtune.as_ref().and_then(|tune| tune.hard_limit);
    Some(match limit {
        Some(MemoryLimit(size)) => LockedMemory::Bytes(size << 10),
        None if is_locked => LockedMemory::Unlimited,
        None => {
            let memory = domain.total_memory().0.saturating_mul(maps).saturating_add(DEVICE_MEMORY);
            LockedMemory::Bytes(memory.saturating_mul(1 << 10))
        }
    })
}
