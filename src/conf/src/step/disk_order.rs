//! The order of disks.

use crate::device::Disk;
use crate::domain::Domain;

/// Puts each disk behind those on its bus whose names come before its own. Buses stand in the order
/// in which the document first mentions them.
///
/// libvirt: `virDomainDiskInsert`, at the end of parsing each disk.
pub fn run(domain: &mut Domain) {
    sort(&mut domain.devices.disks);
}

/// The same, of a list of disks.
pub(crate) fn sort(disks: &mut Vec<Disk>) {
    for disk in std::mem::take(disks) {
        insert(disks, disk);
    }
}

/// Adds a disk at its place.
pub fn insert(disks: &mut Vec<Disk>, new: Disk) {
    let mut place = None;
    for (at, old) in disks.iter().enumerate().rev() {
        if bus(old) != bus(&new) {
            continue;
        }
        if index(old) > index(&new) {
            place = Some(at);
        } else if place.is_none() {
            place = Some(at + 1);
        }
    }
    disks.insert(place.unwrap_or(disks.len()), new);
}

fn bus(disk: &Disk) -> Option<crate::device::disk::target::Bus> {
    disk.target.bus
}

/// The number that the name stands for; a name that stands for none comes first.
fn index(disk: &Disk) -> Option<u32> {
    disk.target.dev.place().map(|place| place.index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Devices;
    use crate::testing::read;

    #[test]
    fn disks_are_ordered_by_name_among_those_of_their_bus() {
        let targets = ["vdb virtio", "sda scsi", "vdaa virtio", "vda virtio", "hdb", "hda"];
        let disks: String = targets
            .iter()
            .map(|target| {
                let (dev, bus) = target.split_once(' ').unwrap_or((target, ""));
                let bus = if bus.is_empty() { String::new() } else { format!(" bus='{bus}'") };
                format!("<disk><target dev='{dev}'{bus}/></disk>")
            })
            .collect();
        let (devices, _) =
            read::<Devices>("devices", &format!("<devices>{disks}</devices>")).unwrap();
        let mut domain = Domain { devices, ..Domain::default() };
        run(&mut domain);
        let names: Vec<_> = domain.devices.disks.iter().map(|d| d.target.dev.as_str()).collect();
        assert_eq!(names, ["vda", "vdb", "vdaa", "sda", "hda", "hdb"]);
    }
}
