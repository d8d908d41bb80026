//! `<vcpu>` and `<vcpus>`: how many processors, and each by itself.

use std::num::NonZeroU32;

use base::{CpuSet, YesNo, words};
use xml::{El, Origin, Part, Problem, Reader, Xml};

words! {
    /// Who chooses the host CPUs that processors run on.
    pub enum Placement {
        /// The document does.
        Static = "static",
        /// numad does.
        Auto = "auto",
    }
}

/// `<vcpu>`.
///
/// libvirt: `virDomainVcpuParse`, `virDomainCpuDefFormat`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(finish = Vcpu::finish)]
pub struct Vcpu {
    /// Where it was written.
    pub origin: Origin,
    /// Who chooses the host CPUs.
    #[xml(attribute)]
    pub placement: Placement,
    /// The host CPUs that processors without `<vcpupin>` run on. Absent: all of them.
    #[xml(attribute, read_if = Vcpu::is_static, print_if = Vcpu::is_static)]
    pub cpuset: Option<CpuSet>,
    /// How many are there from the start. Absent: all of them.
    #[xml(attribute)]
    pub current: Option<u32>,
    /// How many there can be.
    #[xml(text)]
    pub maximum: u32,
}

impl Default for Vcpu {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Vcpu {
    /// So many processors, there from the start.
    pub fn new(maximum: u32) -> Self {
        Self {
            origin: Origin::None,
            placement: Placement::Static,
            cpuset: None,
            current: None,
            maximum,
        }
    }

    /// How many are there from the start.
    pub fn online(&self) -> u32 {
        self.current.unwrap_or(self.maximum)
    }

    fn is_static(&self) -> bool {
        self.placement == Placement::Static
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.maximum == 0 {
            reader.error(el.origin(), Part::Text, "a guest needs at least one processor");
        } else if self.online() > self.maximum {
            let message = format!(
                "'current' of <vcpu> is {}, but there are at most {}",
                self.online(),
                self.maximum
            );
            reader.error(el.origin(), Part::Attribute("current".to_owned()), message);
        }
        if self.cpuset.as_ref().is_some_and(|set| set.0.is_empty()) {
            let part = Part::Attribute("cpuset".to_owned());
            reader.push(
                Problem::error(el.origin(), part, "'cpuset' of <vcpu> has no CPU in it")
                    .help("leave it out to allow all of them"),
            );
        }
        self.current = self.current.filter(|current| *current != self.maximum);
    }
}

/// `<vcpus>`: each processor by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Vcpus {
    /// Where it was written.
    pub origin: Origin,
    /// The processors. What is not listed is not there from the start.
    #[xml(child, name = "vcpu")]
    pub vcpus: Vec<VcpuState>,
}

/// `<vcpu>` of `<vcpus>`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
pub struct VcpuState {
    /// Where it was written.
    pub origin: Origin,
    /// Its number.
    #[xml(attribute, required)]
    pub id: u32,
    /// Whether it is there from the start.
    #[xml(attribute, required)]
    pub enabled: YesNo,
    /// Whether it can be taken away. Absent: only if it is not there from the start.
    #[xml(attribute)]
    pub hotpluggable: Option<YesNo>,
    /// When it is added while the guest starts, from 1. Absent: by its number.
    #[xml(attribute)]
    pub order: Option<NonZeroU32>,
}

impl Default for VcpuState {
    fn default() -> Self {
        Self { origin: Origin::None, id: 0, enabled: YesNo::No, hotpluggable: None, order: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    fn vcpu(text: &str) -> Result<String, Vec<String>> {
        reprint::<Vcpu>("vcpu", text)
    }

    #[test]
    fn what_says_nothing_new_is_not_kept() {
        assert_eq!(
            vcpu("<vcpu current='2'>2</vcpu>").unwrap(),
            "<vcpu placement='static'>2</vcpu>\n"
        );
        assert_eq!(
            vcpu("<vcpu placement='auto' cpuset='1'/>").unwrap(),
            "<vcpu placement='auto'>1</vcpu>\n"
        );
    }

    #[test]
    fn there_must_be_a_processor() {
        assert!(vcpu("<vcpu>0</vcpu>").is_err());
        assert_eq!(
            vcpu("<vcpu current='3'>2</vcpu>").unwrap_err(),
            ["'current' of <vcpu> is 3, but there are at most 2"]
        );
        assert!(vcpu("<vcpu cpuset='1,^1'>2</vcpu>").is_err());
    }
}
