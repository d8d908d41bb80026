//! `<cpu>`: the processor.

mod numa;

use std::num::NonZeroU32;

use base::{NonEmpty, OnOff, words};
use xml::{El, Origin, Part, Problem, Reader, Xml};

pub use numa::{
    AccessKind, Bandwidth, CacheAssociativity, CachePolicy, Interconnect, Interconnects, Latency,
    Numa, NumaCache, NumaCell, Sibling,
};

words! {
    /// Where the processor's features come from.
    pub enum CpuMode {
        /// From a named model.
        Custom = "custom",
        /// From the model that comes nearest to the host.
        HostModel = "host-model",
        /// From the host, as they are.
        HostPassthrough = "host-passthrough",
        /// From all that the hypervisor can offer.
        Maximum = "maximum",
    }
}

words! {
    /// How near the processor must come to the description.
    pub enum CpuMatch {
        /// It is like the description.
        Exact = "exact",
        /// It has at least what is described.
        Minimum = "minimum",
        /// It has nothing else, and neither has the host.
        Strict = "strict",
    }
}

words! {
    /// When it is checked that the guest gets what is described.
    pub enum CpuCheck unset "default" {
        /// Never.
        None = "none",
        /// Before the start, by what the host is known to have.
        Partial = "partial",
        /// When QEMU has made the processor.
        Full = "full",
    }
}

words! {
    /// What happens when the hypervisor does not know the model.
    pub enum Fallback {
        /// One that comes near is used.
        Allow = "allow",
        /// The guest is not started.
        Forbid = "forbid",
    }
}

words! {
    /// What is asked of a feature.
    pub enum FeaturePolicy {
        /// The guest has it even if the host has not.
        Force = "force",
        /// The guest has it.
        Require = "require",
        /// The guest has it if the host has.
        Optional = "optional",
        /// The guest does not have it.
        Disable = "disable",
        /// The guest is not started if the host has it.
        Forbid = "forbid",
    }
}

words! {
    /// What the guest learns about the caches.
    pub enum CacheMode {
        /// What the hypervisor makes up.
        Emulate = "emulate",
        /// What the host has.
        Passthrough = "passthrough",
        /// That there are none.
        Disable = "disable",
    }
}

words! {
    /// Where the number of physical address bits comes from.
    pub enum AddressBitsMode {
        /// From the document.
        Emulate = "emulate",
        /// From the host.
        Passthrough = "passthrough",
    }
}

/// `<cpu>`.
///
/// libvirt: `virCPUDefParseXML`, `virCPUDefFormatBufFull` in `src/conf/cpu_conf.c`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Cpu::finish)]
pub struct Cpu {
    /// Where it was written.
    pub origin: Origin,
    /// Where its features come from.
    #[xml(attribute, print_if = Cpu::is_described)]
    pub mode: CpuMode,
    /// How near it must come to `model`.
    #[xml(attribute, name = "match", read_if = Cpu::is_custom, print_if = Cpu::is_described_by_model)]
    pub matching: CpuMatch,
    /// When it is checked. Absent: completion decides.
    #[xml(attribute, print_if = Cpu::is_described)]
    pub check: Option<CpuCheck>,
    /// Whether only features are taken from the host that a migration can keep.
    #[xml(attribute, read_if = Cpu::is_of_host)]
    pub migratable: Option<OnOff>,
    /// Whether features that the host's maker calls deprecated are left in.
    #[xml(attribute)]
    pub deprecated_features: Option<OnOff>,
    /// The named model.
    #[xml(child, read_if = Cpu::has_model)]
    pub model: Option<CpuModel>,
    /// The maker that the host's processor must have.
    #[xml(text_child, read_if = Cpu::has_model)]
    pub vendor: Option<NonEmpty>,
    /// Sockets, cores, threads. Absent: as many sockets as processors.
    #[xml(child)]
    pub topology: Option<Topology>,
    /// What the guest learns about the caches.
    #[xml(child)]
    pub cache: Option<Cache>,
    /// How many bits a physical address has.
    #[xml(child, name = "maxphysaddr")]
    pub max_phys_addr: Option<MaxPhysAddr>,
    /// What differs from the model.
    #[xml(child, name = "feature")]
    pub features: Vec<CpuFeature>,
    /// NUMA nodes of the guest.
    #[xml(child)]
    pub numa: Option<Numa>,
}

impl Cpu {
    /// The name of the model, where the mode has one.
    pub fn model_name(&self) -> Option<&str> {
        self.model.as_ref()?.name.as_deref()
    }

