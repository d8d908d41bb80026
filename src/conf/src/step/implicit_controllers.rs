//! Controllers that go without saying, because a device hangs off them.

use xml::{Part, Problem};

use crate::address::{Address, Ccid};
use crate::device::channel::ChannelTarget;
use crate::device::console::ConsoleTargetType;
use crate::device::controller::{ControllerKind, Ide, Nvme, Scsi, VirtioSerial};
use crate::device::disk::Bus;
use crate::device::{Device, Devices};
use crate::domain::Domain;

/// The name of this step where it adds something to a domain.
const STEP: &str = "implicit controllers";

/// The highest index up to which controllers are added: more than any machine has slots for.
const LAST_INDEX: u32 = 4095;

/// Adds the controllers that disks, virtio channels and consoles, smartcards and SCSI devices of the
/// host name and that are not there. A smartcard without an address gets one.
///
/// libvirt: `virDomainDefAddImplicitControllers`.
pub fn run(domain: &mut Domain, problems: &mut Vec<Problem>) {
    let devices = &mut domain.devices;
    let of_disks = [
        (Bus::Scsi, ControllerKind::Scsi(Scsi::default())),
        (Bus::Fdc, ControllerKind::Fdc),
        (Bus::Ide, ControllerKind::Ide(Ide::default())),
        (Bus::Sata, ControllerKind::Sata),
        (Bus::Nvme, ControllerKind::Nvme(Nvme::default())),
    ];
    for (bus, kind) in of_disks {
        for_disks(devices, bus, &kind, problems);
    }
    for_virtio_ports(devices);
    for_smartcards(devices);
    for_hostdevs(devices, problems);
}

/// Adds the SCSI controllers that SCSI devices of the host name. libvirt does so already while it
/// reads, which gives them their place among the controllers.
///
/// libvirt: `virDomainDefMaybeAddHostdevSCSIcontroller`.
pub fn for_hostdevs(devices: &mut Devices, problems: &mut Vec<Problem>) {
    let mut highest: Option<u32> = None;
    let mut model = None;
    for hostdev in devices.hostdevs.iter().filter(|hostdev| hostdev.is_scsi()) {
        let place = hostdev.info.address.as_ref().and_then(Address::drive);
        let index = place.map_or(0, |place| place.controller);
        if index > LAST_INDEX {
            problems.push(too_high(Device::Hostdev(hostdev), index));
        } else if highest.is_none_or(|highest| index > highest) {
            highest = Some(index);
            // One that continues another controller is of its kind.
            let kind = ControllerKind::Scsi(Scsi::default());
            let found = devices.controller(&kind, index).and_then(|controller| controller.scsi());
            model = found.and_then(|scsi| scsi.model).or(model);
        }
    }
    for index in highest.into_iter().flat_map(|highest| 0..=highest) {
        devices.add_missing_controller(ControllerKind::Scsi(Scsi { model }), index, STEP);
    }
}

/// libvirt: `virDomainDefAddDiskControllersForType`.
fn for_disks(devices: &mut Devices, bus: Bus, kind: &ControllerKind, problems: &mut Vec<Problem>) {
    let mut highest = None;
    for disk in devices.disks.iter().filter(|disk| disk.bus() == Some(bus)) {
        let Some(place) = disk.info.address.as_ref().and_then(Address::drive) else { continue };
        if place.controller > LAST_INDEX {
            problems.push(too_high(Device::Disk(disk), place.controller));
        } else {
            highest = highest.max(Some(place.controller));
        }
    }
    for index in highest.into_iter().flat_map(|highest| 0..=highest) {
        devices.add_missing_controller(kind.clone(), index, STEP);
    }
}

/// libvirt: `virDomainDefMaybeAddVirtioSerialController`.
fn for_virtio_ports(devices: &mut Devices) {
    let channels = devices
        .channels
        .iter()
        .filter(|channel| matches!(channel.target, ChannelTarget::Virtio(_)))
        .map(|channel| &channel.info);
    let consoles = devices
        .consoles
        .iter()
        .filter(|console| console.target.kind == Some(ConsoleTargetType::Virtio))
        .map(|console| &console.info);
    let indexes: Vec<u32> = channels
        .chain(consoles)
        .map(|info| match &info.address {
            Some(Address::VirtioSerial(port)) => port.controller,
            _ => 0,
        })
        .collect();
    for index in indexes {
        let kind = ControllerKind::VirtioSerial(VirtioSerial::default());
        devices.add_missing_controller(kind, index, STEP);
    }
}

