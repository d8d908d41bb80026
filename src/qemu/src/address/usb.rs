//! Ports of USB buses, and the hubs that they take.

use std::collections::BTreeMap;

use conf::Domain;
use conf::address::{Address, Usb, UsbPort};
use conf::device::controller::{Controller, ControllerKind, UsbModel};
use conf::device::disk::Bus;
use conf::device::filesystem::DriverKind;
use conf::device::host_address::HostAddress;
use conf::device::hostdev::HostdevKind;
use conf::device::hub::HubType;
use conf::device::input::InputBus;
use conf::device::interface::model::KnownModel;
use conf::device::interface::{InterfaceKind, InterfaceModel};
use conf::device::serial::SerialTargetType;
use conf::device::sound::SoundModel;
use conf::device::{Device, DeviceId, DeviceKind, Devices, Hub as HubDevice};
use xml::{Origin, Part, Problem};

use crate::complete::Mode;

/// The name of this step where it adds something to a domain.
const STEP: &str = "USB addresses";

/// How many ports a hub has. QEMU: `usb-hub`.
const HUB_PORTS: usize = 8;

/// Gives each USB device a port, and adds hubs where there are more devices than ports.
///
/// A guest that is reloaded is left alone unless all its devices have ports already: QEMU may have
/// put them elsewhere when it was started without. What has a port is checked.
///
/// libvirt: `qemuDomainAssignUSBAddresses`.
///
/// # Errors
/// Ports that do not exist or are taken twice, and devices for which there is no port.
pub fn assign(domain: &mut Domain, mode: Mode) -> Result<(), Problem> {
    let devices = &mut domain.devices;
    let usb: Vec<DeviceId> =
        devices.iter().filter(|(_, device)| is_usb(*device)).map(|(id, _)| id).collect();
    if mode == Mode::Reload && !usb.iter().all(|id| full_address(devices, *id).is_some()) {
        return Ok(());
    }
    add_hubs(devices, &usb)?;
    let mut ports = Ports::of(devices)?;
    let others: Vec<DeviceId> = usb.into_iter().filter(|id| id.kind != DeviceKind::Hub).collect();
    for id in &others {
        if let Some(address) = full_address(devices, *id) {
            ports.reserve(&address, origin_of(devices, *id))?;
        }
    }
    for pos in 0..devices.hubs.len() {
        let id = DeviceId { kind: DeviceKind::Hub, pos };
        if full_address(devices, id).is_none() {
            let address = place(devices, id, &mut ports)?;
            ports.plug_in_hub(&address, origin_of(devices, id))?;
        }
    }
    for id in others {
        let wants = match devices.get(id).and_then(Device::info).map(|info| &info.address) {
            Some(None) => true,
            Some(Some(Address::Usb(usb))) => usb.port.is_none(),
            _ => false,
        };
        if wants {
            place(devices, id, &mut ports)?;
        }
    }
    Ok(())
}

/// Whether a device is plugged into a USB bus.
///
/// libvirt: `virDomainDeviceIsUSB`.
fn is_usb(device: Device<'_>) -> bool {
    match device {
        Device::Disk(disk) => disk.bus() == Some(Bus::Usb),
        Device::Interface(interface) => match (&interface.kind, &interface.model) {
            (InterfaceKind::Hostdev(hostdev), _) => {
                matches!(hostdev.address, HostAddress::Usb(_))
            }
            (_, model) => *model == Some(InterfaceModel::Known(KnownModel::UsbNet)),
        },
        Device::Sound(sound) => sound.model == SoundModel::Usb,
        Device::Hostdev(hostdev) => matches!(hostdev.kind, HostdevKind::Usb(_)),
        Device::Controller(controller) => matches!(controller.kind, ControllerKind::Ccid),
        Device::Serial(serial) => serial.target.kind == Some(SerialTargetType::UsbSerial),
        Device::Input(input) => input.bus == Some(InputBus::Usb),
        Device::Filesystem(filesystem) => filesystem.driver.kind == Some(DriverKind::Mtp),
        Device::Hub(_) | Device::Redirdev(_) => true,
        _ => false,
    }
}

fn full_address(devices: &Devices, id: DeviceId) -> Option<Usb> {
    let address = devices.get(id)?.info()?.address.as_ref()?.usb()?;
    address.port.is_some().then(|| address.clone())
}

