//! `<features>`: what the machine and the hypervisor offer besides devices.

mod hyperv;
mod kvm;
mod other;
mod smm;

use base::{OnOff, YesNo, words};
use xml::{Origin, Subtree, Xml};

pub use hyperv::{Enlightenments, Hyperv, Spinlocks, Stimer, TlbFlush, VendorId};
pub use kvm::{DirtyRing, Kvm};
pub use other::{Cfpc, Gic, GicVersion, Hpt, HptResizing, Ibs, InterruptArchitecture, Tcg};
pub use smm::{Smm, Tseg};

words! {
    /// Where the I/O APIC is emulated.
    ///
    /// QEMU: `kernel-irqchip` of `-machine`.
    pub enum IoapicDriver {
        /// In QEMU; interrupt remapping needs it.
        Qemu = "qemu",
        /// In the kernel.
        Kvm = "kvm",
    }
}

words! {
    /// What happens when the guest uses a model-specific register that KVM does not know.
    pub enum UnknownMsrs {
        /// Nothing.
        Ignore = "ignore",
        /// The guest gets a fault.
        Fault = "fault",
    }
}

/// `<features>`. What is absent is as the machine has it, unless a field says otherwise.
///
/// libvirt: `virDomainFeaturesDefParse`, `virDomainDefFormatFeatures`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(closed, repeat = "last")]
pub struct Features {
    /// Where it was written.
    pub origin: Origin,
    /// ACPI; without the element there is none.
    #[xml(flag)]
    pub acpi: bool,
    /// The APIC, which every machine that QEMU has brings along.
    #[xml(child, keep_empty)]
    pub apic: Option<Apic>,
    /// Physical addresses of 36 bits, which every processor that QEMU has brings along.
    #[xml(flag)]
    pub pae: bool,
    /// Hardware assisted paging; only for Xen.
    #[xml(attribute_child = "state", absent = "on")]
    pub hap: Option<OnOff>,
    /// Hyper-V's interface; only for Xen.
    #[xml(flag)]
    pub viridian: bool,
    /// A network namespace of its own; only for containers.
    #[xml(flag)]
    pub privnet: bool,
    /// What Windows knows from Hyper-V.
    #[xml(child, open)]
    pub hyperv: Option<Hyperv>,
    /// What KVM offers to guests that know it.
    #[xml(child, open)]
    pub kvm: Option<Kvm>,
    /// Spin locks with the hypervisor's help.
    #[xml(attribute_child = "state", absent = "on")]
    pub pvspinlock: Option<OnOff>,
    /// Capabilities of a container.
    #[xml(child)]
    pub capabilities: Option<Subtree>,
    /// Performance counters.
    #[xml(attribute_child = "state", absent = "on")]
    pub pmu: Option<OnOff>,
    /// VMware's I/O port.
    #[xml(attribute_child = "state", absent = "on")]
    pub vmport: Option<OnOff>,
    /// The interrupt controller of Arm.
    #[xml(child, keep_empty)]
    pub gic: Option<Gic>,
    /// System management mode.
    #[xml(child)]
    pub smm: Option<Smm>,
    /// Where the I/O APIC is emulated.
    #[xml(attribute_child = "driver")]
    pub ioapic: Option<IoapicDriver>,
    /// The page table of PowerPC.
    #[xml(child)]
    pub hpt: Option<Hpt>,
    /// A device that tells the host where a crash dump finds the guest's kernel.
    #[xml(attribute_child = "state", absent = "on")]
    pub vmcoreinfo: Option<OnOff>,
    /// Transactional memory of PowerPC.
    #[xml(attribute_child = "state")]
    pub htm: Option<OnOff>,
    /// Guests in the guest, on PowerPC.
    #[xml(attribute_child = "state", name = "nested-hv")]
    pub nested_hv: Option<OnOff>,
    /// What happens when the guest uses an unknown model-specific register.
    #[xml(attribute_child = "unknown", name = "msrs")]
    pub unknown_msrs: Option<UnknownMsrs>,
    /// Hardware that flushes the count cache of PowerPC.
    #[xml(attribute_child = "state", name = "ccf-assist")]
    pub ccf_assist: Option<OnOff>,
    /// Features of Xen.
    #[xml(child, open)]
    pub xen: Option<Subtree>,
    /// Cache flush on privilege change, of PowerPC.
    #[xml(attribute_child = "value")]
    pub cfpc: Option<Cfpc>,
    /// Speculation barrier bounds checking, of PowerPC.
    #[xml(attribute_child = "value")]
    pub sbbc: Option<Cfpc>,
    /// Indirect branch speculation, of PowerPC.
    #[xml(attribute_child = "value")]
    pub ibs: Option<Ibs>,
    /// Settings of QEMU's own interpreter.
    #[xml(child)]
    pub tcg: Option<Tcg>,
    /// Whether QEMU frees the guest's memory after it has ended; of s390.
    #[xml(attribute_child = "enabled", name = "async-teardown", absent = "yes")]
    pub async_teardown: Option<YesNo>,
    /// Memory errors that are reported to the guest, on Arm.
    #[xml(attribute_child = "state")]
    pub ras: Option<OnOff>,
    /// The PS/2 controller.
    #[xml(attribute_child = "state")]
    pub ps2: Option<OnOff>,
    /// The interrupt architecture of RISC-V.
    #[xml(attribute_child = "value")]
    pub aia: Option<InterruptArchitecture>,
}

