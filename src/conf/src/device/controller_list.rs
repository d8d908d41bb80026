//! The list of controllers, which libvirt keeps grouped by type and ordered by index.

use std::mem::discriminant;

use super::Devices;
use super::controller::{Controller, ControllerKind, Pci};

impl Devices {
    /// The first controller of the type of `kind` with this index.
    pub fn controller(&self, kind: &ControllerKind, index: u32) -> Option<&Controller> {
        self.controllers
            .iter()
            .find(|controller| controller.is_a(kind) && controller.index == Some(index))
    }

    /// The root of the PCI buses, or whatever stands in its place.
    pub fn pci_root(&self) -> Option<&Pci> {
        self.controllers
            .iter()
            .filter(|controller| controller.index == Some(0))
            .find_map(Controller::pci)
    }

    /// Adds a controller at its place: behind those of its type with a lower index. Of one index,
    /// a master comes before its companions; a controller without an index comes last.
    ///
    /// libvirt: `virDomainControllerInsertPreAlloced`.
    pub fn insert_controller(&mut self, new: Controller) {
        let mut place = None;
        for (at, old) in self.controllers.iter().enumerate().rev() {
            if !old.is_a(&new.kind) {
                continue;
            }
            if new.index.is_none() {
                place = Some(at + 1);
                break;
            }
            let is_master_of_old =
                old.index == new.index && new.info.master.is_none() && old.info.master.is_some();
            if old.index > new.index || is_master_of_old {
                place = Some(at);
            } else if place.is_none() {
                place = Some(at + 1);
            }
        }
        self.controllers.insert(place.unwrap_or(self.controllers.len()), new);
    }

    /// Adds a controller unless there is one of its type and index. Tells whether it was added.
    ///
    /// libvirt: `virDomainDefMaybeAddController`.
    pub fn add_missing_controller(
        &mut self,
        kind: ControllerKind,
        index: u32,
        step: &'static str,
    ) -> bool {
        let missing = self.controller(&kind, index).is_none();
        if missing {
            self.insert_controller(Controller::added(kind, index, step));
        }
        missing
    }

    /// Brings the controllers into order, as if each was inserted anew.
    pub fn sort_controllers(&mut self) {
        for controller in std::mem::take(&mut self.controllers) {
            self.insert_controller(controller);
        }
    }
}

impl Controller {
    /// Whether it is of the type of `kind`, whatever its model.
    pub fn is_a(&self, kind: &ControllerKind) -> bool {
        discriminant(&self.kind) == discriminant(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    fn order(text: &str) -> Vec<String> {
        let (mut devices, _) = read::<Devices>("devices", text).unwrap();
        devices.sort_controllers();
        devices
            .controllers
            .iter()
            .map(|controller| {
                let kind = match &controller.kind {
                    ControllerKind::Usb(usb) => usb.model.map_or("usb".into(), |m| m.to_string()),
                    ControllerKind::Sata => "sata".to_owned(),
                    _ => "other".to_owned(),
                };
                format!("{kind} {}", controller.index.map_or("-".into(), |n| n.to_string()))
            })
            .collect()
    }

    #[test]
    fn controllers_of_one_type_stand_together_by_index() {
        let text = "<devices>
            <controller type='sata' index='2'/>
            <controller type='usb' index='1'/>
            <controller type='sata' index='0'/>
            <controller type='sata'/>
            <controller type='usb' index='0'/>
            <controller type='sata' index='1'/>
        </devices>";
        assert_eq!(order(text), ["sata 0", "sata 1", "sata 2", "sata -", "usb 0", "usb 1"]);
    }

    #[test]
    fn a_master_comes_before_its_companions() {
        let text = "<devices>
            <controller type='usb' index='0' model='ich9-uhci1'><master startport='0'/></controller>
            <controller type='usb' index='0' model='ich9-uhci2'><master startport='2'/></controller>
            <controller type='usb' index='0' model='ich9-ehci1'/>
        </devices>";
        assert_eq!(order(text), ["ich9-ehci1 0", "ich9-uhci1 0", "ich9-uhci2 0"]);
    }

    #[test]
    fn where_there_is_no_usb_nothing_has_an_address() {
        let text = "<controller type='usb' index='0' model='none'>\
            <address type='pci' slot='3'/></controller>";
        let (controller, warnings) = read::<Controller>("controller", text).unwrap();
        assert_eq!(controller.info.address, None);
        assert_eq!(warnings, ["a USB controller with model='none' has no name and no address"]);
    }
}
