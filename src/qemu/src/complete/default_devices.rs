//! Devices that every guest of a machine has.
//!
//! libvirt: `qemuDomainDefAddDefaultDevices` in `src/qemu/qemu_postparse.c`.

use base::OnOff;
use conf::Domain;
use conf::device::controller::{Controller, ControllerKind, Pci, PciModel, Usb, UsbModel};
use conf::device::input::{InputBus, InputType};
use conf::device::iommu::{IommuDriver, IommuModel};
use conf::device::watchdog::WatchdogModel;
use conf::device::{Input, Iommu, Memballoon, Watchdog};
use xml::{Origin, Part, Problem};

use super::Mode;
use super::context::Context;
use crate::machine::{Family, MAX_VCPUS_WITHOUT_EXTENDED_INTERRUPTS};

const STEP: &str = "default devices";

/// The first USB controller, unless there is one: the machine's own, or xHCI.
pub(super) fn usb_controller(domain: &mut Domain, context: &mut Context<'_>) {
    let family = Family::of(domain);
    let controllers = &mut domain.devices.controllers;
    let exists = controllers.iter().any(|c| c.usb().is_some() && c.index == Some(0));
    if exists || family == Family::Isapc {
        return;
    }
    let mut add = |model: Option<UsbModel>, startport: Option<u32>| {
        let kind = ControllerKind::Usb(Usb { model, ..Usb::default() });
        let mut controller = Controller::added(kind, 0, STEP);
        controller.info.master = startport;
        domain.devices.insert_controller(controller);
    };
    let capabilities = context.capabilities;
    if family != Family::Q35 {
        add(None, None);
    } else if capabilities.has("qemu-xhci") {
        add(Some(UsbModel::QemuXhci), None);
    } else if capabilities.has("nec-usb-xhci") {
        add(Some(UsbModel::NecXhci), None);
    } else if capabilities.has("ich9-usb-ehci1") {
        add(Some(UsbModel::Ich9Ehci1), None);
        add(Some(UsbModel::Ich9Uhci1), Some(0));
        add(Some(UsbModel::Ich9Uhci2), Some(2));
        add(Some(UsbModel::Ich9Uhci3), Some(4));
    }
}

/// The SATA controller of a `q35` machine.
pub(super) fn sata_controller(domain: &mut Domain, _context: &mut Context<'_>) {
    let exists = |c: &Controller| c.kind == ControllerKind::Sata && c.index == Some(0);
    if Family::of(domain) == Family::Q35 && !domain.devices.controllers.iter().any(exists) {
        domain.devices.insert_controller(Controller::added(ControllerKind::Sata, 0, STEP));
    }
}

/// The root of the PCI buses.
///
/// libvirt: `virDomainDefMaybeAddController` and the check behind it.
pub(super) fn pci_root(domain: &mut Domain, context: &mut Context<'_>) {
    let (wanted, other) = match Family::of(domain) {
        Family::I440fx => (PciModel::PciRoot, "q35"),
        Family::Q35 => (PciModel::PcieRoot, "pc"),
        _ => return,
    };
    let machine = domain.os.kind.machine.as_deref().unwrap_or_default();
    let found = domain
        .devices
        .controllers
        .iter()
        .find_map(|c| c.pci().filter(|_| c.index == Some(0)).map(|pci| (c.origin, pci.model)));
    match found {
        None => {
            let kind = ControllerKind::Pci(Pci { model: Some(wanted), ..Pci::default() });
            domain.devices.insert_controller(Controller::added(kind, 0, STEP));
        }
        Some((origin, Some(model))) if model != wanted => {
            let message = format!(
                "the PCI controller with index 0 of the machine '{machine}' is a {wanted}, not a \
                 {model}"
            );
            let help = match model {
                // The first PCI controller of a document without an index gets index 0.
                PciModel::PcieRootPort | PciModel::PciBridge => format!(
                    "give it another index, and put <controller type='pci' index='0' \
                     model='{wanted}'/> before it"
                ),
                _ => format!("write model='{wanted}', or use a {other} machine"),
            };
            context.problems.push(
                Problem::error(origin, Part::Attribute("model".to_owned()), message).help(help),
            );
        }
        Some(_) => {}
    }
}

/// A mouse and a keyboard on the PS/2 ports, unless there is one of its kind or the ports are off.
pub(super) fn ps2_inputs(domain: &mut Domain, context: &mut Context<'_>) {
    let is_off = domain.features.as_ref().is_some_and(|f| f.ps2 == Some(OnOff::Off));
    if !Family::of(domain).has_i8042() || !context.capabilities.has("i8042") || is_off {
        return;
    }
    for kind in [InputType::Mouse, InputType::Keyboard] {
        let inputs = &mut domain.devices.inputs;
        if !inputs.iter().any(|input| input.kind == kind && input.bus == Some(InputBus::Ps2)) {
            let origin = Origin::Step(STEP);
            inputs.push(Input { origin, kind, bus: Some(InputBus::Ps2), ..Input::default() });
        }
    }
}

/// The memory balloon.
pub(super) fn memballoon(domain: &mut Domain, _context: &mut Context<'_>) {
    domain
        .devices
        .memballoon
        .get_or_insert_with(|| Memballoon { origin: Origin::Step(STEP), ..Memballoon::default() });
}

/// The watchdog in the chipset of a `q35` machine, which does what the first one does.
pub(super) fn chipset_watchdog(domain: &mut Domain, _context: &mut Context<'_>) {
    let watchdogs = &mut domain.devices.watchdogs;
    let has_one = watchdogs.iter().any(|watchdog| watchdog.model == WatchdogModel::Itco);
    let action = watchdogs.first().map(|watchdog| watchdog.action).unwrap_or_default();
    if Family::of(domain) == Family::Q35 && !has_one {
        domain.devices.watchdogs.push(Watchdog {
            origin: Origin::Step(STEP),
            model: WatchdogModel::Itco,
            action,
            ..Watchdog::default()
        });
    }
}

/// The IOMMU that interrupts need to reach more than 255 processors.
///
/// libvirt: `qemuDomainDefAddDefaultDevices`, `qemuDomainIOMMUDefPostParse`.
pub(super) fn iommu(domain: &mut Domain, context: &mut Context<'_>) {
    let is_large = domain.max_vcpus() > MAX_VCPUS_WITHOUT_EXTENDED_INTERRUPTS;
    if Family::of(domain) != Family::Q35 || !is_large {
        return;
    }
    let is_new = domain.devices.iommu.is_none();
    let iommu = domain.devices.iommu.get_or_insert_with(|| Iommu {
        origin: Origin::Step(STEP),
        model: IommuModel::Intel,
        ..Iommu::default()
    });
    if iommu.model == IommuModel::Intel && (is_new || context.mode == Mode::Define) {
        let driver = iommu.driver.get_or_insert_with(IommuDriver::default);
        driver.intremap.get_or_insert(OnOff::On);
        driver.eim.get_or_insert(OnOff::On);
    }
}
