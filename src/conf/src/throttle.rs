//! `<throttlegroups>`, `<iotune>` and `<throttlefilters>`: limits of disks.

use std::num::NonZeroU64;

use xml::{Origin, Xml};

/// `<throttlegroups>`: limits that disks share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct ThrottleGroups {
    /// Where it was written.
    pub origin: Origin,
    /// The groups.
    #[xml(child, name = "throttlegroup")]
    pub groups: Vec<ThrottleGroup>,
}

/// `<throttlegroup>`: limits under a name.
///
/// libvirt: `virDomainThrottleGroupDef`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct ThrottleGroup {
    /// Where it was written.
    pub origin: Origin,
    /// What is allowed all the time.
    #[xml(flatten)]
    pub limits: Limits,
    /// What is allowed for a while.
    #[xml(flatten)]
    pub bursts: Bursts,
    /// How many bytes count as one request.
    #[xml(text_child)]
    pub size_iops_sec: Option<NonZeroU64>,
    /// For how long it is allowed.
    #[xml(flatten)]
    pub burst_lengths: BurstLengths,
    /// The name.
    #[xml(text_child, required)]
    pub group_name: String,
}

/// `<iotune>`: limits of one disk, or of all disks that name the same group.
///
/// libvirt: `virDomainDiskDefIotuneParse`, `virDomainDiskDefFormatIotune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Iotune {
    /// Where it was written.
    pub origin: Origin,
    /// What is allowed all the time.
    #[xml(flatten)]
    pub limits: Limits,
    /// What is allowed for a while.
    #[xml(flatten)]
    pub bursts: Bursts,
    /// How many bytes count as one request.
    #[xml(text_child)]
    pub size_iops_sec: Option<NonZeroU64>,
    /// The group of disks that share the limits.
    #[xml(text_child)]
    pub group_name: Option<String>,
    /// For how long it is allowed.
    #[xml(flatten)]
    pub burst_lengths: BurstLengths,
}

impl Iotune {
    /// Whether anything is limited at all; a group's name limits nothing.
    ///
    /// libvirt: `virDomainBlockIoTuneInfoHasAny`.
    pub fn has_limits(&self) -> bool {
        let nameless = Self { group_name: None, ..self.clone() };
        nameless != Self::default()
    }