    /// The feature of this name.
    pub fn feature(&self, name: &str) -> Option<&CpuFeature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    /// The NUMA nodes.
    pub fn numa_cells(&self) -> &[NumaCell] {
        self.numa.as_ref().map_or(&[], |numa| &numa.cells)
    }

    /// Whether it says more than a topology and caches.
    fn is_described(&self) -> bool {
        self.mode != CpuMode::Custom || self.model_name().is_some()
    }

    fn is_custom(&self) -> bool {
        self.mode == CpuMode::Custom
    }

    fn is_described_by_model(&self) -> bool {
        self.is_custom() && self.is_described()
    }

    fn is_of_host(&self) -> bool {
        matches!(self.mode, CpuMode::HostPassthrough | CpuMode::Maximum)
    }

    fn has_model(&self) -> bool {
        !self.is_of_host()
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if el.attribute("migratable").is_some() && !self.is_of_host() {
            reader.push(
                Problem::error(
                    el.origin(),
                    Part::AttributeName("migratable".to_owned()),
                    "'migratable' is only for mode='host-passthrough' and mode='maximum'",
                )
                .help("leave it out"),
            );
        }
        if self.model_name().is_none() {
            if self.vendor.is_some() {
                reader.error(el.origin(), Part::Name, "<vendor> needs <model> beside it");
            }
            if self.is_custom() && !self.features.is_empty() {
                reader.push(
                    Problem::error(el.origin(), Part::Name, "<feature> needs <model> beside it")
                        .help("name a model, or write mode='host-model'"),
                );
            }
        }
        for (at, feature) in self.features.iter().enumerate() {
            if self.features[..at].iter().any(|other| other.name == feature.name) {
                let message = format!("feature '{}' appears more than once", feature.name);
                reader.error(feature.origin, Part::Attribute("name".to_owned()), message);
            }
        }
    }
}

/// `<model>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = CpuModel::finish, drop_if = CpuModel::is_void)]
pub struct CpuModel {
    /// Where it was written.
    pub origin: Origin,
    /// What happens when the hypervisor does not know it.
    #[xml(attribute, print_if = CpuModel::is_named)]
    pub fallback: Fallback,
    /// The maker that the guest sees, in 12 characters. Absent: that of the model.
    #[xml(attribute)]
    pub vendor_id: Option<NonEmpty>,
    /// Its name in libvirt's words.
    #[xml(text)]
    pub name: Option<NonEmpty>,
}

impl CpuModel {
    fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// libvirt has written `<model fallback='allow'/>` into host models.
    fn is_void(&self) -> bool {
        self.name.is_none() && self.vendor_id.is_none()
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.name.is_none() && self.fallback == Fallback::Forbid {
            let part = Part::AttributeName("fallback".to_owned());
            reader.warning(el.origin(), part, "'fallback' has no effect without a model's name");
        }
        if let Some(id) = self.vendor_id.as_ref().filter(|id| id.len() != 12 || id.contains(',')) {
            reader.push(
                Problem::error(
                    el.origin(),
                    Part::Attribute("vendor_id".to_owned()),
                    format!("'{}' is not a value of 'vendor_id'", id.0),
                )
                .expected("12 characters without a comma"),
            );
        }
    }
}

/// `<topology>`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(finish = Topology::finish)]
pub struct Topology {
    /// Where it was written.
    pub origin: Origin,
    /// How many sockets.
    #[xml(attribute, required)]
    pub sockets: u32,
    /// How many dies in a socket.
    #[xml(attribute)]
    pub dies: u32,
    /// How many clusters on a die.
    #[xml(attribute)]
    pub clusters: u32,
    /// How many cores in a cluster.
    #[xml(attribute, required)]
    pub cores: u32,
    /// How many threads of a core.
    #[xml(attribute, required)]
    pub threads: u32,
}

impl Default for Topology {
    fn default() -> Self {
        Self { origin: Origin::None, sockets: 1, dies: 1, clusters: 1, cores: 1, threads: 1 }
    }
}

impl Topology {
    /// How many processors it has room for; `None` if that is more than 32 bits hold.
    pub fn processors(&self) -> Option<u32> {
        [self.dies, self.clusters, self.cores, self.threads]
            .into_iter()
            .try_fold(self.sockets, u32::checked_mul)
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let parts = [
            ("sockets", self.sockets),
            ("dies", self.dies),
            ("clusters", self.clusters),
            ("cores", self.cores),
            ("threads", self.threads),
        ];
        for (name, _) in parts.into_iter().filter(|(_, number)| *number == 0) {
            let part = Part::Attribute(name.to_owned());
            let message = format!("'{name}' of <topology> must not be 0");
            reader.error(el.origin(), part, message);
        }
    }
}

