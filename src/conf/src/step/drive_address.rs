//! Places on disk controllers.

use xml::{Part, Problem};

use crate::address::{Address, Drive};
use crate::device::Devices;
use crate::device::disk::{Bus, Disk};
use crate::domain::Domain;

/// How many units a SCSI controller has where nothing else is said (libvirt: `scsiBusMaxUnit`).
const SCSI_UNITS: u32 = 7;

/// A disk on a controller that has no address gets the place that its name stands for. The bus of
/// every disk must be known.
///
/// libvirt: `virDomainDiskDefAssignAddress`.
pub fn disks(domain: &mut Domain, problems: &mut Vec<Problem>) {
    let devices = &mut domain.devices;
    for at in 0..devices.disks.len() {
        let disk = &devices.disks[at];
        if disk.info.address.is_some() {
            continue;
        }
        match suggested(disk) {
            Ok(None) => {}
            Ok(Some(place)) if disk.bus() == Some(Bus::Scsi) && hostdev_is_at(devices, &place) => {
                let message = format!(
                    "the name '{}' of the disk stands for {}, where there is a SCSI device of \
                     the host",
                    disk.name(),
                    in_words(&place)
                );
                let part = Part::Attribute("dev".to_owned());
                problems.push(
                    Problem::error(disk.target.origin, part, message)
                        .help("choose another name, or give the disk an <address>"),
                );
            }
            Ok(Some(place)) => devices.disks[at].info.address = Some(Address::Drive(place)),
            Err(problem) => problems.push(problem),
        }
    }
}

/// A SCSI device of the host that has no address gets the first unit that nothing else has.
///
/// libvirt: `virDomainHostdevAssignAddress`, `virDomainHostdevDefPostParse`.
pub fn hostdevs(domain: &mut Domain, problems: &mut Vec<Problem>) {
    let devices = &mut domain.devices;
    for at in 0..devices.hostdevs.len() {
        let hostdev = &devices.hostdevs[at];
        if !hostdev.is_scsi() {
            continue;
        }
        match &hostdev.info.address {
            None => {
                let free = first_free_unit(devices);
                devices.hostdevs[at].info.address = Some(Address::Drive(free));
            }
            Some(Address::Drive(place)) if disk_is_at(devices, place) => {
                let message = format!("there is a SCSI disk at {}", in_words(place));
                problems.push(
                    Problem::error(hostdev.origin, Part::Name, message)
                        .help("leave the <address> out to have a free one chosen"),
                );
            }
            Some(_) => {}
        }
    }
}

/// Where the name of a disk puts it, on a bus with controllers.
fn suggested(disk: &Disk) -> Result<Option<Drive>, Problem> {
    let Some(name) = disk.target.dev.place() else {
        let message =
            format!("the name '{}' stands for no place, and there is no <address>", disk.name());
        let part = Part::Attribute("dev".to_owned());
        return Err(Problem::error(disk.target.origin, part, message).expected("a name like vda"));
    };
    let index = name.index;
    let place = |per_controller: u32, per_bus: u32| Drive {
        controller: index / per_controller,
        bus: index % per_controller / per_bus,
        target: 0,
        unit: index % per_bus,
    };
    Ok(match disk.bus() {
        Some(Bus::Scsi) => Some(place(SCSI_UNITS, SCSI_UNITS)),
        Some(Bus::Ide) => Some(place(4, 2)),
        Some(Bus::Sata) => Some(place(6, 6)),
        Some(Bus::Fdc) => Some(place(2, 2)),
        Some(Bus::Nvme) => {
            Some(Drive { controller: name.controller, unit: index, ..Drive::default() })
        }
        _ => None,
    })
}

fn first_free_unit(devices: &Devices) -> Drive {
    let places = (0..).flat_map(|controller| {
        (0..SCSI_UNITS).map(move |unit| Drive { controller, unit, ..Drive::default() })
    });
    let mut free =
        places.filter(|place| !disk_is_at(devices, place) && !hostdev_is_at(devices, place));
    free.next().expect("there are fewer devices than places")
}