/// `<apic>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Apic {
    /// Whether the end of an interrupt can be told without leaving the guest.
    #[xml(attribute)]
    pub eoi: Option<OnOff>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    fn features(content: &str) -> Result<String, Vec<String>> {
        reprint::<Features>("features", &format!("<features>{content}</features>"))
    }

    fn inner(content: &str) -> String {
        let printed = features(content).unwrap();
        let lines: Vec<&str> = printed.lines().map(str::trim).collect();
        lines[1..lines.len() - 1].concat()
    }

    #[test]
    fn a_missing_state_means_on_where_there_can_be_none() {
        assert_eq!(inner("<pmu/><vmport/>"), "<pmu state='on'/><vmport state='on'/>");
        assert!(features("<ps2/>").is_err());
    }

    #[test]
    fn the_last_one_of_a_feature_counts_and_an_unknown_one_is_refused() {
        assert_eq!(inner("<pmu state='on'/><pmu state='off'/>"), "<pmu state='off'/>");
        assert_eq!(
            features("<hyprev/>").unwrap_err(),
            ["unknown element <hyprev> in <features>; did you mean <hyperv>?"]
        );
    }

    #[test]
    fn tseg_is_printed_in_the_largest_unit() {
        assert_eq!(
            inner("<smm><tseg>1024</tseg></smm>"),
            "<smm state='on'><tseg unit='GiB'>1</tseg></smm>"
        );
        assert_eq!(inner("<smm state='off'><tseg>1</tseg></smm>"), "<smm state='off'/>");
    }

    #[test]
    fn passed_through_enlightenments_are_not_listed() {
        assert_eq!(
            inner("<hyperv mode='passthrough'><relaxed state='on'/></hyperv>"),
            "<hyperv mode='passthrough'></hyperv>"
        );
    }

    #[test]
    fn details_of_an_enlightenment_go_with_its_being_on() {
        assert_eq!(
            inner(
                "<hyperv><spinlocks state='off' retries='1'/><stimer state='on'>\
                 <direct state='off'/></stimer><vendor_id state='off' value='too long a name'/>\
                 </hyperv>"
            ),
            "<hyperv mode='custom'><spinlocks state='off'/><stimer state='on'/>\
             <vendor_id state='off'/></hyperv>"
        );
        assert!(features("<hyperv><spinlocks state='on'/></hyperv>").is_err());
        assert!(features("<hyperv><spinlocks state='on' retries='7'/></hyperv>").is_err());
        assert!(features("<hyperv><vendor_id state='on' value='a,b'/></hyperv>").is_err());
        assert!(features("<kvm><dirty-ring state='on' size='1000'/></kvm>").is_err());
    }
}
