//! `<rng>`: a source of random numbers.

use std::num::NonZeroU32;

use xml::{El, Origin, Reader, Xml};

use crate::device::chardev::Chardev;
use crate::device::virtio::{VirtioModel, VirtioOptions};
use crate::device_info::DeviceInfo;

/// A source of random numbers.
///
/// libvirt: `virDomainRNGDefParseXML`, `virDomainRNGDefFormat`. QEMU: `virtio-rng`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Rng::finish)]
pub struct Rng {
    /// Where it was written.
    pub origin: Origin,
    /// The generation of the virtio device.
    #[xml(attribute, required)]
    pub model: VirtioModel,
    /// How much it gives in which time. Absent: as much as the guest asks for.
    #[xml(child)]
    pub rate: Option<Rate>,
    /// Where the numbers come from.
    #[xml(child, required, repeat = "error")]
    pub backend: RngBackend,
    /// Virtio options.
    #[xml(child)]
    pub driver: Option<VirtioOptions>,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Rng {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if let (RngBackend::Egd(chardev), Some(backend)) = (&mut self.backend, el.child("backend"))
        {
            chardev.finish_backend(backend, reader);
        }
    }
}

/// `<rate>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Rate {
    /// The number of bytes in a period. Absent: no limit.
    #[xml(attribute)]
    pub bytes: Option<NonZeroU32>,
    /// The length of a period in milliseconds. Absent: a second.
    #[xml(attribute, read_if = Rate::is_limit)]
    pub period: Option<NonZeroU32>,
}

impl Rate {
    fn is_limit(&self) -> bool {
        self.bytes.is_some()
    }
}

/// Where random numbers come from.
///
/// libvirt: `virDomainRNGBackend`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "model")]
pub enum RngBackend {
    /// A file of the host. QEMU: `rng-random`.
    #[xml(word = "random")]
    Random(Random),
    /// A program that speaks the protocol of the entropy gathering daemon. QEMU: `rng-egd`.
    #[xml(word = "egd")]
    Egd(Chardev),
    /// QEMU's own generator, seeded by the host. QEMU: `rng-builtin`.
    #[xml(word = "builtin")]
    Builtin,
}

/// `<backend model='random'>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Random {
    /// The file. Absent: completion takes `/dev/random`.
    #[xml(text)]
    pub path: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn a_period_without_a_number_of_bytes_has_no_effect() {
        let text = "<rng model='virtio'><rate period='5'/><backend model='builtin'/></rng>";
        let (rng, warnings) = read::<Rng>("rng", text).unwrap();
        assert_eq!(
            xml::print(&rng, "rng"),
            "<rng model='virtio'>\n  <backend model='builtin'/>\n</rng>\n"
        );
        assert_eq!(warnings, ["'period' has no effect on this <rate>"]);
    }

    #[test]
    fn there_is_one_backend() {
        assert_eq!(
            reprint::<Rng>("rng", "<rng model='virtio'/>").unwrap_err(),
            ["<rng> needs <backend>"]
        );
        let text = "<rng model='virtio'><backend model='builtin'/><backend model='random'/></rng>";
        assert_eq!(
            reprint::<Rng>("rng", text).unwrap_err(),
            ["<backend> appears more than once in <rng>"]
        );
    }

    #[test]
    fn the_type_of_a_gathering_daemon_may_not_be_left_out() {
        let text = "<rng model='virtio'><backend model='egd'/></rng>";
        assert_eq!(
            reprint::<Rng>("rng", text).unwrap_err(),
            ["<backend> needs attribute 'type': expected a kind of character device"]
        );
    }
}
