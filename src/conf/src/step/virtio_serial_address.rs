//! Ports of virtio-serial controllers.

use std::collections::{BTreeMap, BTreeSet};

use xml::{Origin, Part, Problem};

use crate::address::{Address, VirtioSerial};
use crate::device::channel::ChannelTarget;
use crate::device::console::ConsoleTargetType;
use crate::device::controller::{self, ControllerKind};
use crate::device::{DeviceId, DeviceKind, Devices};
use crate::domain::Domain;

/// The name of this step where it adds something to a domain.
const STEP: &str = "virtio-serial addresses";

/// How many ports a controller has that does not say so.
const DEFAULT_PORTS: u32 = 31;

/// Gives each virtio channel without a port the lowest one that is free, from 1 on: port 0 is kept
/// for consoles. Where all controllers are full, another one is added.
///
/// A console that names a controller and no port takes a port of it, but is left as it is; one
/// without an address is left to QEMU altogether. That is what libvirt does.
///
/// libvirt: `qemuDomainAssignVirtioSerialAddresses`, `virDomainVirtioSerialAddrSet`.
///
/// # Errors
/// Ports that are taken twice or do not exist.
pub fn run(domain: &mut Domain) -> Result<(), Problem> {
    let devices = &mut domain.devices;
    let mut ports = Ports::of(devices);
    let given: Vec<(Origin, VirtioSerial)> = devices
        .iter()
        .filter_map(|(_, device)| match &device.info()?.address {
            Some(Address::VirtioSerial(address)) if address.port != 0 => {
                Some((device.origin(), address.clone()))
            }
            _ => None,
        })
        .collect();
    for (origin, address) in given {
        ports.take(&address, origin)?;
    }
    for console in &devices.consoles {
        if console.target.kind == Some(ConsoleTargetType::Virtio)
            && let Some(Address::VirtioSerial(address)) = &console.info.address
            && address.port == 0
        {
            ports.next_on(0, console.origin)?;
        }
    }
    for pos in 0..devices.channels.len() {
        let channel = &devices.channels[pos];
        if !matches!(channel.target, ChannelTarget::Virtio(_)) {
            continue;
        }
        let address = match &channel.info.address {
            Some(Address::VirtioSerial(address)) if address.port == 0 => {
                ports.next_on(address.controller, channel.origin)?
            }
            Some(Address::VirtioSerial(_)) => continue,
            _ => ports.next(devices),
        };
        let id = DeviceId { kind: DeviceKind::Channel, pos };
        if let Some(info) = devices.info_mut(id) {
            info.address = Some(Address::VirtioSerial(address));
        }
    }
    Ok(())
}

/// The controllers, by index.
struct Ports(BTreeMap<u32, Controller>);

struct Controller {
    count: u32,
    taken: BTreeSet<u32>,
}

impl Controller {
    fn new(count: u32) -> Self {
        Self { count, taken: BTreeSet::new() }
    }

    /// Takes the lowest free port above 0.
    fn take_next(&mut self) -> Option<u32> {
        let port = (1..self.count).find(|port| !self.taken.contains(port))?;
        self.taken.insert(port);
        Some(port)
    }
}

impl Ports {
    fn of(devices: &Devices) -> Self {
        let controllers = devices.controllers.iter();
        Self(
            controllers
                .filter_map(|controller| match &controller.kind {
                    ControllerKind::VirtioSerial(serial) => {
                        let count = serial.ports.unwrap_or(DEFAULT_PORTS);
                        Some((controller.index.unwrap_or_default(), Controller::new(count)))
                    }
                    _ => None,
                })
                .collect(),
        )
    }

