//! `<hub>`: a USB hub.

use base::words;
use xml::{Origin, Xml};

use crate::device_info::DeviceInfo;

/// A USB hub with eight ports.
///
/// libvirt: `virDomainHubDefParseXML`, `virDomainHubDefFormat`. QEMU: `usb-hub`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Hub {
    /// Where it was written.
    pub origin: Origin,
    /// The bus it is on.
    #[xml(attribute, name = "type", required)]
    pub kind: HubType,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

words! {
    /// The bus of a hub.
    ///
    /// libvirt: `virDomainHubType`.
    pub enum HubType {
        /// USB.
        Usb = "usb",
    }
}