fn origin_of(devices: &Devices, id: DeviceId) -> Origin {
    devices.get(id).map_or(Origin::None, Device::origin)
}

/// Adds as many hubs as it takes that every device finds a port.
///
/// libvirt: `qemuDomainUSBAddressAddHubs`.
fn add_hubs(devices: &mut Devices, usb: &[DeviceId]) -> Result<(), Problem> {
    let enabled = devices
        .controllers
        .iter()
        .any(|controller| controller.usb().is_some_and(|usb| usb.model != Some(UsbModel::None)));
    if let (Some(first), false) = (usb.first(), enabled) {
        let message = "there is a USB device, but no USB controller";
        return Err(Problem::error(origin_of(devices, *first), Part::Name, message));
    }
    let on_controllers: usize = devices.controllers.iter().map(ports_of).sum();
    let ports = on_controllers + devices.hubs.len() * HUB_PORTS;
    if usb.len() > ports {
        // A hub takes one port and gives eight.
        let hubs = (usb.len() - ports + 1).div_ceil(HUB_PORTS - 1);
        devices.hubs.extend((0..hubs).map(|_| HubDevice {
            origin: Origin::Step(STEP),
            kind: HubType::Usb,
            ..HubDevice::default()
        }));
    }
    Ok(())
}

/// How many ports a controller has.
///
/// libvirt: `virDomainUSBAddressControllerModelToPorts`.
fn ports_of(controller: &Controller) -> usize {
    let Some(usb) = controller.usb() else { return 0 };
    let given = |default: u32| usb.ports.unwrap_or(default) as usize;
    match usb.model {
        None | Some(UsbModel::Piix3Uhci | UsbModel::Piix4Uhci | UsbModel::Vt82c686bUhci) => 2,
        Some(UsbModel::PciOhci) => 3,
        Some(UsbModel::Ehci | UsbModel::Ich9Ehci1) => 6,
        Some(UsbModel::NecXhci | UsbModel::QemuXhci) => given(4),
        Some(UsbModel::Qusb1 | UsbModel::Qusb2) => given(8),
        // The companions serve the ports of their EHCI.
        Some(UsbModel::Ich9Uhci1 | UsbModel::Ich9Uhci2 | UsbModel::Ich9Uhci3) => 0,
        Some(UsbModel::None) => 0,
    }
}

/// More ports than any controller has; what the document says beyond is refused elsewhere.
const MAX_PORTS: usize = 255;

/// What is in a port.
#[derive(Debug)]
enum Port {
    Free,
    Taken,
    Hub(Vec<Port>),
}

fn free_ports(count: usize) -> Vec<Port> {
    (0..count).map(|_| Port::Free).collect()
}

/// The ports of every bus, by number.
///
/// libvirt: `virDomainUSBAddressSet` in `src/conf/domain_addr.c`.
#[derive(Debug)]
struct Ports(BTreeMap<u32, Vec<Port>>);

impl Ports {
    /// The ports of the controllers, and of the hubs that have a place.
    fn of(devices: &Devices) -> Result<Self, Problem> {
        let mut ports = Self(BTreeMap::new());
        for controller in &devices.controllers {
            let count = ports_of(controller);
            let index = controller.index.unwrap_or_default();
            if count == 0 {
                continue;
            }
            if ports.0.insert(index, free_ports(count.min(MAX_PORTS))).is_some() {
                let message = format!("there is another USB controller with index {index}");
                let part = Part::Attribute("index".to_owned());
                return Err(Problem::error(controller.origin, part, message));
            }
        }
        for pos in 0..devices.hubs.len() {
            let id = DeviceId { kind: DeviceKind::Hub, pos };
            if let Some(address) = full_address(devices, id) {
                ports.plug_in_hub(&address, origin_of(devices, id))?;
            }
        }
        Ok(ports)
    }

