//! PCI addresses: which bus, slot and function each device has, and which controllers that takes.
//!
//! libvirt: `qemuDomainAssignPCIAddresses` in `src/qemu/qemu_domain_address.c`.

mod bus;
mod chipset;
mod connect;
mod controller;
mod device;
#[cfg(test)]
mod tests;

use base::{OnOff, PciAddress};
use conf::Domain;
use conf::address::{Address, Pci};
use conf::device::controller::{ControllerKind, PciModel, UsbModel};
use conf::device::{Controller, Device, DeviceId, DeviceKind, Devices};
use xml::{Origin, Part, Problem};

use self::bus::{Buses, MAX_BUSES, Occupant, Taker};
use self::connect::Connect;
use self::device::Guest;
use crate::capabilities::Capabilities;
use crate::host::Host;

/// The name of this step where it adds something to a domain.
const STEP: &str = "PCI addresses";

/// Gives a PCI address to every device that needs one and has none, adds the controllers that are
/// missing, and fills in what the PCI controllers leave open.
///
/// This is done twice: at first only to find out which controllers are missing, on buses that grow
/// as needed; then, with those controllers, for good.
///
/// # Errors
/// Addresses that are taken twice, or that are not of the right kind, and devices for which there
/// is no place.
pub fn assign(
    domain: &mut Domain,
    capabilities: &Capabilities,
    host: &Host,
) -> Result<(), Vec<Problem>> {
    let guest = Guest::of(domain, capabilities, host);
    let devices = &mut domain.devices;
    let one = |problem| vec![problem];
    let count = match last_index(devices).map_err(one)? {
        Some(last) => add_controllers(devices, &guest, last)?,
        None => 0,
    };
    let mut buses = occupied(devices, &guest, count, Pass::Final)?;
    chipset::place(devices, &guest, &mut buses, Pass::Final).map_err(one)?;
    place_rest(devices, &guest, &mut buses, Pass::Final).map_err(one)?;
    mark_multifunction(devices);
    controller::complete(devices, capabilities).map_err(one)
}

/// Which of the two passes is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Only the number of buses counts.
    Trial,
    /// Addresses are written into the devices.
    Final,
}

/// The highest index of a PCI controller.
fn last_index(devices: &Devices) -> Result<Option<u32>, Problem> {
    let mut last = None;
    for controller in devices.controllers.iter().filter(|c| c.pci().is_some()) {
        if controller.index.is_some_and(|index| index as usize >= MAX_BUSES) {
            let message = "the index of a PCI controller is the number of its bus, 0 to 255";
            let part = Part::Attribute("index".to_owned());
            return Err(Problem::error(controller.origin, part, message));
        }
        last = last.max(controller.index);
    }
    Ok(last)
}

/// Makes the trial pass and adds the controllers that turn out to be missing. Gives the number of
/// buses.
fn add_controllers(
    devices: &mut Devices,
    guest: &Guest<'_>,
    last: u32,
) -> Result<usize, Vec<Problem>> {
    let mut buses = occupied(devices, guest, last as usize + 1, Pass::Trial)?;
    fill(devices, guest, &mut buses, last).map_err(|problem| vec![problem])?;
    Ok(buses.len())
}

fn fill(
    devices: &mut Devices,
    guest: &Guest<'_>,
    buses: &mut Buses,
    last: u32,
) -> Result<(), Problem> {
    chipset::place(devices, guest, buses, Pass::Trial)?;
    if guest.root == Some(PciModel::PciRoot) && !buses.are_full() {
        // The slot for a bridge, should further devices come.
        buses.reserve_next(Connect::ANY_PCI_SLOT, None, Taker::SPARE)?;
    }
    place_rest(devices, guest, buses, Pass::Trial)?;
    if guest.root == Some(PciModel::PcieRoot) && last == 0 && buses.len() > 1 {
        // Whoever leaves the ports to us gets one to spare.
        buses.reserve_next(Connect::ANY_PCIE_SLOT, None, Taker::SPARE)?;
    }
    let mut number = 1;
    while number < buses.len() {
        let model = buses.model(number);
        let kind = ControllerKind::Pci(conf::device::controller::Pci {
            model: Some(model),
            ..Default::default()
        });
        if devices.add_missing_controller(kind, number as u32, STEP) {
            let occupant = Occupant::Device(DeviceKind::Controller);
            let taker = Taker { occupant, origin: Origin::Step(STEP) };
            buses.reserve_next(Connect::of_controller(model), None, taker)?;
        }
        number += 1;
    }
    Ok(())
}

