//! `<iothreads>` of a driver: which I/O thread serves which queue.

use xml::{Origin, Xml};

/// Which I/O threads serve the queues of a virtio device.
///
/// libvirt: `virDomainIothreadMappingDefParse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct IothreadMapping {
    /// Where it was written.
    pub origin: Origin,
    /// The threads. Queues that are not named are dealt out in turn.
    #[xml(child, name = "iothread")]
    pub iothreads: Vec<MappedIothread>,
}

/// One I/O thread, and the queues that it serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct MappedIothread {
    /// Where it was written.
    pub origin: Origin,
    /// The id of the thread, from 1.
    #[xml(attribute, required)]
    pub id: u32,
    /// The queues. None: those whose turn it is.
    #[xml(attribute_child = "id", name = "queue")]
    pub queues: Vec<u32>,
}
