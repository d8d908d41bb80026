//! What most devices end with: `<boot>`, `<alias>`, `<master>`, `<rom>`, `<acpi>`, `<address>`.

use std::num::NonZeroU32;

use base::{BadValue, Datatype, OnOff, Positive, Value, YesNo};
use xml::{El, Origin, Part, Reader, Xml};

use crate::address::Address;

/// The end of a device.
///
/// libvirt: `virDomainDeviceInfo`, `virDomainDeviceInfoFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct DeviceInfo {
    /// When the firmware tries to boot from it.
    #[xml(child, on_request)]
    pub boot: Option<Boot>,
    /// Its name: one given by the user, or, of a running guest, libvirt's. Absent: a start gives it
    /// libvirt's.
    #[xml(attribute_child = "name")]
    pub alias: Option<Alias>,
    /// Of a USB 1 companion: the first port of its USB 2 controller that it serves.
    #[xml(attribute_child = "startport", on_request)]
    pub master: Option<u32>,
    /// The option ROM.
    #[xml(child, on_request)]
    pub rom: Option<Rom>,
    /// The index in the guest's ACPI tables, from which Linux makes the name of an interface.
    #[xml(attribute_child = "index", name = "acpi")]
    pub acpi_index: Option<NonZeroU32>,
    /// Where the guest finds it. Absent: completion chooses, where the device needs one.
    #[xml(child)]
    pub address: Option<Address>,
}

impl DeviceInfo {
    /// Its place in the order in which the firmware tries to boot.
    pub fn boot_order(&self) -> Option<u32> {
        self.boot.as_ref().map(|boot| boot.order.get())
    }

    /// Refuses an address that is not one of a USB bus, for a `device` that can be nowhere else.
    pub(crate) fn need_usb_address(&self, device: &str, origin: Origin, reader: &mut Reader) {
        if !matches!(self.address, None | Some(Address::Usb(_))) {
            let message = format!("{device} needs an address of type 'usb'");
            reader.error(origin, Part::Name, message);
        }
    }
}

/// `<boot>` of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Boot {
    /// From 1; each number once.
    #[xml(attribute, required)]
    pub order: Positive,
    /// What an s390 machine loads.
    #[xml(attribute)]
    pub loadparm: Option<String>,
}

/// The name of a device, by which QEMU knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alias(String);

impl Alias {
    /// The name that a device has while the guest runs.
    pub fn of_running(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the user gave it. What is stored keeps no others.
    ///
    /// libvirt: `virDomainDeviceAliasIsAlias`.
    pub fn is_of_user(&self) -> bool {
        self.0.starts_with("ua-")
    }
}

impl Value for Alias {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        // QEMU calls a companion of a USB 2 controller `usb`, and the first bus `pcie.0`.
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let alias = Self(text.to_owned());
        let is_taken = text.chars().all(allowed) && !(alias.is_of_user() && text.contains('.'));
        Ok((is_taken && !text.is_empty()).then_some(alias))
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }

    fn datatype() -> Datatype {
        Datatype::Text
    }
}

/// `<rom>` of a PCI device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Rom::finish)]
pub struct Rom {
    /// Whether there is one at all.
    #[xml(attribute)]
    pub enabled: Option<YesNo>,
    /// Whether the guest can map it.
    #[xml(attribute)]
    pub bar: Option<OnOff>,
    /// The file it comes from; the empty one is kept.
    #[xml(attribute)]
    pub file: Option<String>,
}

impl Rom {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.enabled == Some(YesNo::No) && (self.bar.is_some() || self.file.is_some()) {
            let message = "what is said of the ROM contradicts enabled='no'";
            reader.error(el.origin(), Part::Attribute("enabled".to_owned()), message);
        }
    }
}
