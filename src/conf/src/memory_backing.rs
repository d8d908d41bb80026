//! `<memoryBacking>`: what is behind the guest's memory.

use std::num::NonZeroU32;

use base::{CpuSet, words};
use xml::{El, Origin, Part, Reader, Xml};

use crate::memory::Kibibytes;

words! {
    /// Whether other processes can map the guest's memory.
    pub enum MemoryAccess {
        /// They can; vhost-user devices and virtiofs need it.
        Shared = "shared",
        /// They cannot.
        Private = "private",
    }
}

words! {
    /// What memory is made of.
    pub enum MemorySource {
        /// Files in a directory of the host.
        File = "file",
        /// Memory without a name.
        Anonymous = "anonymous",
        /// Memory that is known by a descriptor.
        Memfd = "memfd",
    }
}

words! {
    /// When memory is taken from the host.
    pub enum AllocationMode {
        /// When the guest starts.
        Immediate = "immediate",
        /// When the guest touches it.
        Ondemand = "ondemand",
    }
}

/// `<memoryBacking>`.
///
/// libvirt: `virDomainDefParseMemory`, `virDomainMemtuneFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct MemoryBacking {
    /// Where it was written.
    pub origin: Origin,
    /// Huge pages. Absent: the host's normal pages.
    #[xml(child, keep_empty)]
    pub hugepages: Option<Hugepages>,
    /// The host must not merge equal pages.
    #[xml(flag, name = "nosharepages")]
    pub no_share_pages: bool,
    /// The memory is never swapped out.
    #[xml(flag)]
    pub locked: bool,
    /// What the memory is made of. Absent: anonymous memory, or what a device needs.
    #[xml(attribute_child = "type")]
    pub source: Option<MemorySource>,
    /// Whether others can map it. Absent: they cannot.
    #[xml(attribute_child = "mode")]
    pub access: Option<MemoryAccess>,
    /// When it is taken from the host.
    #[xml(child)]
    pub allocation: Option<Allocation>,
    /// What is in it is dropped, not written back, when QEMU ends.
    #[xml(flag)]
    pub discard: bool,
}

/// `<hugepages>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Hugepages {
    /// Where it was written.
    pub origin: Origin,
    /// The sizes. None: the host's default size.
    #[xml(child, name = "page")]
    pub pages: Vec<Hugepage>,
}

/// `<page>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Hugepage::finish)]
pub struct Hugepage {
    /// Where it was written.
    pub origin: Origin,
    /// The size of a page.
    #[xml(attribute, required, unit)]
    pub size: Kibibytes,
    /// The guest's NUMA nodes that use it. Absent: all that no other names.
    #[xml(attribute)]
    pub nodeset: Option<CpuSet>,
}

impl Hugepage {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.size.0 == 0 {
            let part = Part::Attribute("size".to_owned());
            reader.error(el.origin(), part, "the size of a huge page must not be 0");
        }
        if self.nodeset.as_ref().is_some_and(|set| set.0.is_empty()) {
            let part = Part::Attribute("nodeset".to_owned());
            reader.error(el.origin(), part, "'nodeset' of <page> has no node in it");
        }
    }
}

/// `<allocation>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Allocation {
    /// When it is taken from the host.
    #[xml(attribute)]
    pub mode: Option<AllocationMode>,
    /// How many threads do that.
    #[xml(attribute)]
    pub threads: Option<NonZeroU32>,
}
