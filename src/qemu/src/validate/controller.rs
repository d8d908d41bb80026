//! Controllers.
//!
//! libvirt: `virDomainControllerDefValidate`, `qemuValidateDomainDeviceDefController`.

use conf::address::Address;
use conf::device::Controller;
use conf::device::controller::{ControllerKind, PciModel, PciModelName, ScsiModel};
use xml::Part;

use super::{Check, Rule, attribute};
use crate::machine::Family;

/// The highest index of a PCI controller: there are so many buses.
const LAST_PCI_INDEX: u32 = 255;

pub(super) const RULES: &[Rule] = &[
    Rule::new("controller-is-of-qemu", "other hypervisors have other controllers", of_qemu),
    Rule::new("pci-root-has-no-address", "the root is nowhere on a bus", pci_root),
    Rule::new("pci-index-in-range", "there are 256 buses", pci_index),
    Rule::new("pci-target-fits-model", "each kind of bridge has its own settings", pci_target),
    Rule::new("expander-fits-machine", "each kind hangs off its own kind of root", expander),
    Rule::new(
        "pci-device-fits-model",
        "each kind of bridge is made of its own devices",
        pci_device,
    ),
    Rule::new("scsi-model-is-there", "a controller is a device of QEMU", scsi_model),
    Rule::new("queues-need-virtio-scsi", "other controllers have none", virtio_scsi_only),
    Rule::new("ide-is-built-in", "QEMU's PC has one IDE controller", ide),
    Rule::new("controller-iothread-exists", "a thread must be there to serve", iothread),
];

fn each(check: &mut Check<'_>, rule: impl Fn(&mut Check<'_>, &Controller)) {
    for controller in &check.domain.devices.controllers {
        rule(check, controller);
    }
}

/// libvirt finds no bus to put them on: `virDomainPCIAddressSetAutoMulti` and its kin.
fn of_qemu(check: &mut Check<'_>) {
    each(check, |check, controller| {
        if matches!(controller.kind, ControllerKind::Xenbus(_) | ControllerKind::Isa)
            && controller.info.address.is_none()
        {
            let message =
                format!("QEMU's PC has no controller of type '{}'", controller.kind.word());
            let expected = "pci, scsi, sata, usb, virtio-serial, …";
            check.refuse_value(controller.origin, "type", message, expected);
        }
    });
}

fn pci_root(check: &mut Check<'_>) {
    each(check, |check, controller| {
        if controller.is_pci_root() && controller.info.address.is_some() {
            let message = "the root of the PCI buses has no <address>";
            check.refuse(controller.origin, Part::Name, message, "leave it out");
        }
    });
}

fn pci_index(check: &mut Check<'_>) {
    each(check, |check, controller| {
        let Some(pci) = controller.pci() else { return };
        let index = controller.index.unwrap_or_default();
        if index > LAST_PCI_INDEX {
            let message = format!("there is no PCI bus {index}");
            let expected = format!("at most {LAST_PCI_INDEX}");
            check.refuse_value(controller.origin, "index", message, expected);
        }
        if let Some(model) = pci.model.filter(|_| controller.is_pci_root() && index != 0) {
            let message = format!("a {model} has index 0, not {index}");
            check.refuse_value(controller.origin, "index", message, "0");
        }
    });
}

fn pci_target(check: &mut Check<'_>) {
    let cells = check.domain.cpu.as_ref().map_or(0, |cpu| cpu.numa_cells().len()) as u32;
    each(check, |check, controller| {
        let Some(pci) = controller.pci() else { return };
        let Some(model) = pci.model else { return };
        let target = &pci.target;
        let is_port = matches!(model, PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort);
        let is_expander = matches!(model, PciModel::PciExpanderBus | PciModel::PcieExpanderBus);
        let can_hotplug = is_port || model == PciModel::PciRoot;
        let given = [
            ("chassisNr", target.chassis_nr.is_some(), model == PciModel::PciBridge),
            ("chassis", target.chassis.is_some(), is_port),
            ("port", target.port.is_some(), is_port),
            ("busNr", target.bus_nr.is_some(), is_expander),
            ("index", target.index.is_some(), false),
            ("hotplug", target.hotplug.is_some(), can_hotplug),
            ("node", target.node.is_some(), is_expander),
        ];
        for (name, _, _) in given.into_iter().filter(|(_, given, fits)| *given && !fits) {
            let message = format!("a {model} has no '{name}' in <target>");
            check.refuse(target.origin, Part::Name, message, "leave it out");
        }
        if target.chassis_nr == Some(0) {
            let message = "a chassis cannot have number 0";
            check.refuse_value(target.origin, "chassisNr", message, "1 to 255");
        }
        if target.bus_nr.is_some_and(|number| !(1..=254).contains(&number)) {
            let message = "there is no such bus for an expander";
            check.refuse_value(target.origin, "busNr", message, "1 to 254");
        }
        if let Some(node) = target.node.filter(|node| is_expander && *node >= cells) {
            let message = format!("there is no NUMA node {node} for this {model} to belong to");
            let help = "add it to <cpu><numa>, or leave out <node>";
            check.refuse(target.origin, Part::Name, message, help);
        }
    });
}