    fn port(&mut self, address: &Usb, origin: Origin) -> Result<&mut Port, Problem> {
        let refused = |message: String| Problem::error(origin, port(), message);
        let path = address.port.as_ref().map_or(&[][..], |port| &port.0);
        let mut ports = self.0.get_mut(&address.bus).ok_or_else(|| {
            refused(format!("there is no USB controller with index {}", address.bus))
        })?;
        let (last, hubs) = path.split_last().expect("only full addresses are asked for");
        for number in hubs {
            ports = match (*number as usize).checked_sub(1).and_then(|at| ports.get_mut(at)) {
                Some(Port::Hub(below)) => below,
                Some(_) => {
                    let message = format!("{} goes through port {number}", in_words(address));
                    return Err(refused(format!("{message}, where there is no hub")));
                }
                None => {
                    let message = format!("{} goes through port {number}", in_words(address));
                    return Err(refused(format!("{message}, which does not exist")));
                }
            };
        }
        let count = ports.len();
        (*last as usize).checked_sub(1).and_then(|at| ports.get_mut(at)).ok_or_else(|| {
            refused(format!("{} does not exist: there are {count} ports", in_words(address)))
        })
    }

    fn reserve(&mut self, address: &Usb, origin: Origin) -> Result<(), Problem> {
        match self.port(address, origin)? {
            port @ Port::Free => {
                *port = Port::Taken;
                Ok(())
            }
            Port::Taken | Port::Hub(_) => Err(taken(address, origin)),
        }
    }

    /// Makes a port that nothing but this hub has into a hub.
    fn plug_in_hub(&mut self, address: &Usb, origin: Origin) -> Result<(), Problem> {
        match self.port(address, origin)? {
            Port::Hub(_) => Err(taken(address, origin)),
            port => {
                *port = Port::Hub(free_ports(HUB_PORTS));
                Ok(())
            }
        }
    }

    /// The first free port of a bus.
    fn free_on(&self, bus: u32) -> Option<Usb> {
        let mut path = Vec::new();
        find_free(self.0.get(&bus)?, &mut path).then_some(Usb { bus, port: Some(UsbPort(path)) })
    }
}

/// Finds the lowest free port, on the controller or the hub first, then behind the hubs on it.
///
/// libvirt: `virDomainUSBAddressFindFreePort`.
fn find_free(ports: &[Port], path: &mut Vec<u32>) -> bool {
    if let Some(at) = ports.iter().position(|port| matches!(port, Port::Free)) {
        path.push(at as u32 + 1);
        return true;
    }
    if path.len() + 1 == UsbPort::MAX_DEPTH {
        return false;
    }
    for (number, port) in (1..).zip(ports) {
        if let Port::Hub(below) = port {
            path.push(number);
            if find_free(below, path) {
                return true;
            }
            path.pop();
        }
    }
    false
}

/// Plugs a device into the first free port of the bus it names, else of any.
///
/// libvirt: `virDomainUSBAddressAssign`.
fn place(devices: &mut Devices, id: DeviceId, ports: &mut Ports) -> Result<Usb, Problem> {
    let origin = origin_of(devices, id);
    let info = devices.info_mut(id).expect("every USB device has an address");
    let found = match &info.address {
        Some(Address::Usb(wanted)) if !ports.0.contains_key(&wanted.bus) => {
            let message = format!("there is no USB controller with index {}", wanted.bus);
            return Err(Problem::error(origin, port(), message));
        }
        Some(Address::Usb(wanted)) => ports.free_on(wanted.bus),
        _ => ports.0.keys().find_map(|bus| ports.free_on(*bus)),
    };
    let address = found.ok_or_else(|| {
        Problem::error(origin, Part::Name, "there is no free USB port left")
            .help("add a USB controller or a hub")
    })?;
    info.address = Some(Address::Usb(address.clone()));
    ports.reserve(&address, origin)?;
    Ok(address)
}

fn taken(address: &Usb, origin: Origin) -> Problem {
    let message = format!("{} is taken", in_words(address));
    Problem::error(origin, port(), message).help("leave the port out to have a free one chosen")
}

fn in_words(address: &Usb) -> String {
    let path = address.port.as_ref().map_or(&[][..], |port| &port.0);
    let path: Vec<String> = path.iter().map(u32::to_string).collect();
    format!("port {} of USB bus {}", path.join("."), address.bus)
}

/// Where a device says which port it is in.
fn port() -> Part {
    Part::Within("address@port".to_owned())
}

#[cfg(test)]
mod tests {
    use xml::Source;

    use super::*;

    const XHCI: &str = "<controller type='usb' index='0' model='qemu-xhci' ports='4'/>";
    const TABLET: &str = "<input type='tablet' bus='usb'/>";

    fn at(port: &str) -> String {
        format!("<input type='tablet' bus='usb'><address type='usb' port='{port}'/></input>")
    }