/// libvirt: `virDomainDefMaybeAddSmartcardController`.
fn for_smartcards(devices: &mut Devices) {
    for at in 0..devices.smartcards.len() {
        let last = devices
            .smartcards
            .iter()
            .filter_map(|card| match &card.info.address {
                Some(Address::Ccid(place)) if place.controller == 0 => Some(place.slot),
                _ => None,
            })
            .max();
        let address = devices.smartcards[at].info.address.get_or_insert_with(|| {
            let slot = last.map_or(0, |last| last.saturating_add(1));
            Address::Ccid(Ccid { controller: 0, slot })
        });
        if let Address::Ccid(place) = address {
            let index = place.controller;
            devices.add_missing_controller(ControllerKind::Ccid, index, STEP);
        }
    }
}

fn too_high(device: Device<'_>, index: u32) -> Problem {
    let message = format!("it would take controllers up to index {index} to have the device there");
    Problem::error(device.origin(), Part::Name, message)
        .expected(format!("a controller with an index of at most {LAST_INDEX}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    /// The controllers that are there in the end: type and index.
    fn controllers(text: &str) -> Vec<String> {
        let text = format!("<devices>{text}</devices>");
        let (devices, _) = read::<Devices>("devices", &text).unwrap();
        let mut domain = Domain { devices, ..Domain::default() };
        let mut problems = Vec::new();
        run(&mut domain, &mut problems);
        assert_eq!(problems, []);
        let text = xml::print(&domain.devices, "devices");
        let lines = text.lines().filter(|line| line.contains("<controller"));
        lines.map(|line| line.trim().trim_start_matches("<controller ").to_owned()).collect()
    }

    #[test]
    fn controllers_are_added_up_to_the_highest_that_a_disk_names() {
        let disk = "<disk><target dev='sda' bus='sata'/>\
            <address type='drive' controller='2' unit='1'/></disk>";
        assert_eq!(
            controllers(&format!("<controller type='sata' index='1'/>{disk}")),
            ["type='sata' index='0'/>", "type='sata' index='1'/>", "type='sata' index='2'/>"]
        );
    }

    #[test]
    fn of_virtio_serial_only_the_controllers_that_are_named_are_added() {
        let channel = "<channel><target type='virtio'/>\
            <address type='virtio-serial' controller='3' port='1'/></channel>";
        let console = "<console><target type='virtio'/></console>";
        assert_eq!(
            controllers(&format!("{channel}{console}")),
            ["type='virtio-serial' index='0'/>", "type='virtio-serial' index='3'/>"]
        );
    }

    #[test]
    fn a_controller_for_a_scsi_device_of_the_host_is_like_the_one_before() {
        let hostdev = "<hostdev type='scsi'><source><adapter name='scsi_host0'/>\
            <address bus='0' target='0' unit='0'/></source>";
        let devices = format!(
            "<controller type='scsi' index='0' model='virtio-scsi'/>{hostdev}\
             <address type='drive'/></hostdev>{hostdev}\
             <address type='drive' controller='1'/></hostdev>"
        );
        assert_eq!(
            controllers(&devices),
            [
                "type='scsi' index='0' model='virtio-scsi'/>",
                "type='scsi' index='1' model='virtio-scsi'/>"
            ]
        );
    }

    #[test]
    fn smartcards_without_an_address_follow_the_last_slot() {
        let text = "<devices><smartcard mode='host'><address type='ccid' slot='4'/></smartcard>\
            <smartcard mode='host'/></devices>";
        let (devices, _) = read::<Devices>("devices", text).unwrap();
        let mut domain = Domain { devices, ..Domain::default() };
        run(&mut domain, &mut Vec::new());
        let address = &domain.devices.smartcards[1].info.address;
        assert_eq!(*address, Some(Address::Ccid(Ccid { controller: 0, slot: 5 })));
        assert!(domain.devices.controller(&ControllerKind::Ccid, 0).is_some());
    }

    #[test]
    fn a_controller_beyond_all_reason_is_refused() {
        let text = "<devices><disk><target dev='sda' bus='scsi'/>\
            <address type='drive' controller='4000000000'/></disk></devices>";
        let (devices, _) = read::<Devices>("devices", text).unwrap();
        let mut problems = Vec::new();
        run(&mut Domain { devices, ..Domain::default() }, &mut problems);
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
}
