//! `<parallel>`: a parallel port.

use xml::{El, Origin, Reader, Xml};

use crate::device::chardev::Chardev;
use crate::device::serial::refuse_spicevmc;
use crate::device_info::DeviceInfo;

/// A parallel port.
///
/// libvirt: `virDomainChrDefParseXML`, `virDomainChrDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Parallel::finish)]
pub struct Parallel {
    /// Where it was written.
    pub origin: Origin,
    /// What is behind it on the host.
    #[xml(flatten)]
    pub chardev: Chardev,
    /// What the guest sees.
    #[xml(child)]
    pub target: ParallelTarget,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Parallel {
    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        refuse_spicevmc(self.origin, &self.chardev, reader);
    }
}

/// `<target>` of a parallel port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct ParallelTarget {
    /// Its number. Absent: completion gives it the one above those before it.
    #[xml(attribute)]
    pub port: Option<u32>,
}
