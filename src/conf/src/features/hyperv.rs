//! `<hyperv>`: what Windows knows from Hyper-V.

use base::OnOff;
use xml::{El, Origin, Part, Problem, Reader, Xml};

/// `<hyperv>`.
///
/// libvirt: `virDomainFeaturesHyperVDefParse`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "mode", default = "custom")]
pub enum Hyperv {
    /// What is listed.
    #[xml(word = "custom")]
    Custom(Box<Enlightenments>),
    /// All that the host has (QEMU: `hv-passthrough`).
    #[xml(word = "passthrough")]
    Passthrough,
}

impl Hyperv {
    /// What is listed; `None` if the host decides.
    pub fn enlightenments(&self) -> Option<&Enlightenments> {
        match self {
            Self::Custom(enlightenments) => Some(enlightenments),
            Self::Passthrough => None,
        }
    }
}

/// Hyper-V's features, one by one. Absent: off.
///
/// QEMU: `docs/system/i386/hyperv.rst`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(closed, repeat = "last")]
pub struct Enlightenments {
    /// Time-outs that allow for the host's being busy.
    #[xml(attribute_child = "state")]
    pub relaxed: Option<OnOff>,
    /// An APIC page that is reached without leaving the guest.
    #[xml(attribute_child = "state")]
    pub vapic: Option<OnOff>,
    /// Spin locks with the hypervisor's help.
    #[xml(child)]
    pub spinlocks: Option<Spinlocks>,
    /// The number of the virtual processor.
    #[xml(attribute_child = "state")]
    pub vpindex: Option<OnOff>,
    /// The time a processor ran.
    #[xml(attribute_child = "state")]
    pub runtime: Option<OnOff>,
    /// The synthetic interrupt controller.
    #[xml(attribute_child = "state")]
    pub synic: Option<OnOff>,
    /// Synthetic timers.
    #[xml(child)]
    pub stimer: Option<Stimer>,
    /// Resetting through the hypervisor.
    #[xml(attribute_child = "state")]
    pub reset: Option<OnOff>,
    /// The name of the hypervisor's maker.
    #[xml(child)]
    pub vendor_id: Option<VendorId>,
    /// The frequencies of TSC and APIC.
    #[xml(attribute_child = "state")]
    pub frequencies: Option<OnOff>,
    /// News of a migration to a host with another TSC frequency.
    #[xml(attribute_child = "state")]
    pub reenlightenment: Option<OnOff>,
    /// Flushing of address translations through the hypervisor.
    #[xml(child)]
    pub tlbflush: Option<TlbFlush>,
    /// Interrupts between processors through the hypervisor.
    #[xml(attribute_child = "state")]
    pub ipi: Option<OnOff>,
    /// A description of nested guests that is cheap to read.
    #[xml(attribute_child = "state")]
    pub evmcs: Option<OnOff>,
    /// Use together with hardware support for interrupts.
    #[xml(attribute_child = "state")]
    pub avic: Option<OnOff>,
    /// A description of MSR use that is cheap to read.
    #[xml(attribute_child = "state")]
    pub emsr_bitmap: Option<OnOff>,
    /// Calls with their arguments in XMM registers.
    #[xml(attribute_child = "state")]
    pub xmm_input: Option<OnOff>,
}

/// `<spinlocks>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Spinlocks::finish)]
pub struct Spinlocks {
    /// Whether they are used.
    #[xml(attribute, required)]
    pub state: OnOff,
    /// How often a processor tries before it tells the hypervisor; at least 4095.
    #[xml(attribute, required, read_if = Spinlocks::is_on)]
    pub retries: Option<u32>,
}

impl Spinlocks {
    /// The fewest tries that Windows takes.
    pub const MIN_RETRIES: u32 = 4095;

    fn is_on(&self) -> bool {
        self.state.into()
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if let Some(retries) = self.retries.filter(|retries| *retries < Self::MIN_RETRIES) {
            reader.push(
                Problem::error(
                    el.origin(),
                    Part::Attribute("retries".to_owned()),
                    format!("{retries} is too small a value of 'retries'"),
                )
                .expected(format!("at least {}", Self::MIN_RETRIES)),
            );
        }
    }
}

/// `<stimer>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(closed, finish = Stimer::finish)]
pub struct Stimer {
    /// Whether there are any.
    #[xml(attribute, required)]
    pub state: OnOff,
    /// Whether they interrupt directly. Absent, and the same: off.
    #[xml(attribute_child = "state", read_if = Stimer::is_on)]
    pub direct: Option<OnOff>,
}

impl Stimer {
    fn is_on(&self) -> bool {
        self.state.into()
    }

    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        self.direct = self.direct.filter(|direct| bool::from(*direct));
    }
}

/// `<vendor_id>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = VendorId::finish)]
pub struct VendorId {
    /// Where it was written.
    pub origin: Origin,
    /// Whether it differs from Microsoft's.
    #[xml(attribute, required)]
    pub state: OnOff,
    /// The name; at most 12 characters, no comma.
    #[xml(attribute, required, read_if = VendorId::is_on)]
    pub value: Option<String>,
}

impl VendorId {
    fn is_on(&self) -> bool {
        self.state.into()
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if let Some(value) =
            self.value.as_ref().filter(|value| value.len() > 12 || value.contains(','))
        {
            reader.push(
                Problem::error(
                    el.origin(),
                    Part::Attribute("value".to_owned()),
                    format!("'{value}' is not a value of 'value' in <vendor_id>"),
                )
                .expected("at most 12 characters without a comma"),
            );
        }
    }
}

/// `<tlbflush>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(closed, finish = TlbFlush::finish)]
pub struct TlbFlush {
    /// Whether the guest can use it.
    #[xml(attribute, required)]
    pub state: OnOff,
    /// Whether nested guests can. Absent, and the same: off.
    #[xml(attribute_child = "state", read_if = TlbFlush::is_on)]
    pub direct: Option<OnOff>,
    /// Whether ranges of addresses can be flushed. Absent, and the same: off.
    #[xml(attribute_child = "state", read_if = TlbFlush::is_on)]
    pub extended: Option<OnOff>,
}

impl TlbFlush {
    fn is_on(&self) -> bool {
        self.state.into()
    }

    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        self.direct = self.direct.filter(|direct| bool::from(*direct));
        self.extended = self.extended.filter(|extended| bool::from(*extended));
    }
}
