//! `<numatune>`: the host's NUMA nodes that memory comes from.

use base::{CpuSet, words};
use xml::{El, Origin, Part, Reader, Xml};

words! {
    /// What happens when the nodes have no memory left.
    pub enum NumatuneMode {
        /// The guest gets none.
        Strict = "strict",
        /// It comes from other nodes.
        Preferred = "preferred",
        /// It comes from all the nodes in turn.
        Interleave = "interleave",
        /// The guest gets none, and the control group sees to that.
        Restrictive = "restrictive",
    }
}

words! {
    /// Who chooses the nodes.
    pub enum NumatunePlacement {
        /// The document does.
        Static = "static",
        /// numad does.
        Auto = "auto",
    }
}

/// `<numatune>`.
///
/// libvirt: `virDomainNumatuneParseXML`, `virDomainNumatuneFormatXML` in `src/conf/numa_conf.c`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Numatune::finish)]
pub struct Numatune {
    /// Where it was written.
    pub origin: Origin,
    /// For all of the guest's memory.
    #[xml(child)]
    pub memory: Option<NumatuneMemory>,
    /// For the memory of one of the guest's nodes, in the order of the nodes.
    #[xml(child, name = "memnode")]
    pub memnodes: Vec<Memnode>,
}

impl Numatune {
    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        self.memnodes.sort_by_key(|memnode| memnode.cell_id);
        for pair in self.memnodes.windows(2).filter(|pair| pair[0].cell_id == pair[1].cell_id) {
            let message = format!("two <memnode> are for cell {}", pair[1].cell_id);
            reader.error(pair[1].origin, Part::Attribute("cellid".to_owned()), message);
        }
    }
}

/// `<memory>` of `<numatune>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = NumatuneMemory::finish)]
pub struct NumatuneMemory {
    /// Where it was written.
    pub origin: Origin,
    /// What happens when the nodes have no memory left.
    #[xml(attribute)]
    pub mode: NumatuneMode,
    /// The nodes of the host.
    #[xml(attribute, print_if = NumatuneMemory::is_static)]
    pub nodeset: Option<CpuSet>,
    /// Who chooses the nodes. Absent: the document if it does, else whoever chooses the CPUs.
    #[xml(attribute, print_if = NumatuneMemory::is_auto)]
    pub placement: Option<NumatunePlacement>,
}

impl NumatuneMemory {
    /// Whether numad chooses.
    pub fn is_auto(&self) -> bool {
        self.placement == Some(NumatunePlacement::Auto)
    }

    fn is_static(&self) -> bool {
        !self.is_auto()
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        refuse_empty(self.nodeset.as_ref(), el, reader);
    }
}

/// `<memnode>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Memnode::finish)]
pub struct Memnode {
    /// Where it was written.
    pub origin: Origin,
    /// The guest's node.
    #[xml(attribute, name = "cellid", required)]
    pub cell_id: u32,
    /// What happens when the nodes have no memory left.
    #[xml(attribute)]
    pub mode: NumatuneMode,
    /// The nodes of the host.
    #[xml(attribute, required)]
    pub nodeset: CpuSet,
}

impl Memnode {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        refuse_empty(el.attribute("nodeset").map(|_| &self.nodeset), el, reader);
    }
}

fn refuse_empty(nodeset: Option<&CpuSet>, el: El<'_>, reader: &mut Reader) {
    if nodeset.is_some_and(|set| set.0.is_empty()) {
        let message = format!("'nodeset' of <{}> has no node in it", el.name());
        reader.error(el.origin(), Part::Attribute("nodeset".to_owned()), message);
    }
}
