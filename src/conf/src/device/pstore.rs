//! `<pstore>`: storage that keeps a guest's last words.

use base::{NonEmpty, words};
use xml::{Origin, Xml};

use crate::device_info::DeviceInfo;
use crate::memory::Kibibytes;

/// Storage for what the guest's kernel says when it panics.
///
/// libvirt: `virDomainPstoreDefParseXML`, `virDomainPstoreDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Pstore {
    /// Where it was written.
    pub origin: Origin,
    /// What the guest sees.
    #[xml(attribute, required)]
    pub backend: PstoreBackend,
    /// The file. Absent: completion names one after the guest.
    #[xml(text_child)]
    pub path: Option<NonEmpty>,
    /// How large it is.
    #[xml(text_child, unit, required)]
    pub size: Kibibytes,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

words! {
    /// What the guest sees.
    ///
    /// libvirt: `virDomainPstoreBackend`.
    pub enum PstoreBackend {
        /// The error record table of ACPI. QEMU: `acpi-erst`.
        AcpiErst = "acpi-erst",
    }
}
