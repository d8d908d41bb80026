//! `<kvm>`: what KVM offers to guests that know it.

use base::OnOff;
use xml::{El, Part, Problem, Reader, Xml};

/// `<kvm>`. Absent: as the CPU model has it.
///
/// libvirt: `virDomainFeaturesKVMDefParse`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(closed, repeat = "last")]
pub struct Kvm {
    /// Whether the guest is not told that it runs on KVM.
    #[xml(attribute_child = "state")]
    pub hidden: Option<OnOff>,
    /// Whether the guest is told that its processors have host CPUs of their own.
    #[xml(attribute_child = "state", name = "hint-dedicated")]
    pub hint_dedicated: Option<OnOff>,
    /// Whether the guest decides if the host polls for it.
    #[xml(attribute_child = "state", name = "poll-control")]
    pub poll_control: Option<OnOff>,
    /// Whether processors interrupt each other through the hypervisor.
    #[xml(attribute_child = "state", name = "pv-ipi")]
    pub pv_ipi: Option<OnOff>,
    /// A ring in which KVM notes the pages that were written to.
    #[xml(child, name = "dirty-ring")]
    pub dirty_ring: Option<DirtyRing>,
}

/// `<dirty-ring>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = DirtyRing::finish)]
pub struct DirtyRing {
    /// Whether there is one.
    #[xml(attribute, required)]
    pub state: OnOff,
    /// How many pages it holds for each processor: a power of two from 1024 to 65536.
    #[xml(attribute, required, read_if = DirtyRing::is_on)]
    pub size: Option<u32>,
}

impl DirtyRing {
    fn is_on(&self) -> bool {
        self.state.into()
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let fits = |size: u32| size.is_power_of_two() && (1024..=65536).contains(&size);
        if let Some(size) = self.size.filter(|size| !fits(*size)) {
            reader.push(
                Problem::error(
                    el.origin(),
                    Part::Attribute("size".to_owned()),
                    format!("{size} is not a value of 'size' in <dirty-ring>"),
                )
                .expected("a power of two from 1024 to 65536"),
            );
        }
    }
}