    /// Takes a port that the document asks for.
    fn take(&mut self, address: &VirtioSerial, origin: Origin) -> Result<(), Problem> {
        let VirtioSerial { controller: index, port, .. } = *address;
        let refused = |message: String| Err(Problem::error(origin, Part::Name, message));
        let Some(controller) = self.0.get_mut(&index) else {
            return Err(missing(index, origin));
        };
        if port >= controller.count {
            let count = controller.count;
            return refused(format!(
                "virtio-serial controller {index} has no port {port}: it has {count} ports, from 0"
            ));
        }
        if !controller.taken.insert(port) {
            return refused(format!("port {port} of virtio-serial controller {index} is taken"));
        }
        Ok(())
    }

    /// Takes the next port of a controller that the document asks for.
    fn next_on(&mut self, index: u32, origin: Origin) -> Result<VirtioSerial, Problem> {
        let controller = self.0.get_mut(&index).ok_or_else(|| missing(index, origin))?;
        let port = controller.take_next().ok_or_else(|| {
            let message = format!("virtio-serial controller {index} has no free port left");
            Problem::error(origin, Part::Name, message)
                .help("leave the <address> out to have a port of another one chosen")
        })?;
        Ok(VirtioSerial { controller: index, bus: 0, port })
    }

    /// Takes the next port of any controller.
    fn next(&mut self, devices: &mut Devices) -> VirtioSerial {
        let free = self.0.iter_mut().find_map(|(index, c)| Some((*index, c.take_next()?)));
        let (controller, port) = free.unwrap_or_else(|| {
            let index =
                (0..).find(|index| !self.0.contains_key(index)).expect("fewer than numbers");
            let kind = ControllerKind::VirtioSerial(controller::VirtioSerial::default());
            devices.add_missing_controller(kind, index, STEP);
            let mut added = Controller::new(DEFAULT_PORTS);
            let port = added.take_next().expect("a new controller has free ports");
            self.0.insert(index, added);
            (index, port)
        });
        VirtioSerial { controller, bus: 0, port }
    }
}

fn missing(index: u32, origin: Origin) -> Problem {
    let message = format!("there is no virtio-serial controller with index {index}");
    Problem::error(origin, Part::Name, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    const CONTROLLER: &str = "<controller type='virtio-serial' index='0' ports='3'/>";

    /// Controller and port of each channel.
    fn ports(text: &str) -> Result<Vec<(u32, u32)>, String> {
        let text = format!("<devices>{text}</devices>");
        let (devices, _) = read::<Devices>("devices", &text).unwrap();
        let mut domain = Domain { devices, ..Domain::default() };
        run(&mut domain).map_err(|problem| problem.to_string())?;
        let channels = domain.devices.channels.iter();
        Ok(channels
            .map(|channel| match &channel.info.address {
                Some(Address::VirtioSerial(address)) => (address.controller, address.port),
                other => panic!("{other:?}"),
            })
            .collect())
    }

    fn channel(address: &str) -> String {
        format!("<channel><target type='virtio'/>{address}</channel>")
    }

    #[test]
    fn a_channel_gets_the_lowest_free_port_above_0() {
        let second = channel("<address type='virtio-serial' port='1'/>");
        let text = [CONTROLLER, &channel(""), &second].concat();
        assert_eq!(ports(&text), Ok(vec![(0, 2), (0, 1)]));
    }

    #[test]
    fn a_controller_is_added_where_all_are_full() {
        let text = [CONTROLLER, &channel(""), &channel(""), &channel("")].concat();
        assert_eq!(ports(&text), Ok(vec![(0, 1), (0, 2), (1, 1)]));
    }

    #[test]
    fn a_port_is_not_given_twice() {
        let first = channel("<address type='virtio-serial' port='2'/>");
        let text = [CONTROLLER, &first, &first].concat();
        assert_eq!(ports(&text), Err("port 2 of virtio-serial controller 0 is taken".to_owned()));
    }

    #[test]
    fn a_port_beyond_the_last_is_refused() {
        let text = [CONTROLLER, &channel("<address type='virtio-serial' port='3'/>")].concat();
        let message = "virtio-serial controller 0 has no port 3: it has 3 ports, from 0";
        assert_eq!(ports(&text), Err(message.to_owned()));
    }
}
