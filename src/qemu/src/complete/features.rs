//! Features of the machine that others need.

use base::OnOff;
use conf::Domain;
use conf::features::{Features, IoapicDriver, Smm};
use xml::{Origin, Part, Problem};

use super::context::Context;
use crate::machine::Family;

/// TSEG is memory of a `q35` machine, in MiB.
///
/// libvirt: `qemuDomainDefTsegPostParse`.
pub(super) fn check_tseg(domain: &mut Domain, context: &mut Context<'_>) {
    let family = Family::of(domain);
    let Some(features) = &domain.features else { return };
    let Some(tseg) = features.smm.as_ref().and_then(|smm| smm.tseg) else { return };
    if family != Family::Q35 {
        let machine = domain.os.kind.machine.as_deref().unwrap_or_default();
        context.problems.push(
            Problem::error(
                features.origin,
                Part::Name,
                format!("the machine '{machine}' has no TSEG, which <smm> asks for"),
            )
            .help("leave out <tseg>, or use a q35 machine"),
        );
    } else if tseg.0 % (1 << 20) != 0 {
        context.problems.push(
            Problem::error(
                features.origin,
                Part::Name,
                format!("the TSEG of <smm> has {} bytes", tseg.0),
            )
            .expected("a multiple of 1 MiB"),
        );
    }
}

/// Interrupts that an IOMMU remaps need an I/O APIC in QEMU.
///
/// libvirt: `qemuDomainDefEnableDefaultFeatures`.
pub(super) fn ioapic(domain: &mut Domain, _context: &mut Context<'_>) {
    let Some(iommu) = &domain.devices.iommu else { return };
    let remaps = iommu.driver.as_ref().is_some_and(|d| d.intremap == Some(OnOff::On));
    let is_large = Family::of(domain) == Family::Q35
        && domain.max_vcpus() > crate::machine::MAX_VCPUS_WITHOUT_EXTENDED_INTERRUPTS;
    if remaps || is_large {
        let features = domain.features.get_or_insert_with(|| Features {
            origin: Origin::Step("interrupt remapping"),
            ..Features::default()
        });
        features.ioapic.get_or_insert(IoapicDriver::Qemu);
    }
}

/// Turns system management mode on.
pub(super) fn require_smm(domain: &mut Domain) {
    let features = domain.features.get_or_insert_with(|| Features {
        origin: Origin::Step("firmware"),
        ..Features::default()
    });
    features.smm.get_or_insert_with(Smm::default).state = OnOff::On;
}