/// The first `count` buses, with what the document puts on them.
///
/// libvirt: `qemuDomainPCIAddressSetCreate`, `qemuDomainCollectPCIAddress`.
fn occupied(
    devices: &mut Devices,
    guest: &Guest<'_>,
    count: usize,
    pass: Pass,
) -> Result<Buses, Vec<Problem>> {
    let mut buses = empty_buses(devices, guest, count, pass)?;
    let mut problems = Vec::new();
    let taken: Vec<(DeviceId, PciAddress, Connect, Taker)> = devices
        .iter()
        .filter_map(|(id, device)| {
            let Address::Pci(pci) = device.info()?.address.as_ref()? else { return None };
            let address = pci.assigned()?;
            // What is no PCI device, and has such an address all the same, is let through as one.
            let needs = guest.needs(device);
            let needs = if needs.is_empty() { Connect::PCI_DEVICE } else { needs };
            let origin = match pci.origin {
                Origin::Element(_) => pci.origin,
                Origin::None | Origin::Step(_) => device.origin(),
            };
            Some((id, address, needs, Taker { occupant: Occupant::Device(id.kind), origin }))
        })
        .collect();
    for (id, mut address, needs, taker) in taken {
        let home = devices.get(id).and_then(chipset::piix3_home);
        let reserved = match home.filter(|home| *home == address) {
            None => buses.reserve(&mut address, needs, taker),
            // The chipset sees to it.
            Some(_) if buses.len() == 0 || buses.root_is_conventional() => Ok(()),
            Some(home) => {
                let message = format!(
                    "{home} is the address of a controller that is part of an i440FX machine, \
                     and this machine has PCI Express"
                );
                Err(Problem::error(taker.origin, Part::Name, message))
            }
        };
        problems.extend(reserved.err());
        if let Some(Address::Pci(pci)) = devices.info_mut(id).and_then(|i| i.address.as_mut()) {
            pci.set(address);
        }
    }
    if problems.is_empty() { Ok(buses) } else { Err(problems) }
}

fn empty_buses(
    devices: &Devices,
    guest: &Guest<'_>,
    count: usize,
    pass: Pass,
) -> Result<Buses, Vec<Problem>> {
    let mut models = vec![None; count];
    for controller in &devices.controllers {
        let Some(pci) = controller.pci() else { continue };
        if pci.model.is_none() {
            let message = "a PCI controller needs a model";
            return Err(vec![Problem::error(controller.origin, Part::Name, message)]);
        }
        models[controller.index.unwrap_or_default() as usize] = pci.model;
    }
    // What stands for an index that is left out.
    let between = if models.contains(&Some(PciModel::PcieRoot)) {
        PciModel::PcieRootPort
    } else {
        PciModel::PciBridge
    };
    let models = models.into_iter().enumerate().map(|(number, model)| match (model, number) {
        (Some(model), _) => model,
        (None, 0) => PciModel::PciRoot,
        (None, _) => between,
    });
    Ok(Buses::new(models, pass == Pass::Trial, guest.has_pcie_to_pci_bridge))
}

