//! Limits of a disk of a guest that runs.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use conf::Domain;
use conf::device::DeviceKind;
use conf::throttle::Iotune;
use xml::Problem;

use super::{Change, Step, refusal};
use crate::alias::Aliases;
use crate::capabilities::Capabilities;
use crate::complete::{Mode, complete};
use crate::host::Host;
use crate::plan::{Inventory, throttle};

/// Limits that go together: where one of them is given, the others are not as they were.
///
/// libvirt: `qemuDomainSetBlockIoTuneDefaults`.
const FAMILIES: [&str; 4] = ["bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max"];

/// Limits of a disk that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The disk, such as `vda`.
    pub disk: String,
    /// The numbers by libvirt's names, such as `total_bytes_sec`; 0 is no limit.
    pub numbers: BTreeMap<&'static str, u64>,
    /// The group of disks that share them.
    pub group: Option<String>,
}

impl Limits {
    /// A document in which the disk has them. What is not given and belongs to nothing that is given
    /// stays as it was.
    ///
    /// # Errors
    /// There is no such disk.
    pub fn set(&self, domain: &Domain) -> Result<(Domain, usize), Vec<Problem>> {
        let mut domain = domain.clone();
        let pos = super::disk(&domain, &self.disk)?;
        let disks = &mut domain.devices.disks;
        let mut iotune = disks[pos].iotune.take().unwrap_or_default();
        let is_given = |family: &str| self.numbers.keys().any(|name| family_of(name) == family);
        for (name, number) in iotune.numbers_mut() {
            if FAMILIES.contains(&family_of(name)) && is_given(family_of(name)) {
                *number = None;
            }
            if let Some(given) = self.numbers.get(name) {
                *number = NonZeroU64::new(*given);
            }
        }
        forget_lengths(&mut iotune);
        iotune.group_name = self.group.clone().or(iotune.group_name);
        disks[pos].iotune = iotune.has_limits().then_some(iotune);
        Ok((domain, pos))
    }

    /// What is done to limit the disk of a guest that runs.
    ///
    /// libvirt: `qemuDomainSetBlockIoTune`.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub fn change(
        &self,
        live: &Domain,
        inventory: &Inventory,
        capabilities: &Capabilities,
        host: &Host,
    ) -> Result<Change, Vec<Problem>> {
        let (domain, pos) = self.set(live)?;
        let domain = complete(domain, capabilities, host, Mode::Reload)?.domain;
        let step = limit(live, &domain, pos)?;
        let purpose = step.command.purpose.clone();
        Ok(Change::of_steps(inventory, &domain, purpose, vec![step]))
    }
}

/// Limits a disk as it is to be.
///
/// # Errors
/// QEMU cannot limit it.
pub(super) fn limit(before: &Domain, after: &Domain, pos: usize) -> Result<Step, Vec<Problem>> {
    let alias = Aliases::assign(before).get(DeviceKind::Disk, pos).to_owned();
    let (old, new) = (&before.devices.disks[pos], &after.devices.disks[pos]);
    let name = old.name();
    let (Some(old), Some(new)) = (throttle::limit(old, &alias), throttle::limit(new, &alias))
    else {
        return Err(vec![refusal(format!("disk {name}: QEMU cannot limit it"))]);
    };
    let (command, purpose) = ("block_set_io_throttle", format!("limits of disk {name}"));
    Ok(Step::with_undo((command, new), Some((command, old)), &purpose))
}

/// A burst that is none lasts no time.
fn forget_lengths(iotune: &mut Iotune) {
    let bursts: Vec<&str> = iotune
        .numbers_mut()
        .into_iter()
        .filter(|(_, it)| it.is_some())
        .map(|(name, _)| name)
        .collect();
    for (name, number) in iotune.numbers_mut() {
        if name.strip_suffix("_length").is_some_and(|burst| !bursts.contains(&burst)) {
            *number = None;
        }
    }
}

/// What a limit is of: a name without `total`, `read` or `write`.
fn family_of(name: &str) -> &str {
    name.split_once('_').map_or(name, |(_, family)| family)
}

#[cfg(test)]
mod tests {
    use xml::Source;

    use super::*;

    /// What is in `<iotune>` after limits were given.
    fn after(iotune: &str, numbers: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>1</memory><os><type>hvm</type></os><devices>\
             <disk type='file'><target dev='vda'/><iotune>{iotune}</iotune></disk></devices></domain>"
        );
        let (domain, _) = conf::parse(&Source::new("a", text).without_places()).unwrap();
        let limits = Limits {
            disk: "vda".to_owned(),
            numbers: numbers.iter().copied().collect(),
            ..Limits::default()
        };
        let (mut domain, pos) = limits.set(&domain).unwrap();
        let Some(iotune) = &mut domain.devices.disks[pos].iotune else { return Vec::new() };
        let numbers = iotune.numbers_mut().into_iter();
        numbers.filter_map(|(name, number)| Some((name, number.as_ref()?.get()))).collect()
    }

    #[test]
    fn what_is_not_given_stays_unless_something_beside_it_is_given() {
        let iotune = "<read_bytes_sec>1</read_bytes_sec><total_iops_sec>2</total_iops_sec>";
        assert_eq!(
            after(iotune, &[("total_bytes_sec", 5)]),
            [("total_bytes_sec", 5), ("total_iops_sec", 2)]
        );
        assert_eq!(after(iotune, &[("total_iops_sec", 0)]), [("read_bytes_sec", 1)]);
        assert_eq!(after(iotune, &[("read_bytes_sec", 0), ("read_iops_sec", 0)]), []);
    }

    #[test]
    fn the_length_of_a_burst_goes_with_it() {
        let iotune = "<total_bytes_sec_max>8</total_bytes_sec_max>\
                      <total_bytes_sec_max_length>3</total_bytes_sec_max_length>";
        assert_eq!(after(iotune, &[("read_bytes_sec_max", 9)]), [("read_bytes_sec_max", 9)]);
        let longer = after(iotune, &[("total_bytes_sec_max_length", 4)]);
        assert_eq!(longer, [("total_bytes_sec_max", 8), ("total_bytes_sec_max_length", 4)]);
    }
}
