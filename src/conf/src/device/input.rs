//! `<input>`: a keyboard, mouse or tablet, or an input device of the host.

use base::{OnOff, SanitizedPath, words};
use xml::{El, Origin, Reader, Xml};

use crate::device::virtio::{VirtioModel, VirtioOptions};
use crate::device_info::DeviceInfo;

/// An input device.
///
/// libvirt: `virDomainInputDefParseXML`, `virDomainInputDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Input::finish)]
pub struct Input {
    /// Where it was written.
    pub origin: Origin,
    /// The bus it is on; an evdev device is on none. Absent: completion chooses.
    #[xml(attribute)]
    pub bus: Option<InputBus>,
    /// The generation of a virtio device. Absent: `virtio`.
    #[xml(attribute)]
    pub model: Option<VirtioModel>,
    /// Virtio options.
    #[xml(child)]
    pub driver: Option<VirtioOptions>,
    /// What it is.
    #[xml(flatten, key_first)]
    pub kind: InputType,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Input {
    /// The input device of the host behind it.
    pub fn evdev(&self) -> Option<&str> {
        match &self.kind {
            InputType::Passthrough(passthrough) => Some(&passthrough.source.as_ref()?.evdev),
            InputType::Evdev(evdev) => Some(&evdev.source.as_ref()?.dev),
            InputType::Mouse | InputType::Tablet | InputType::Keyboard => None,
        }
    }

    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        if self.bus == Some(InputBus::Usb) {
            self.info.need_usb_address("a USB input device", self.origin, reader);
        }
    }
}

/// What an input device is.
///
/// libvirt: `virDomainInputType`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type")]
pub enum InputType {
    /// A mouse, which says how far it moved.
    #[xml(word = "mouse")]
    Mouse,
    /// A tablet, which says where the pointer is.
    #[xml(word = "tablet")]
    Tablet,
    /// A keyboard.
    #[xml(word = "keyboard")]
    Keyboard,
    /// An input device of the host, as it is. QEMU: `virtio-input-host-pci`.
    #[xml(word = "passthrough")]
    Passthrough(Passthrough),
    /// What an input device of the host sends, for whichever device the guest has. QEMU:
    /// `input-linux`.
    #[xml(word = "evdev")]
    Evdev(Evdev),
}

/// `type='passthrough'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Passthrough {
    /// `<source>`.
    #[xml(child)]
    pub source: Option<PassthroughSource>,
}

/// `<source>` of an input device that is passed through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct PassthroughSource {
    /// The device node on the host.
    #[xml(attribute, required)]
    pub evdev: SanitizedPath,
}

/// `type='evdev'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Evdev {
    /// `<source>`.
    #[xml(child)]
    pub source: Option<EvdevSource>,
}

/// `<source>` of the input of a host device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct EvdevSource {
    /// The device node on the host.
    #[xml(attribute, required)]
    pub dev: SanitizedPath,
    /// Which devices change hands together with this one. Absent: it alone.
    #[xml(attribute)]
    pub grab: Option<Grab>,
    /// The keys that give the input to the guest and take it back. Absent: both control keys.
    #[xml(attribute, name = "grabToggle")]
    pub grab_toggle: Option<GrabToggle>,
    /// Whether a key that is held down repeats. Absent: as the device has it.
    #[xml(attribute)]
    pub repeat: Option<OnOff>,
}

words! {
    /// The bus of an input device.
    ///
    /// libvirt: `virDomainInputBus`.
    pub enum InputBus unset "none" {
        /// The PS/2 ports of a PC.
        Ps2 = "ps2",
        /// USB.
        Usb = "usb",
        /// Xen's.
        Xen = "xen",
        /// Parallels'.
        Parallels = "parallels",
        /// A virtio device of its own.
        Virtio = "virtio",
    }
}

words! {
    /// Which devices change hands together.
    ///
    /// libvirt: `virDomainInputSourceGrab`.
    pub enum Grab {
        /// All input devices of the guest.
        All = "all",
    }
}

words! {
    /// The keys that give input to the guest and take it back.
    ///
    /// libvirt: `virDomainInputSourceGrabToggle`.
    pub enum GrabToggle {
        /// Both control keys.
        CtrlCtrl = "ctrl-ctrl",
        /// Both alt keys.
        AltAlt = "alt-alt",
        /// Both shift keys.
        ShiftShift = "shift-shift",
        /// Both meta keys.
        MetaMeta = "meta-meta",
        /// Scroll lock.
        Scrolllock = "scrolllock",
        /// Control and scroll lock.
        CtrlScrolllock = "ctrl-scrolllock",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn the_path_of_a_host_device_loses_the_slashes_that_say_nothing() {
        let text = "<input type='evdev'><source dev='/dev//input/event3/' grab='all'/></input>";
        let (input, warnings) = read::<Input>("input", text).unwrap();
        assert_eq!(input.evdev(), Some("/dev/input/event3"));
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn grabbing_is_nothing_for_a_device_that_is_passed_through() {
        let text = "<input type='passthrough' bus='virtio'>\
            <source evdev='/dev/input/event3' grab='all'/></input>";
        let (_, warnings) = read::<Input>("input", text).unwrap();
        assert_eq!(warnings, ["unknown attribute 'grab' in <source>"]);
    }

    #[test]
    fn a_usb_device_has_no_pci_address() {
        let text = "<input type='tablet' bus='usb'><address type='pci' slot='1'/></input>";
        assert_eq!(
            reprint::<Input>("input", text).unwrap_err(),
            ["a USB input device needs an address of type 'usb'"]
        );
    }
}
