//! `<lease>`: locks held while the guest runs.

use std::num::NonZeroU64;

use xml::{Origin, Xml};

/// A lock that is held while the guest runs, by sanlock.
///
/// libvirt: `virDomainLeaseDefParseXML`, `virDomainLeaseDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Lease {
    /// Where it was written.
    pub origin: Origin,
    /// The space of names that `key` belongs to.
    #[xml(text_child)]
    pub lockspace: Option<String>,
    /// Which lock it is.
    #[xml(text_child, required)]
    pub key: String,
    /// Where it is kept.
    #[xml(child, required)]
    pub target: Target,
}

/// `<target>` of a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Target {
    /// The file.
    #[xml(attribute, required)]
    pub path: String,
    /// The first byte of the lock in the file. Absent: 0.
    #[xml(attribute)]
    pub offset: Option<NonZeroU64>,
}
