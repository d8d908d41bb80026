//! What PCI controllers leave open.

use base::PciAddress;
use conf::address::Hex;
use conf::device::Devices;
use conf::device::controller::{PciModel, PciModelName};
use xml::{Part, Problem};

use crate::capabilities::Capabilities;

/// Fills in which device plays each PCI controller, and its numbers.
///
/// libvirt: the end of `qemuDomainAssignPCIAddresses`, `qemuDomainPCIControllerSetDefaultModelName`.
pub(super) fn complete(devices: &mut Devices, capabilities: &Capabilities) -> Result<(), Problem> {
    for at in 0..devices.controllers.len() {
        let lowest = lowest_bus_nr(devices);
        let controller = &mut devices.controllers[at];
        let index = controller.index.unwrap_or_default();
        let address = controller.info.address.as_ref().and_then(|address| address.pci());
        let PciAddress { bus, slot, function, .. } = address.unwrap_or_default();
        let origin = controller.origin;
        let Some(pci) = controller.pci_mut() else { continue };
        let Some(model) = pci.model else { continue };
        pci.model_name = pci.model_name.or(default_model_name(model, capabilities));
        let chassis = u8::try_from(index).expect("the index of a PCI controller is at most 255");
        match model {
            PciModel::PciBridge => {
                pci.target.chassis_nr.get_or_insert(chassis);
                if index <= bus {
                    let message = format!(
                        "the PCI bridge with index {index} sits on bus {bus}; the number of its \
                         own bus must be higher"
                    );
                    let part = Part::Attribute("index".to_owned());
                    return Err(Problem::error(origin, part, message));
                }
            }
            PciModel::PcieRootPort => {
                pci.target.chassis.get_or_insert(chassis);
                pci.target.port.get_or_insert(Hex(u64::from(slot * 8 + function)));
            }
            PciModel::PcieSwitchDownstreamPort => {
                pci.target.chassis.get_or_insert(chassis);
                pci.target.port.get_or_insert(Hex(slot.into()));
            }
            PciModel::PciExpanderBus | PciModel::PcieExpanderBus => {
                if pci.target.bus_nr.is_none() {
                    let number = lowest.checked_sub(2).filter(|number| *number > 0);
                    let number = number.and_then(|number| u8::try_from(number).ok());
                    let message = "no bus number is left for the expander bus: two below the \
                                   lowest that another one has";
                    let problem = || {
                        Problem::error(origin, Part::Name, message)
                            .help("give it one with <target busNr='…'/>")
                    };
                    pci.target.bus_nr = Some(number.ok_or_else(problem)?);
                }
            }
            PciModel::PciRoot
            | PciModel::PcieRoot
            | PciModel::DmiToPciBridge
            | PciModel::PcieToPciBridge
            | PciModel::PcieSwitchUpstreamPort => {}
        }
    }
    Ok(())
}

/// The lowest bus number that an expander bus has: each one and the bridge in it take two numbers,
/// from the top down.
///
/// libvirt: `qemuDomainAddressFindNewBusNr`.
fn lowest_bus_nr(devices: &Devices) -> u32 {
    let numbers =
        devices.controllers.iter().filter_map(|controller| controller.pci()?.target.bus_nr);
    numbers.map(u32::from).min().unwrap_or(256)
}

fn default_model_name(model: PciModel, capabilities: &Capabilities) -> Option<PciModelName> {
    Some(match model {
        PciModel::PciRoot | PciModel::PcieRoot => return None,
        PciModel::PciBridge => PciModelName::PciBridge,
        PciModel::DmiToPciBridge => PciModelName::I82801b11Bridge,
        PciModel::PcieToPciBridge => PciModelName::PciePciBridge,
        PciModel::PcieRootPort if capabilities.has("pcie-root-port") => PciModelName::PcieRootPort,
        PciModel::PcieRootPort => PciModelName::Ioh3420,
        PciModel::PcieSwitchUpstreamPort => PciModelName::X3130Upstream,
        PciModel::PcieSwitchDownstreamPort => PciModelName::Xio3130Downstream,
        PciModel::PciExpanderBus => PciModelName::Pxb,
        PciModel::PcieExpanderBus => PciModelName::PxbPcie,
    })
}
