//! Features of the machine and the hypervisor.
//!
//! libvirt: `qemuValidateDomainDefFeatures`, `virDomainDefFeaturesValidate`.

use base::OnOff;
use conf::DomainType;
use conf::cpu::CpuMode;
use conf::features::{Enlightenments, Features, Hyperv};

use super::{Check, Rule, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("feature-is-of-x86", "a feature of another architecture is not there", of_x86),
    Rule::new("vmport-needs-ps2", "QEMU's VMware port is part of the PS/2 controller", vmport),
    Rule::new(
        "enlightenments-need-each-other",
        "some of Hyper-V's interfaces are built on others",
        enlightenments,
    ),
    Rule::new(
        "dedicated-hint-needs-host-cpu",
        "the guest takes the host's word for what its processors are",
        dedicated,
    ),
    Rule::new("interpreter-interprets", "KVM's guests are not translated", interpreter),
    Rule::new("no-async-teardown", "QEMU has it only for s390", async_teardown),
];

fn interpreter(check: &mut Check<'_>) {
    let features = check.domain.features.as_ref();
    if let Some(features) = features.filter(|features| features.tcg.is_some())
        && check.domain.kind != DomainType::Qemu
    {
        let message = "<tcg> is of guests that QEMU interprets";
        check.refuse(features.origin, within("tcg"), message, "leave it out, or write type='qemu'");
    }
}

fn of_x86(check: &mut Check<'_>) {
    let Some(features) = &check.domain.features else { return };
    let Features { gic, hpt, htm, nested_hv, ccf_assist, cfpc, sbbc, ibs, ras, aia, .. } = features;
    let given = [
        ("gic", gic.is_some()),
        ("hpt", hpt.is_some()),
        ("htm", htm.is_some()),
        ("nested-hv", nested_hv.is_some()),
        ("ccf-assist", ccf_assist.is_some()),
        ("cfpc", cfpc.is_some()),
        ("sbbc", sbbc.is_some()),
        ("ibs", ibs.is_some()),
        ("ras", ras.is_some()),
        ("aia", aia.is_some()),
    ];
    for (name, _) in given.into_iter().filter(|(_, given)| *given) {
        let architecture = check.domain.os.kind.architecture.unwrap_or_default();
        let message = format!("guests of {architecture} have no feature <{name}>");
        check.refuse(features.origin, within(name), message, format!("leave out <{name}>"));
    }
}

fn vmport(check: &mut Check<'_>) {
    if let Some(features) = &check.domain.features
        && features.ps2 == Some(OnOff::Off)
        && features.vmport == Some(OnOff::On)
    {
        check.refuse(
            features.origin,
            within("vmport@state"),
            "<vmport state='on'/> needs the PS/2 controller, which is off",
            "leave out <ps2 state='off'/>, or <vmport>",
        );
    }
}

/// libvirt: `CHECK_HV_FEAT` in `virDomainDefHypervValidate`.
fn enlightenments(check: &mut Check<'_>) {
    let Some(features) = &check.domain.features else { return };
    let Some(enlightenments) = features.hyperv.as_ref().and_then(Hyperv::enlightenments) else {
        return;
    };
    let Enlightenments { vapic, vpindex, synic, stimer, tlbflush, ipi, evmcs, .. } = enlightenments;
    let on = |state: &Option<OnOff>| *state == Some(OnOff::On);
    let stimer = stimer.as_ref().is_some_and(|stimer| stimer.state == OnOff::On);
    let tlbflush = tlbflush.as_ref().is_some_and(|tlbflush| tlbflush.state == OnOff::On);
    let needs = [
        ("synic", on(synic), "vpindex", on(vpindex)),
        ("stimer", stimer, "vpindex", on(vpindex)),
        ("stimer", stimer, "synic", on(synic)),
        ("tlbflush", tlbflush, "vpindex", on(vpindex)),
        ("ipi", on(ipi), "vpindex", on(vpindex)),
        ("evmcs", on(evmcs), "vapic", on(vapic)),
    ];
    for (name, _, needed, _) in needs.into_iter().filter(|(_, is_on, _, has)| *is_on && !has) {
        let message = format!("<{name}> of <hyperv> needs <{needed}>");
        check.refuse(
            features.origin,
            within(format!("hyperv/{name}")),
            message,
            format!("add <{needed} state='on'/> to <hyperv>"),
        );
    }
}

fn dedicated(check: &mut Check<'_>) {
    let Some(features) = &check.domain.features else { return };
    let hint = features.kvm.as_ref().and_then(|kvm| kvm.hint_dedicated);
    let is_of_host = check
        .domain
        .cpu
        .as_ref()
        .is_some_and(|cpu| matches!(cpu.mode, CpuMode::HostPassthrough | CpuMode::Maximum));
    if hint == Some(OnOff::On) && !is_of_host {
        check.refuse(
            features.origin,
            within("kvm/hint-dedicated@state"),
            "<hint-dedicated state='on'/> needs a processor that is the host's",
            "write <cpu mode='host-passthrough'/>",
        );
    }
}

fn async_teardown(check: &mut Check<'_>) {
    let Some(features) = &check.domain.features else { return };
    let can =
        check.capabilities.options.get("run-with").is_some_and(|p| p.contains("async-teardown"));
    if features.async_teardown.is_some() && !can {
        let message = "this QEMU has no asynchronous teardown";
        check.refuse(features.origin, within("async-teardown"), message, "leave it out");
    }
}