    fn hub(port: &str) -> String {
        format!("<hub type='usb'><address type='usb' bus='0' port='{port}'/></hub>")
    }

    /// Each USB device with its bus and port.
    fn assigned(mode: Mode, devices: &str) -> Result<Vec<String>, String> {
        let text = format!(
            "<domain type='qemu'><name>t</name><os><type>hvm</type></os>\
             <devices>{devices}</devices></domain>"
        );
        let (mut domain, _) = conf::parse(&Source::new("t.xml", text)).unwrap();
        assign(&mut domain, mode).map_err(|problem| problem.message)?;
        let devices = domain.devices.iter().filter(|(_, device)| is_usb(*device));
        Ok(devices
            .map(|(id, device)| match device.info().and_then(|info| info.address.as_ref()) {
                Some(Address::Usb(usb)) => format!("{} at {}", id.kind, in_words(usb)),
                _ => format!("{} nowhere", id.kind),
            })
            .collect())
    }

    #[test]
    fn a_new_guest_gets_the_lowest_free_ports() {
        let devices = [XHCI, TABLET, &at("1"), TABLET].concat();
        assert_eq!(
            assigned(Mode::Define, &devices).unwrap(),
            [
                "input at port 2 of USB bus 0",
                "input at port 1 of USB bus 0",
                "input at port 3 of USB bus 0"
            ]
        );
    }

    #[test]
    fn a_reloaded_guest_keeps_devices_without_ports() {
        let devices = [XHCI, TABLET, &at("1"), &at("1")].concat();
        assert_eq!(assigned(Mode::Reload, &devices).unwrap()[0], "input nowhere");
        assert_eq!(assigned(Mode::Define, &devices).unwrap_err(), "port 1 of USB bus 0 is taken");
    }

    #[test]
    fn a_hub_is_added_where_there_are_more_devices_than_ports() {
        let devices = [XHCI, &TABLET.repeat(5)].concat();
        assert_eq!(
            assigned(Mode::Define, &devices).unwrap(),
            [
                "input at port 2 of USB bus 0",
                "input at port 3 of USB bus 0",
                "input at port 4 of USB bus 0",
                "input at port 1.1 of USB bus 0",
                "input at port 1.2 of USB bus 0",
                "hub at port 1 of USB bus 0",
            ]
        );
    }

    #[test]
    fn a_bus_that_is_asked_for_is_kept_to() {
        let second = "<controller type='usb' index='1' model='ehci'/>";
        let asking = "<input type='tablet' bus='usb'><address type='usb' bus='1'/></input>";
        assert_eq!(
            assigned(Mode::Define, &[XHCI, second, asking].concat()).unwrap(),
            ["input at port 1 of USB bus 1"]
        );
        assert_eq!(
            assigned(Mode::Define, &[XHCI, asking].concat()).unwrap_err(),
            "there is no USB controller with index 1"
        );
    }

    #[test]
    fn ports_that_do_not_exist_are_refused() {
        let refused = |devices: &[&str]| {
            assigned(Mode::Reload, &[&[XHCI], devices].concat().concat()).unwrap_err()
        };
        assert_eq!(refused(&[&at("5")]), "port 5 of USB bus 0 does not exist: there are 4 ports");
        assert_eq!(
            refused(&[&hub("1"), &at("1.9")]),
            "port 1.9 of USB bus 0 does not exist: there are 8 ports"
        );
        assert_eq!(
            refused(&[&hub("1"), &at("1.2.3")]),
            "port 1.2.3 of USB bus 0 goes through port 2, where there is no hub"
        );
        assert_eq!(refused(&[&hub("1"), &at("1")]), "port 1 of USB bus 0 is taken");
    }

    #[test]
    fn companions_of_an_ehci_controller_have_no_ports_of_their_own() {
        let part = |model| format!("<controller type='usb' index='0' model='{model}'/>");
        let devices = [part("ich9-ehci1"), part("ich9-uhci1"), TABLET.to_owned()].concat();
        assert_eq!(assigned(Mode::Define, &devices).unwrap(), ["input at port 1 of USB bus 0"]);
    }

    #[test]
    fn a_guest_without_usb_has_no_usb_devices() {
        let none = "<controller type='usb' index='0' model='none'/>";
        assert_eq!(
            assigned(Mode::Define, &[none, TABLET].concat()).unwrap_err(),
            "there is a USB device, but no USB controller"
        );
    }
}