/// `<cache>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Cache::finish)]
pub struct Cache {
    /// Where it was written.
    pub origin: Origin,
    /// Which level it is about, from 1 to 3. Absent: all.
    #[xml(attribute)]
    pub level: Option<u32>,
    /// What the guest learns about it.
    #[xml(attribute, required)]
    pub mode: CacheMode,
}

impl Cache {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if let Some(level) = self.level.filter(|level| !(1..=3).contains(level)) {
            let part = Part::Attribute("level".to_owned());
            let message = format!("there is no cache of level {level}");
            reader.push(Problem::error(el.origin(), part, message).expected("1, 2 or 3"));
        }
    }
}

/// `<maxphysaddr>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = MaxPhysAddr::finish)]
pub struct MaxPhysAddr {
    /// Where it was written.
    pub origin: Origin,
    /// Where the number comes from.
    #[xml(attribute, required)]
    pub mode: AddressBitsMode,
    /// The number of bits.
    #[xml(attribute)]
    pub bits: Option<NonZeroU32>,
    /// The most bits that are taken from the host.
    #[xml(attribute)]
    pub limit: Option<NonZeroU32>,
}

impl MaxPhysAddr {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.limit.is_some() && self.mode != AddressBitsMode::Passthrough {
            let part = Part::Attribute("limit".to_owned());
            let message = "'limit' is of the host's bits, which this guest does not get";
            reader.push(
                Problem::error(el.origin(), part, message)
                    .help("write 'bits', or mode='passthrough'"),
            );
        }
    }
}

/// `<feature>` of the processor.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(finish = CpuFeature::finish)]
pub struct CpuFeature {
    /// Where it was written.
    pub origin: Origin,
    /// What is asked of it.
    #[xml(attribute)]
    pub policy: FeaturePolicy,
    /// Its name in libvirt's words.
    #[xml(attribute, required)]
    pub name: String,
}

impl CpuFeature {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if el.attribute("name") == Some("") {
            let part = Part::Attribute("name".to_owned());
            reader.error(el.origin(), part, "a CPU feature needs a name");
        }
    }
}

impl Default for CpuFeature {
    fn default() -> Self {
        Self { origin: Origin::None, policy: FeaturePolicy::Require, name: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    fn cpu(text: &str) -> Result<String, Vec<String>> {
        reprint::<Cpu>("cpu", text)
    }

    #[test]
    fn a_topology_alone_has_no_mode() {
        let printed = cpu("<cpu><topology sockets='1' cores='2' threads='1'/></cpu>").unwrap();
        assert_eq!(
            printed,
            "<cpu>\n  <topology sockets='1' dies='1' clusters='1' cores='2' threads='1'/>\n</cpu>\n"
        );
        assert!(cpu("<cpu><topology sockets='1' cores='0' threads='1'/></cpu>").is_err());
    }

    #[test]
    fn a_host_model_keeps_no_match_and_no_nameless_model() {
        let text = "<cpu mode='host-model' match='exact'><model fallback='allow'/></cpu>";
        let (cpu, problems) = read::<Cpu>("cpu", text).unwrap();
        assert_eq!(xml::print(&cpu, "cpu"), "<cpu mode='host-model'/>\n");
        assert_eq!(problems, ["'match' has no effect on this <cpu>"]);
    }

    #[test]
    fn a_passed_through_processor_has_no_model() {
        let printed =
            cpu("<cpu mode='host-passthrough' migratable='on'><model>a</model></cpu>").unwrap();
        assert_eq!(printed, "<cpu mode='host-passthrough' migratable='on'/>\n");
        assert!(cpu("<cpu mode='host-model' migratable='on'/>").is_err());
    }

    #[test]
    fn features_and_vendors_need_a_model() {
        assert!(cpu("<cpu><feature name='a'/></cpu>").is_err());
        assert!(cpu("<cpu mode='host-model'><vendor>Intel</vendor></cpu>").is_err());
        let twice = "<cpu mode='host-model'><feature name='a'/><feature name='a'/></cpu>";
        assert_eq!(cpu(twice).unwrap_err(), ["feature 'a' appears more than once"]);
    }
}
