//! What the chipset has at fixed places, and what libvirt puts where real boards have it.

use base::{OnOff, PciAddress};
use conf::device::controller::{ControllerKind, PciModel, UsbModel};
use conf::device::sound::SoundModel;
use conf::device::{Controller, Device, DeviceId, DeviceKind, Devices};
use xml::{Part, Problem};

use super::bus::{Buses, Occupant, Taker};
use super::connect::Connect;
use super::device::Guest;
use super::{Pass, may_be_placed, store};
use crate::machine::Family;

/// The first SATA controller of a q35 machine.
const SATA_HOME: PciAddress = PciAddress::new(0, 0x1f, 2);

/// Places what belongs to the chipset, and takes the places of what is not in the document.
///
/// Addresses at fixed places are written already in the trial pass; those that had to be searched
/// for are not.
///
/// libvirt: `qemuDomainValidateDevicePCISlotsChipsets`.
pub(super) fn place(
    devices: &mut Devices,
    guest: &Guest<'_>,
    buses: &mut Buses,
    pass: Pass,
) -> Result<(), Problem> {
    match guest.family {
        _ if buses.len() == 0 => Ok(()),
        Family::I440fx => piix3(devices, guest, buses, pass),
        Family::Q35 => ich9(devices, guest, buses, pass),
        _ => Ok(()),
    }
}

/// Where the chipset of an i440FX machine has a controller.
pub(super) fn piix3_home(device: Device<'_>) -> Option<PciAddress> {
    let Device::Controller(controller) = device else { return None };
    let function = match &controller.kind {
        ControllerKind::Ide(_) => 1,
        ControllerKind::Usb(usb) if matches!(usb.model, None | Some(UsbModel::Piix3Uhci)) => 2,
        _ => return None,
    };
    (controller.index == Some(0)).then_some(PciAddress::new(0, 1, function))
}

/// libvirt: `qemuDomainValidateDevicePCISlotsPIIX3`.
fn piix3(
    devices: &mut Devices,
    guest: &Guest<'_>,
    buses: &mut Buses,
    pass: Pass,
) -> Result<(), Problem> {
    const NEEDS: Connect = Connect::ANY_PCI_SLOT;
    for pos in 0..devices.controllers.len() {
        let id = DeviceId { kind: DeviceKind::Controller, pos };
        let controller = &devices.controllers[pos];
        if let Some(home) = piix3_home(Device::Controller(controller)) {
            let taker = taker(id, controller);
            stay_at(devices, id, home)?;
            buses.reserve(&mut { home }, NEEDS, taker)?;
        }
    }
    take_built_in(buses, PciAddress::new(0, 1, 0), NEEDS, "ISA bridge")?;
    take_built_in(buses, PciAddress::new(0, 1, 3), NEEDS, "power management")?;
    place_primary_video(devices, guest, buses, PciAddress::new(0, 2, 0), NEEDS, pass)
}

/// libvirt: `qemuDomainValidateDevicePCISlotsQ35`.
fn ich9(
    devices: &mut Devices,
    guest: &Guest<'_>,
    buses: &mut Buses,
    pass: Pass,
) -> Result<(), Problem> {
    const NEEDS: Connect = Connect::PCIE_DEVICE;
    for pos in 0..devices.controllers.len() {
        let id = DeviceId { kind: DeviceKind::Controller, pos };
        let controller = &devices.controllers[pos];
        if matches!(controller.kind, ControllerKind::Sata) && controller.index == Some(0) {
            stay_at(devices, id, SATA_HOME)?;
            continue;
        }
        // As on a real board, where those places are free.
        let (slots, multifunction): (&[u32], _) = match &controller.kind {
            ControllerKind::Usb(usb) if usb.model == Some(UsbModel::Ich9Uhci1) => {
                (&[0x1d, 0x1a], Some(OnOff::On))
            }
            ControllerKind::Pci(pci) if pci.model == Some(PciModel::DmiToPciBridge) => {
                (&[0x1e], None)
            }
            _ => continue,
        };
        let free = slots.iter().find(|slot| buses.slot_is_free(0, **slot));
        if let (Some(slot), None) = (free, &controller.info.address) {
            let address = PciAddress::new(0, *slot, 0);
            buses.reserve(&mut { address }, NEEDS, taker(id, controller))?;
            store(devices, id, address, multifunction);
        }
    }
    take_built_in(buses, PciAddress::new(0, 0x1f, 0), NEEDS, "ISA bridge")?;
    take_built_in(buses, PciAddress::new(0, 0x1f, 3), NEEDS, "SMBus controller")?;
    place_primary_video(devices, guest, buses, PciAddress::new(0, 1, 0), NEEDS, pass)?;
    place_chipset_sound(devices, buses, NEEDS)
}

/// A controller that the chipset has at `home` is there, and nowhere else.
fn stay_at(devices: &mut Devices, id: DeviceId, home: PciAddress) -> Result<(), Problem> {
    let controller = &devices.controllers[id.pos];
    match controller.info.address.as_ref().and_then(|address| address.pci()) {
        None => {
            store(devices, id, home, None);
            Ok(())
        }
        Some(address) if address == home => Ok(()),
        Some(address) => {
            let message = format!(
                "the controller is part of the machine: its PCI address is {home}, not {address}"
            );
            Err(Problem::error(controller.origin, Part::Name, message)
                .help("leave the <address> out"))
        }
    }
}

fn take_built_in(
    buses: &mut Buses,
    mut address: PciAddress,
    needs: Connect,
    name: &'static str,
) -> Result<(), Problem> {
    buses.reserve(&mut address, needs, Taker::built_in(name))
}

/// The first video card goes to `home`, which is where QEMU puts it by itself.
fn place_primary_video(
    devices: &mut Devices,
    guest: &Guest<'_>,
    buses: &mut Buses,
    mut home: PciAddress,
    home_needs: Connect,
    pass: Pass,
) -> Result<(), Problem> {
    let id = DeviceId { kind: DeviceKind::Video, pos: 0 };
    let Some(video) = devices.get(id) else { return Ok(()) };
    let needs = guest.needs(video);
    if needs.is_empty() || !may_be_placed(video)? {
        return Ok(());
    }
    let taker = Taker { occupant: Occupant::Device(id.kind), origin: video.origin() };
    if buses.slot_is_free(home.bus, home.slot) {
        buses.reserve(&mut home, home_needs, taker)?;
        store(devices, id, home, None);
    } else {
        let address = buses.reserve_next(needs, None, taker)?;
        if pass == Pass::Final {
            store(devices, id, address, None);
        }
    }
    Ok(())
}

/// The first ICH9 sound card goes to where real boards have it, if that is free.
fn place_chipset_sound(
    devices: &mut Devices,
    buses: &mut Buses,
    needs: Connect,
) -> Result<(), Problem> {
    let mut home = PciAddress::new(0, 0x1b, 0);
    if !buses.slot_is_free(home.bus, home.slot) {
        return Ok(());
    }
    for pos in 0..devices.sounds.len() {
        let sound = &devices.sounds[pos];
        if sound.model == SoundModel::Ich9 && may_be_placed(Device::Sound(sound))? {
            let id = DeviceId { kind: DeviceKind::Sound, pos };
            let occupant = Occupant::Device(id.kind);
            buses.reserve(&mut home, needs, Taker { occupant, origin: sound.origin })?;
            store(devices, id, home, None);
            break;
        }
    }
    Ok(())
}

fn taker(id: DeviceId, controller: &Controller) -> Taker {
    Taker { occupant: Occupant::Device(id.kind), origin: controller.origin }
}
