//! USB: its controllers, and what sits on them.
//!
//! libvirt: `virDomainDefParseXML`, `virDomainDefCheckUnsupported...` for USB,
//! `qemuDomainDeviceControllerDefPostParse`.

use conf::device::Controller;
use conf::device::controller::UsbModel;
use conf::device::hostdev::HostdevKind;
use conf::device::input::InputBus;
use xml::{Origin, Part};

use super::{Check, Rule};

/// The most ports of an xHCI controller.
const MAX_XHCI_PORTS: u32 = 15;

pub(super) const RULES: &[Rule] = &[
    Rule::new("usb-is-on-or-off", "nothing can be plugged into what is not there", off),
    Rule::new("usb-controller-is-of-qemu", "other hypervisors have models of their own", of_qemu),
    Rule::new("usb-has-a-master", "a companion serves the ports of a USB 2 controller", master),
    Rule::new("xhci-ports-in-range", "the device has no more", ports),
];

fn controllers<'a>(check: &Check<'a>) -> impl Iterator<Item = &'a Controller> {
    check.domain.devices.controllers.iter().filter(|controller| controller.usb().is_some())
}

fn model(controller: &Controller) -> Option<UsbModel> {
    controller.usb().and_then(|usb| usb.model)
}

fn off(check: &mut Check<'_>) {
    if !controllers(check).any(|controller| model(controller) == Some(UsbModel::None)) {
        return;
    }
    let devices = &check.domain.devices;
    let mut found: Vec<(Origin, &str)> = Vec::new();
    found.extend(
        controllers(check)
            .filter(|controller| model(controller) != Some(UsbModel::None))
            .map(|controller| (controller.origin, "USB controller")),
    );
    found.extend(devices.hubs.iter().map(|hub| (hub.origin, "USB hub")));
    found.extend(devices.redirdevs.iter().map(|dev| (dev.origin, "redirected USB device")));
    found.extend(
        devices
            .inputs
            .iter()
            .filter(|input| input.bus == Some(InputBus::Usb))
            .map(|input| (input.origin, "USB input device")),
    );
    found.extend(
        devices
            .hostdevs
            .iter()
            .filter(|hostdev| matches!(hostdev.kind, HostdevKind::Usb(_)))
            .map(|hostdev| (hostdev.origin, "USB device of the host")),
    );
    for (origin, what) in found {
        let message = format!("there is no USB in this guest for a {what}");
        let help = "leave it out, or <controller type='usb' model='none'/>";
        check.refuse(origin, Part::Name, message, help);
    }
}

fn of_qemu(check: &mut Check<'_>) {
    for controller in controllers(check).collect::<Vec<_>>() {
        if let Some(model @ (UsbModel::Qusb1 | UsbModel::Qusb2)) = model(controller) {
            let message = format!("QEMU has no USB controller '{model}'");
            check.refuse_value(controller.origin, "model", message, "qemu-xhci, ich9-ehci1, …");
        }
    }
}

fn master(check: &mut Check<'_>) {
    let first = controllers(check).next().map(|controller| controller.origin);
    let has_master = controllers(check).any(|controller| controller.info.master.is_none());
    if let Some(origin) = first.filter(|_| !has_master) {
        let message = "a companion without the USB 2 controller that it belongs to";
        let help = "add <controller type='usb' model='ich9-ehci1'/> with the same index";
        check.refuse(origin, Part::Name, message, help);
    }
}

fn ports(check: &mut Check<'_>) {
    for controller in controllers(check).collect::<Vec<_>>() {
        let Some(usb) = controller.usb() else { continue };
        let is_xhci = usb.model.is_some_and(UsbModel::is_xhci);
        if let Some(ports) = usb.ports.filter(|ports| is_xhci && *ports > MAX_XHCI_PORTS) {
            let message = format!("an xHCI controller has no {ports} ports");
            let expected = format!("at most {MAX_XHCI_PORTS}");
            check.refuse_value(controller.origin, "ports", message, expected);
        }
    }
}