/// Finds places for the devices that have none.
///
/// libvirt: `qemuDomainAssignDevicePCISlots`.
fn place_rest(
    devices: &mut Devices,
    guest: &Guest<'_>,
    buses: &mut Buses,
    pass: Pass,
) -> Result<(), Problem> {
    let mut waiting: Vec<(u8, DeviceId)> =
        devices.iter().filter_map(|(id, device)| Some((device::turn(device)?, id))).collect();
    waiting.sort_by_key(|(turn, _)| *turn);
    for (_, id) in waiting {
        let found = devices.get(id).expect("the ids come from these devices");
        let needs = guest.needs(found);
        if needs.is_empty() || !may_be_placed(found)? {
            continue;
        }
        let taker = Taker { occupant: Occupant::Device(id.kind), origin: found.origin() };
        let (address, multifunction) = match found {
            Device::Controller(part) if usb2_function(part).is_some() => {
                place_usb2_part(devices, part, needs, buses, taker)?
            }
            _ => (buses.reserve_next(needs, None, taker)?, None),
        };
        if pass == Pass::Final {
            store(devices, id, address, multifunction);
        }
    }
    Ok(())
}

/// Whether a device is still without a place.
fn may_be_placed(device: Device<'_>) -> Result<bool, Problem> {
    let Some(info) = device.info() else { return Ok(false) };
    match (device, &info.address) {
        (_, None) => Ok(true),
        (_, Some(Address::Pci(pci))) => Ok(!pci.is_assigned()),
        (_, Some(Address::Ccw(_) | Address::VirtioMmio)) => Ok(false),
        (Device::Disk(disk), Some(_)) => {
            let message = "a virtio disk needs an address of type 'pci'";
            Err(Problem::error(disk.origin, Part::Name, message))
        }
        _ => Ok(false),
    }
}

/// The function that a part of a USB 2 controller has in the slot that the parts share.
fn usb2_function(controller: &Controller) -> Option<u32> {
    match controller.usb()?.model? {
        UsbModel::Ich9Ehci1 => Some(7),
        model => model.ich9_companion(),
    }
}

/// The parts of a USB 2 controller sit in one slot.
fn place_usb2_part(
    devices: &Devices,
    part: &Controller,
    needs: Connect,
    buses: &mut Buses,
    taker: Taker,
) -> Result<(PciAddress, Option<OnOff>), Problem> {
    let function = usb2_function(part).unwrap_or_default();
    let multifunction = (function == 0).then_some(OnOff::On);
    let others = devices.controllers.iter();
    let slot = others
        .filter(|other| usb2_function(other).is_some() && other.index == part.index)
        .find_map(|other| other.info.address.as_ref()?.pci());
    let address = match slot {
        Some(slot) => {
            let mut address = PciAddress { function, ..slot };
            buses.reserve(&mut address, needs, taker)?;
            address
        }
        None => buses.reserve_next(needs, Some(function), taker)?,
    };
    Ok((address, multifunction))
}

fn store(devices: &mut Devices, id: DeviceId, address: PciAddress, multifunction: Option<OnOff>) {
    if let Some(info) = devices.info_mut(id) {
        let origin = Origin::Step(STEP);
        info.address = Some(Address::Pci(Pci { origin, multifunction, ..Pci::new(address) }));
    }
}

/// Says so at function 0 of each slot that has further functions, unless the document says
/// otherwise.
///
/// libvirt: `virDomainPCIAddressSetAllMulti`.
fn mark_multifunction(devices: &mut Devices) {
    let assigned: Vec<(DeviceId, PciAddress)> = devices
        .iter()
        .filter_map(|(id, device)| Some((id, device.info()?.address.as_ref()?.pci()?)))
        .collect();
    for (_, other) in assigned.iter().filter(|(_, address)| address.function != 0) {
        let first = PciAddress { function: 0, ..*other };
        let Some((id, _)) = assigned.iter().find(|(_, address)| *address == first) else {
            continue;
        };
        if let Some(Address::Pci(pci)) = devices.info_mut(*id).and_then(|i| i.address.as_mut()) {
            pci.multifunction.get_or_insert(OnOff::On);
        }
    }
}