fn disk_is_at(devices: &Devices, place: &Drive) -> bool {
    let mut disks = devices.disks.iter().filter(|disk| disk.bus() == Some(Bus::Scsi));
    disks.any(|disk| is_at(disk.info.address.as_ref(), place))
}

fn hostdev_is_at(devices: &Devices, place: &Drive) -> bool {
    let mut hostdevs = devices.hostdevs.iter().filter(|hostdev| hostdev.is_scsi());
    hostdevs.any(|hostdev| is_at(hostdev.info.address.as_ref(), place))
}

fn is_at(address: Option<&Address>, place: &Drive) -> bool {
    address.and_then(Address::drive) == Some(place)
}

fn in_words(Drive { controller, bus, target, unit }: &Drive) -> String {
    format!("controller {controller}, bus {bus}, target {target}, unit {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    fn domain(text: &str) -> Domain {
        let text = format!("<devices>{text}</devices>");
        let (devices, _) = read::<Devices>("devices", &text).unwrap();
        Domain { devices, ..Domain::default() }
    }

    fn place(bus: &str, name: &str) -> Option<(u32, u32, u32)> {
        let mut domain = domain(&format!("<disk><target dev='{name}' bus='{bus}'/></disk>"));
        disks(&mut domain, &mut Vec::new());
        let drive = domain.devices.disks[0].info.address.as_ref()?.drive()?;
        Some((drive.controller, drive.bus, drive.unit))
    }

    #[test]
    fn the_letter_of_a_disk_decides_its_place() {
        assert_eq!(place("ide", "hdd"), Some((0, 1, 1)));
        assert_eq!(place("ide", "hde"), Some((1, 0, 0)));
        assert_eq!(place("scsi", "sdh"), Some((1, 0, 0)));
        assert_eq!(place("sata", "sdg"), Some((1, 0, 0)));
        assert_eq!(place("fdc", "fdb"), Some((0, 0, 1)));
        assert_eq!(place("virtio", "vda"), None);
    }

    #[test]
    fn a_name_that_stands_for_no_place_needs_an_address() {
        let mut domain = domain("<disk><target dev='system' bus='virtio'/></disk>");
        let mut problems = Vec::new();
        disks(&mut domain, &mut problems);
        assert_eq!(
            problems[0].to_string(),
            "the name 'system' stands for no place, and there is no <address>: \
             expected a name like vda"
        );
    }

    const HOSTDEV: &str = "<hostdev type='scsi'><source><adapter name='scsi_host0'/>\
        <address bus='0' target='0' unit='0'/></source>";

    #[test]
    fn a_scsi_device_of_the_host_gets_the_first_free_unit() {
        let mut domain = domain(&format!(
            "<disk><target dev='sda' bus='scsi'/></disk>{HOSTDEV}<address type='drive' \
             unit='1'/></hostdev>{HOSTDEV}</hostdev>"
        ));
        let mut problems = Vec::new();
        disks(&mut domain, &mut problems);
        hostdevs(&mut domain, &mut problems);
        assert_eq!(problems, []);
        let place = domain.devices.hostdevs[1].info.address.as_ref().and_then(Address::drive);
        assert_eq!(place, Some(&Drive { unit: 2, ..Drive::default() }));
    }

    #[test]
    fn a_disk_whose_name_stands_for_the_place_of_another_is_refused() {
        let mut domain = domain(&format!(
            "<disk><target dev='sda' bus='scsi'/></disk>{HOSTDEV}<address type='drive'/></hostdev>"
        ));
        let mut problems = Vec::new();
        disks(&mut domain, &mut problems);
        assert_eq!(
            problems[0].message,
            "the name 'sda' of the disk stands for controller 0, bus 0, target 0, unit 0, where \
             there is a SCSI device of the host"
        );
    }
}