fn expander(check: &mut Check<'_>) {
    let machine = check.domain.os.kind.machine.as_deref().unwrap_or_default();
    each(check, |check, controller| {
        let Some(model) = controller.pci().and_then(|pci| pci.model) else { return };
        let fits = match model {
            PciModel::PciExpanderBus => check.family == Family::I440fx,
            PciModel::PcieExpanderBus => check.family == Family::Q35,
            _ => true,
        };
        if !fits {
            let message = format!("the machine '{machine}' has no {model}");
            let help = "leave it out, or use the other kind of expander";
            check.refuse(controller.origin, attribute("model"), message, help);
        }
    });
}

fn pci_device(check: &mut Check<'_>) {
    each(check, |check, controller| {
        let Some(pci) = controller.pci() else { return };
        let (Some(model), Some(name)) = (pci.model, pci.model_name) else { return };
        let fits = match model {
            PciModel::PciRoot | PciModel::PcieRoot => false,
            PciModel::PciBridge => name == PciModelName::PciBridge,
            PciModel::DmiToPciBridge => name == PciModelName::I82801b11Bridge,
            PciModel::PcieToPciBridge => name == PciModelName::PciePciBridge,
            PciModel::PcieRootPort => {
                matches!(name, PciModelName::Ioh3420 | PciModelName::PcieRootPort)
            }
            PciModel::PcieSwitchUpstreamPort => name == PciModelName::X3130Upstream,
            PciModel::PcieSwitchDownstreamPort => name == PciModelName::Xio3130Downstream,
            PciModel::PciExpanderBus => name == PciModelName::Pxb,
            PciModel::PcieExpanderBus => name == PciModelName::PxbPcie,
        };
        if fits {
            check.need_type(&name.to_string(), controller.origin, "such PCI controller");
        } else {
            let message = format!("a {model} is no '{name}'");
            check.refuse(controller.origin, Part::Name, message, "leave out <model>");
        }
    });
}

fn scsi_model(check: &mut Check<'_>) {
    each(check, |check, controller| {
        let Some(model) = controller.scsi().and_then(|scsi| scsi.model) else { return };
        let device = match model {
            ScsiModel::Lsilogic => "lsi53c895a",
            ScsiModel::Lsisas1068 => "mptsas1068",
            ScsiModel::Lsisas1078 => "megasas",
            ScsiModel::Vmpvscsi => "pvscsi",
            ScsiModel::VirtioScsi
            | ScsiModel::VirtioTransitional
            | ScsiModel::VirtioNonTransitional => "virtio-scsi-pci",
            ScsiModel::Dc390 => "dc390",
            ScsiModel::Am53c974 => "am53c974",
            ScsiModel::Ibmvscsi => return,
            ScsiModel::Auto | ScsiModel::Buslogic | ScsiModel::Ncr53c90 => {
                let message = format!("QEMU's PC has no SCSI controller '{model}'");
                let expected = "virtio-scsi, lsilogic, lsisas1078, …";
                check.refuse_value(controller.origin, "model", message, expected);
                return;
            }
        };
        check.need_type(device, controller.origin, "such SCSI controller");
    });
}

fn virtio_scsi_only(check: &mut Check<'_>) {
    each(check, |check, controller| {
        let Some(driver) = &controller.driver else { return };
        if controller.scsi().is_some_and(conf::device::controller::Scsi::is_virtio) {
            return;
        }
        let given = [
            ("queues", driver.queues.is_some()),
            ("cmd_per_lun", driver.cmd_per_lun.is_some()),
            ("max_sectors", driver.max_sectors.is_some()),
            ("ioeventfd", driver.ioeventfd.is_some()),
        ];
        for (name, _) in given.into_iter().filter(|(_, given)| *given) {
            let message = format!("only a virtio-scsi controller has '{name}'");
            check.refuse(driver.origin, attribute(name), message, "leave it out");
        }
    });
}

fn ide(check: &mut Check<'_>) {
    each(check, |check, controller| {
        if !matches!(controller.kind, ControllerKind::Ide(_)) {
            return;
        }
        let has_one = matches!(check.family, Family::I440fx | Family::Isapc);
        let machine = check.domain.os.kind.machine.as_deref().unwrap_or_default();
        let help = "put the disk on bus='sata', 'scsi' or 'virtio'";
        if !has_one {
            let message = format!("the machine '{machine}' has no IDE controller");
            check.refuse(controller.origin, Part::Name, message, help);
        } else if controller.index != Some(0) {
            let message = format!("the machine '{machine}' has one IDE controller");
            check.refuse(controller.origin, attribute("index"), message, help);
        }
    });
}

fn iothread(check: &mut Check<'_>) {
    let threads = check.domain.iothread_numbers();
    each(check, |check, controller| {
        let Some(driver) = &controller.driver else { return };
        let Some(thread) = driver.iothread else { return };
        if !threads.contains(&thread.get()) {
            let message = format!("there is no I/O thread {thread}");
            let help = "say how many there are in <iothreads>";
            check.refuse(driver.origin, attribute("iothread"), message, help);
        }
        if !matches!(controller.info.address, None | Some(Address::Pci(_))) {
            let message = "only a controller on a PCI bus is served by an I/O thread";
            check.refuse(driver.origin, attribute("iothread"), message, "leave it out");
        }
    });
}