    /// All numbers by their names, in virsh's order.
    ///
    /// virsh: `cmdBlkdeviotune`.
    pub fn numbers_mut(&mut self) -> [(&'static str, &mut Option<NonZeroU64>); 19] {
        [
            ("total_bytes_sec", &mut self.limits.total_bytes_sec),
            ("read_bytes_sec", &mut self.limits.read_bytes_sec),
            ("write_bytes_sec", &mut self.limits.write_bytes_sec),
            ("total_iops_sec", &mut self.limits.total_iops_sec),
            ("read_iops_sec", &mut self.limits.read_iops_sec),
            ("write_iops_sec", &mut self.limits.write_iops_sec),
            ("total_bytes_sec_max", &mut self.bursts.total_bytes_sec_max),
            ("read_bytes_sec_max", &mut self.bursts.read_bytes_sec_max),
            ("write_bytes_sec_max", &mut self.bursts.write_bytes_sec_max),
            ("total_iops_sec_max", &mut self.bursts.total_iops_sec_max),
            ("read_iops_sec_max", &mut self.bursts.read_iops_sec_max),
            ("write_iops_sec_max", &mut self.bursts.write_iops_sec_max),
            ("size_iops_sec", &mut self.size_iops_sec),
            ("total_bytes_sec_max_length", &mut self.burst_lengths.total_bytes_sec_max_length),
            ("read_bytes_sec_max_length", &mut self.burst_lengths.read_bytes_sec_max_length),
            ("write_bytes_sec_max_length", &mut self.burst_lengths.write_bytes_sec_max_length),
            ("total_iops_sec_max_length", &mut self.burst_lengths.total_iops_sec_max_length),
            ("read_iops_sec_max_length", &mut self.burst_lengths.read_iops_sec_max_length),
            ("write_iops_sec_max_length", &mut self.burst_lengths.write_iops_sec_max_length),
        ]
    }

    /// Limits of which one includes the other: the names of the total and of the part.
    ///
    /// libvirt: `virDomainDiskDefValidate`.
    pub fn contradictions(&self) -> Vec<(&'static str, &'static str)> {
        let (limits, bursts) = (&self.limits, &self.bursts);
        let pairs = [
            ("total_bytes_sec", limits.total_bytes_sec, "read_bytes_sec", limits.read_bytes_sec),
            ("total_bytes_sec", limits.total_bytes_sec, "write_bytes_sec", limits.write_bytes_sec),
            ("total_iops_sec", limits.total_iops_sec, "read_iops_sec", limits.read_iops_sec),
            ("total_iops_sec", limits.total_iops_sec, "write_iops_sec", limits.write_iops_sec),
            (
                "total_bytes_sec_max",
                bursts.total_bytes_sec_max,
                "read_bytes_sec_max",
                bursts.read_bytes_sec_max,
            ),
            (
                "total_bytes_sec_max",
                bursts.total_bytes_sec_max,
                "write_bytes_sec_max",
                bursts.write_bytes_sec_max,
            ),
            (
                "total_iops_sec_max",
                bursts.total_iops_sec_max,
                "read_iops_sec_max",
                bursts.read_iops_sec_max,
            ),
            (
                "total_iops_sec_max",
                bursts.total_iops_sec_max,
                "write_iops_sec_max",
                bursts.write_iops_sec_max,
            ),
        ];
        let both =
            pairs.into_iter().filter(|(_, total, _, part)| total.is_some() && part.is_some());
        both.map(|(total, _, part, _)| (total, part)).collect()
    }
}

/// What is allowed all the time. Absent: as much as can be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Limits {
    /// Bytes a second, read and written.
    #[xml(text_child)]
    pub total_bytes_sec: Option<NonZeroU64>,
    /// Bytes a second, read.
    #[xml(text_child)]
    pub read_bytes_sec: Option<NonZeroU64>,
    /// Bytes a second, written.
    #[xml(text_child)]
    pub write_bytes_sec: Option<NonZeroU64>,
    /// Requests a second, of both kinds.
    #[xml(text_child)]
    pub total_iops_sec: Option<NonZeroU64>,
    /// Requests a second that read.
    #[xml(text_child)]
    pub read_iops_sec: Option<NonZeroU64>,
    /// Requests a second that write.
    #[xml(text_child)]
    pub write_iops_sec: Option<NonZeroU64>,
}

/// What is allowed for a while, in place of the [`Limits`] of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Bursts {
    /// Bytes a second, read and written.
    #[xml(text_child)]
    pub total_bytes_sec_max: Option<NonZeroU64>,
    /// Bytes a second, read.
    #[xml(text_child)]
    pub read_bytes_sec_max: Option<NonZeroU64>,
    /// Bytes a second, written.
    #[xml(text_child)]
    pub write_bytes_sec_max: Option<NonZeroU64>,
    /// Requests a second, of both kinds.
    #[xml(text_child)]
    pub total_iops_sec_max: Option<NonZeroU64>,
    /// Requests a second that read.
    #[xml(text_child)]
    pub read_iops_sec_max: Option<NonZeroU64>,
    /// Requests a second that write.
    #[xml(text_child)]
    pub write_iops_sec_max: Option<NonZeroU64>,
}

/// For how many seconds a burst is allowed. Absent: one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct BurstLengths {
    /// Of `total_bytes_sec_max`.
    #[xml(text_child)]
    pub total_bytes_sec_max_length: Option<NonZeroU64>,
    /// Of `read_bytes_sec_max`.
    #[xml(text_child)]
    pub read_bytes_sec_max_length: Option<NonZeroU64>,
    /// Of `write_bytes_sec_max`.
    #[xml(text_child)]
    pub write_bytes_sec_max_length: Option<NonZeroU64>,
    /// Of `total_iops_sec_max`.
    #[xml(text_child)]
    pub total_iops_sec_max_length: Option<NonZeroU64>,
    /// Of `read_iops_sec_max`.
    #[xml(text_child)]
    pub read_iops_sec_max_length: Option<NonZeroU64>,
    /// Of `write_iops_sec_max`.
    #[xml(text_child)]
    pub write_iops_sec_max_length: Option<NonZeroU64>,
}

/// `<throttlefilter>`: a group that a disk's requests pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct ThrottleFilter {
    /// Where it was written.
    pub origin: Origin,
    /// The name of the group.
    #[xml(attribute, required)]
    pub group: String,
}
