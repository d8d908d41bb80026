//! `<nvram>` among the devices: the NVRAM of PowerPC.

use xml::{Origin, Xml};

use crate::device_info::DeviceInfo;

/// The NVRAM device of a `pseries` machine.
///
/// libvirt: `virDomainNVRAMDefParseXML`, `virDomainNVRAMDefFormat`. QEMU: `spapr-nvram`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Nvram {
    /// Where it was written.
    pub origin: Origin,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}
