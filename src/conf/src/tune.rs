//! `<blkiotune>` and `<memtune>`: limits of block I/O and memory, which the host's control groups
//! keep.

use std::fmt::Write;
use std::num::{NonZeroU32, NonZeroU64};

use base::{BadValue, Datatype, Unit, Value, size};
use xml::{El, Origin, Part, Reader, Xml};

/// `<blkiotune>`.
///
/// libvirt: `virDomainBlkioDeviceParseXML`, `virDomainDefFormatBlkiotune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Blkiotune::finish)]
pub struct Blkiotune {
    /// Where it was written.
    pub origin: Origin,
    /// The guest's share of the host's disks, beside that of others.
    #[xml(text_child)]
    pub weight: Option<NonZeroU32>,
    /// Disks of the host, one by one.
    #[xml(child, name = "device")]
    pub devices: Vec<BlkioDevice>,
}

impl Blkiotune {
    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        for (at, device) in self.devices.iter().enumerate() {
            if self.devices[..at].iter().any(|other| other.path == device.path) {
                let message = format!("'{}' appears more than once in <blkiotune>", device.path);
                reader.error(device.origin, Part::Name, message);
            }
        }
    }
}

/// `<device>` of `<blkiotune>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(drop_if = BlkioDevice::is_unlimited)]
pub struct BlkioDevice {
    /// Where it was written.
    pub origin: Origin,
    /// A block device of the host.
    #[xml(text_child, required)]
    pub path: String,
    /// The guest's share of it.
    #[xml(text_child)]
    pub weight: Option<NonZeroU32>,
    /// How many requests a second read at most.
    #[xml(text_child)]
    pub read_iops_sec: Option<NonZeroU32>,
    /// How many requests a second write at most.
    #[xml(text_child)]
    pub write_iops_sec: Option<NonZeroU32>,
    /// How many bytes a second are read at most.
    #[xml(text_child)]
    pub read_bytes_sec: Option<NonZeroU64>,
    /// How many bytes a second are written at most.
    #[xml(text_child)]
    pub write_bytes_sec: Option<NonZeroU64>,
}

impl BlkioDevice {
    fn is_unlimited(&self) -> bool {
        *self == Self { path: self.path.clone(), ..Self::default() }
    }
}

/// A size in KiB that a process may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryLimit(pub u64);

impl MemoryLimit {
    /// What stands for "no limit", in KiB (libvirt: `VIR_DOMAIN_MEMORY_PARAM_UNLIMITED`).
    const UNLIMITED: u64 = 9_007_199_254_740_991;
}

impl Value for MemoryLimit {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let size = Unit::KIB.round_up(size::parse(text, Unit::KIB)?);
        Ok(Some(Self(size)).filter(|limit| limit.0 < Self::UNLIMITED))
    }

    fn write(&self, out: &mut String) {
        write!(out, "{} KiB", self.0).expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Unsigned
    }
}

/// `<memtune>`: limits of the QEMU process. Absent: there are none.
///
/// libvirt: `virDomainDefParseMemory`, `virDomainMemtuneFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Memtune {
    /// Where it was written.
    pub origin: Origin,
    /// The most memory.
    #[xml(text_child, unit)]
    pub hard_limit: Option<MemoryLimit>,
    /// The most memory while the host is short of it.
    #[xml(text_child, unit)]
    pub soft_limit: Option<MemoryLimit>,
    /// The least memory; QEMU's driver refuses it.
    #[xml(text_child, unit)]
    pub min_guarantee: Option<MemoryLimit>,
    /// The most memory and swap together.
    #[xml(text_child, unit)]
    pub swap_hard_limit: Option<MemoryLimit>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    #[test]
    fn a_device_without_limits_is_dropped_and_none_appears_twice() {
        let device = "<device><path>/dev/sda</path><weight>800</weight></device>";
        let blkiotune = |content: &str| {
            reprint::<Blkiotune>("blkiotune", &format!("<blkiotune>{content}</blkiotune>"))
        };
        assert_eq!(
            blkiotune("<weight>0</weight><device><path>/dev/sdb</path></device>").unwrap(),
            "<blkiotune/>\n"
        );
        assert!(blkiotune(device).is_ok());
        assert_eq!(
            blkiotune(&device.repeat(2)).unwrap_err(),
            ["'/dev/sda' appears more than once in <blkiotune>"]
        );
    }

    #[test]
    fn a_limit_that_nothing_reaches_is_none() {
        let text = "<memtune><hard_limit unit='MiB'>1</hard_limit>\
                    <soft_limit>9007199254740991</soft_limit></memtune>";
        assert_eq!(
            reprint::<Memtune>("memtune", text).unwrap(),
            "<memtune>\n  <hard_limit unit='KiB'>1024</hard_limit>\n</memtune>\n"
        );
    }
}
