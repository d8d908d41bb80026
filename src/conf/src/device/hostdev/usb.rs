//! `<hostdev type='usb'>`: USB devices of the host.

use std::num::NonZeroU32;

use base::words;
use xml::{El, Origin, Part, Reader, Xml};

use crate::address::Hex;
use crate::device::disk::source::StartupPolicy;

/// `type='usb'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Usb {
    /// Its `<source>`.
    #[xml(child, required)]
    pub source: UsbSource,
}

/// `<source>` of `type='usb'`: the make of the device, its present place, or both.
///
/// libvirt: `virDomainHostdevSubsysUSBDefParseXML`, `virDomainHostdevDefFormatSubsysUSB`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = UsbSource::finish, ignores = "missing")]
pub struct UsbSource {
    /// Where it was written.
    pub origin: Origin,
    /// What happens when the device is missing at start. Absent: the start is refused.
    #[xml(attribute, name = "startupPolicy")]
    pub startup_policy: Option<StartupPolicy>,
    /// What happens when the guest resets the device.
    #[xml(attribute, name = "guestReset")]
    pub guest_reset: Option<GuestReset>,
    /// The number of the vendor.
    #[xml(attribute_child = "id")]
    pub vendor: Option<Hex<4, 0xffff>>,
    /// The vendor's number of the product.
    #[xml(attribute_child = "id")]
    pub product: Option<Hex<4, 0xffff>>,
    /// Its present place.
    #[xml(child)]
    pub address: UsbAddress,
}

impl UsbSource {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.vendor == Some(Hex(0)) {
            let part = Part::Within("vendor@id".to_owned());
            reader.error(el.origin(), part, "no vendor of USB devices has the number 0");
        }
        let address = &self.address;
        let has_place = address.bus.is_some() || address.device.is_some();
        let message = match (self.vendor, self.product) {
            (None, None) if !has_place => {
                "<source> needs <vendor id='…'/> and <product id='…'/>, or <address bus='…' \
                 device='…'/>"
            }
            _ if address.bus.is_some() != address.device.is_some() => {
                "<address> needs both 'bus' and 'device'"
            }
            (Some(_), None) => "<vendor> needs <product id='…'/> beside it",
            (None, Some(_)) => "<product> needs <vendor id='…'/> beside it",
            _ => return,
        };
        reader.error(el.origin(), Part::Name, message);
    }
}

words! {
    /// What happens when the guest resets the device.
    ///
    /// libvirt: `virDomainHostdevSubsysUSBGuestReset`; QEMU: `guest-reset`, `guest-resets-all`.
    pub enum GuestReset {
        /// Nothing.
        Off = "off",
        /// It is reset as long as it has no address.
        Uninitialized = "uninitialized",
        /// It is reset.
        On = "on",
    }
}

/// `<address>` of a USB device of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct UsbAddress {
    /// The bus.
    #[xml(attribute)]
    pub bus: Option<NonZeroU32>,
    /// The number of the device on the bus, which changes whenever it is plugged in.
    #[xml(attribute)]
    pub device: Option<NonZeroU32>,
}
