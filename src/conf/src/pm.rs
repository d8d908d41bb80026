//! `<pm>`: which sleep states the guest is offered.

use base::YesNo;
use xml::{Origin, Xml};

/// `<pm>`. Absent: as the firmware has them.
///
/// libvirt: `virDomainDefParseXML`, `virDomainDefFormatInternalSetRootName`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Pm {
    /// Where it was written.
    pub origin: Origin,
    /// Sleep with the memory kept, ACPI's S3.
    #[xml(attribute_child = "enabled", name = "suspend-to-mem")]
    pub suspend_to_mem: Option<YesNo>,
    /// Sleep with the memory on disk, ACPI's S4.
    #[xml(attribute_child = "enabled", name = "suspend-to-disk")]
    pub suspend_to_disk: Option<YesNo>,
}
