//! The indexes of controllers.

use std::collections::BTreeSet;

use xml::{Part, Problem};

use crate::device::Devices;
use crate::device::controller::{Controller, UsbModel};
use crate::domain::Domain;

/// Gives each controller without an index the lowest one that is free among those of its type. The
/// parts of one USB 2 controller share an index.
///
/// libvirt: `virDomainAssignControllerIndexes`.
pub fn run(domain: &mut Domain) {
    let devices = &mut domain.devices;
    let mut usb2_among_them = false;
    for at in 0..devices.controllers.len() {
        if devices.controllers[at].index.is_none() {
            usb2_among_them |= usb2_model(&devices.controllers[at]).is_some();
            devices.controllers[at].index =
                Some(of_usb2_neighbour(devices, at).unwrap_or_else(|| lowest_free(devices, at)));
        }
    }
    if usb2_among_them {
        devices.sort_controllers();
    }
}

/// No two controllers of a type have the same index, apart from the parts of USB controllers.
///
/// libvirt: `virDomainDefRejectDuplicateControllers`.
pub fn check_duplicates(domain: &Domain) -> Vec<Problem> {
    let mut seen: Vec<&Controller> = Vec::new();
    let mut problems = Vec::new();
    for controller in &domain.devices.controllers {
        if controller.usb().is_none()
            && seen.iter().any(|old| old.is_a(&controller.kind) && old.index == controller.index)
        {
            let index = controller.index.unwrap_or_default();
            let message = format!("there is another controller of this type with index {index}");
            let part = Part::Attribute("index".to_owned());
            problems.push(Problem::error(controller.origin, part, message));
        }
        seen.push(controller);
    }
    problems
}

/// The index of the USB controller before, if both are parts of one USB 2 controller.
fn of_usb2_neighbour(devices: &Devices, at: usize) -> Option<u32> {
    let model = usb2_model(&devices.controllers[at])?;
    let before =
        devices.controllers[..at].iter().rev().find(|controller| controller.usb().is_some())?;
    usb2_model(before)?;
    let is_taken = devices.controllers.iter().any(|other| {
        other.index == before.index && other.usb().is_some_and(|usb| usb.model == Some(model))
    });
    before.index.filter(|_| !is_taken)
}

fn usb2_model(controller: &Controller) -> Option<UsbModel> {
    controller.usb()?.model.filter(|model| model.is_ich9())
}

fn lowest_free(devices: &Devices, at: usize) -> u32 {
    let kind = &devices.controllers[at].kind;
    let taken: BTreeSet<u32> = devices
        .controllers
        .iter()
        .filter(|controller| controller.is_a(kind))
        .filter_map(|controller| controller.index)
        .collect();
    (0..).find(|index| !taken.contains(index)).expect("fewer controllers than numbers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    fn indexes(text: &str) -> Vec<(Option<UsbModel>, u32)> {
        let (devices, _) = read::<Devices>("devices", text).unwrap();
        let mut domain = Domain { devices, ..Domain::default() };
        run(&mut domain);
        let controllers = domain.devices.controllers.iter();
        controllers
            .map(|controller| {
                (controller.usb().and_then(|usb| usb.model), controller.index.unwrap())
            })
            .collect()
    }

    #[test]
    fn gaps_are_filled_first() {
        let text = "<devices><controller type='sata' index='0'/><controller type='sata' index='2'/>\
            <controller type='sata'/><controller type='sata'/></devices>";
        assert_eq!(indexes(text), [(None, 0), (None, 2), (None, 1), (None, 3)]);
    }

    #[test]
    fn the_parts_of_a_usb_2_controller_share_an_index() {
        let part = |model, rest| format!("<controller type='usb' model='{model}'{rest}");
        let text = format!(
            "<devices>{}{}{}</devices>",
            part("ich9-uhci1", "><master startport='0'/></controller>"),
            part("ich9-ehci1", "/>"),
            part("ich9-ehci1", "/>")
        );
        assert_eq!(
            indexes(&text),
            [
                (Some(UsbModel::Ich9Ehci1), 0),
                (Some(UsbModel::Ich9Uhci1), 0),
                (Some(UsbModel::Ich9Ehci1), 1)
            ]
        );
    }

    #[test]
    fn a_second_controller_with_the_same_index_is_refused() {
        let text = "<devices><controller type='pci' index='1' model='pci-bridge'/>\
            <controller type='pci' index='1' model='pci-bridge'/>\
            <controller type='usb' index='1'/><controller type='usb' index='1'/></devices>";
        let (devices, _) = read::<Devices>("devices", text).unwrap();
        let problems = check_duplicates(&Domain { devices, ..Domain::default() });
        let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(messages, ["there is another controller of this type with index 1"]);
    }
}
