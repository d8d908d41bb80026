//! `<shmem>`: memory shared with other guests.

use std::fmt::Write;
use std::num::{NonZeroU32, NonZeroU64};

use base::{BadValue, Datatype, OnOff, SanitizedPath, Unit, Value, size, words};
use xml::{El, Origin, Part, Reader, Xml};

use crate::device_info::DeviceInfo;

/// Memory shared with other guests.
///
/// libvirt: `virDomainShmemDefParseXML`, `virDomainShmemDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Shmem::finish)]
pub struct Shmem {
    /// Where it was written.
    pub origin: Origin,
    /// What the guest sees.
    #[xml(attribute_child = "type", absent = "ivshmem")]
    pub model: ShmemModel,
    /// The name of the memory, which all who share it know.
    #[xml(attribute, required)]
    pub name: String,
    /// Whether the memory goes with a guest that is migrated. Absent: QEMU's default.
    #[xml(attribute, read_if = Shmem::has_role)]
    pub role: Option<ShmemRole>,
    /// How large it is. Absent: completion takes 4 MiB, unless a server knows.
    #[xml(text_child, unit)]
    pub size: Option<ShmemSize>,
    /// The server that hands out the memory.
    #[xml(child, keep_empty)]
    pub server: Option<Server>,
    /// Interrupts between the guests; only with a server.
    #[xml(child, keep_empty)]
    pub msi: Option<Msi>,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Shmem {
    fn has_role(&self) -> bool {
        self.model != ShmemModel::Ivshmem
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.msi.is_some() && self.server.is_none() {
            let origin = el.child("msi").unwrap_or(el).origin();
            reader.error(origin, Part::Name, "<msi> needs <server> beside it");
        }
    }
}

/// `<server>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Server {
    /// Where it was written.
    pub origin: Origin,
    /// Its socket. Absent: `/var/lib/libvirt/shmem-NAME-sock`.
    #[xml(attribute)]
    pub path: Option<SanitizedPath>,
}

/// `<msi>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Msi {
    /// How many interrupt vectors. Absent: QEMU's 1.
    #[xml(attribute)]
    pub vectors: Option<NonZeroU32>,
    /// Whether interrupts take the short way past QEMU. Absent: QEMU's default.
    #[xml(attribute)]
    pub ioeventfd: Option<OnOff>,
}

/// A size in bytes, printed in whole MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShmemSize(pub NonZeroU64);

impl Value for ShmemSize {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        size::parse(text, Unit::BYTE).map(|bytes| NonZeroU64::new(bytes).map(Self))
    }

    fn write(&self, out: &mut String) {
        write!(out, "{} M", self.0.get() >> 20).expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Unsigned
    }
}

words! {
    /// What the guest sees of shared memory.
    ///
    /// libvirt: `virDomainShmemModel`.
    pub enum ShmemModel {
        /// The device of QEMU before 4.0.
        Ivshmem = "ivshmem",
        /// Memory. QEMU: `ivshmem-plain`.
        IvshmemPlain = "ivshmem-plain",
        /// Memory and interrupts. QEMU: `ivshmem-doorbell`.
        IvshmemDoorbell = "ivshmem-doorbell",
    }
}

words! {
    /// Whether shared memory goes with a guest that is migrated.
    ///
    /// libvirt: `virDomainShmemRole`. QEMU: `master=`.
    pub enum ShmemRole {
        /// It does.
        Master = "master",
        /// It does not, and so the guest cannot be migrated with it.
        Peer = "peer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn a_size_is_in_bytes_and_printed_in_whole_mebibytes() {
        let printed = |size| {
            let text = format!("<shmem name='a'><model type='ivshmem-plain'/>{size}</shmem>");
            reprint::<Shmem>("shmem", &text).unwrap()
        };
        let whole = "<shmem name='a'>\n  <model type='ivshmem-plain'/>\n  \
                     <size unit='M'>4</size>\n</shmem>\n";
        assert_eq!(printed("<size>4194304</size>"), whole);
        assert_eq!(printed("<size unit='KiB'>4097</size>"), whole);
        assert!(!printed("<size>0</size>").contains("size"));
    }

    #[test]
    fn the_oldest_model_has_no_role() {
        let (shmem, warnings) = read::<Shmem>("shmem", "<shmem name='a' role='peer'/>").unwrap();
        assert_eq!((shmem.model, shmem.role), (ShmemModel::Ivshmem, None));
        assert_eq!(warnings, ["'role' has no effect on this <shmem>"]);
    }

    #[test]
    fn interrupts_need_a_server() {
        assert_eq!(
            reprint::<Shmem>("shmem", "<shmem name='a'><msi/></shmem>").unwrap_err(),
            ["<msi> needs <server> beside it"]
        );
    }
}
