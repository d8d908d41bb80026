//! `<memballoon>`: the device through which the guest gives memory back.

use base::{BadValue, Datatype, OnOff, Value, value::parse_any_base, words};
use std::num::NonZeroU32;
use xml::{Origin, Xml};

use crate::device::virtio::{VirtioModel, VirtioOptions};
use crate::device_info::DeviceInfo;

/// The memory balloon.
///
/// libvirt: `virDomainMemballoonDefParseXML`, `virDomainMemballoonDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Memballoon {
    /// Where it was written.
    pub origin: Origin,
    /// What the guest sees.
    #[xml(attribute, required)]
    pub model: MemballoonModel,
    /// Whether the guest takes memory back before it kills a process for the lack of it (QEMU:
    /// `deflate-on-oom`). Absent: no.
    #[xml(attribute)]
    pub autodeflate: Option<OnOff>,
    /// Whether it tells the host of pages that are free (QEMU: `free-page-reporting`). Absent: no.
    #[xml(attribute, name = "freePageReporting")]
    pub free_page_reporting: Option<OnOff>,
    /// How often the guest is asked about its memory. Absent: never.
    #[xml(attribute_child = "period", name = "stats", absent = "0")]
    pub stats_period: Option<Seconds>,
    /// Name and address. Where there is no balloon, they are not read.
    #[xml(flatten, read_if = Memballoon::is_there)]
    pub info: DeviceInfo,
    /// Virtio options.
    #[xml(child)]
    pub driver: Option<VirtioOptions>,
}

impl Memballoon {
    /// Whether the guest has one.
    pub fn is_there(&self) -> bool {
        self.model != MemballoonModel::None
    }

    /// The generation of a virtio balloon.
    pub fn virtio(&self) -> Option<VirtioModel> {
        match self.model {
            MemballoonModel::Virtio => Some(VirtioModel::Virtio),
            MemballoonModel::VirtioTransitional => Some(VirtioModel::Transitional),
            MemballoonModel::VirtioNonTransitional => Some(VirtioModel::NonTransitional),
            MemballoonModel::Xen | MemballoonModel::None => None,
        }
    }
}

words! {
    /// What the guest sees of the balloon.
    ///
    /// libvirt: `virDomainMemballoonModel`.
    pub enum MemballoonModel {
        /// A virtio device of the generation that its slot suggests.
        Virtio = "virtio",
        /// Xen's balloon.
        Xen = "xen",
        /// Nothing: there is none.
        None = "none",
        /// A virtio device of both generations.
        VirtioTransitional = "virtio-transitional",
        /// A virtio device of the second generation only.
        VirtioNonTransitional = "virtio-non-transitional",
    }
}

/// A number of seconds, of which zero and less mean "never".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub NonZeroU32);

impl Value for Seconds {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let expected = || BadValue::new(format!("a number of seconds, at most {}", i32::MAX));
        if let Some(negative) = text.trim().strip_prefix('-') {
            return parse_any_base(negative).map(|_| None).ok_or_else(expected);
        }
        let seconds = parse_any_base(text)
            .and_then(|seconds| i32::try_from(seconds).ok())
            .ok_or_else(expected)?;
        Ok(NonZeroU32::new(seconds.unsigned_abs()).map(Self))
    }

    fn write(&self, out: &mut String) {
        Value::write(&self.0, out);
    }

    fn datatype() -> Datatype {
        Datatype::Integer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn a_balloon_that_is_not_there_has_no_address() {
        let text = "<memballoon model='none'><address type='pci' slot='3'/></memballoon>";
        let (balloon, warnings) = read::<Memballoon>("memballoon", text).unwrap();
        assert_eq!(balloon.info, DeviceInfo::default());
        assert_eq!(warnings, ["<address> has no effect in this <memballoon>"]);
    }

    #[test]
    fn a_period_of_less_than_a_second_is_none() {
        for period in ["0", "-10"] {
            let text =
                format!("<memballoon model='virtio'><stats period='{period}'/></memballoon>");
            let printed = reprint::<Memballoon>("memballoon", &text).unwrap();
            assert_eq!(printed, "<memballoon model='virtio'/>\n");
        }
    }
}
