//! The processor: its model, what differs from it, and how many there are.

use std::collections::BTreeSet;
use std::fmt::Write;

use base::{OnOff, YesNo};
use conf::Domain;
use conf::clock::TimerName;
use conf::cpu::{AddressBitsMode, Cache, CacheMode, Cpu, CpuCheck, CpuMode, FeaturePolicy, Numa};
use conf::device::panic::PanicModel;
use conf::features::{Enlightenments, Features, Hyperv};

use super::argument::Argument;
use super::{Builder, RequiredProcessor};
use crate::cpu_model;

/// The NUMA nodes of a guest that has any.
pub(super) fn numa(domain: &Domain) -> Option<&Numa> {
    domain.cpu.as_ref()?.numa.as_ref().filter(|numa| !numa.cells.is_empty())
}

/// `-cpu`.
///
/// libvirt: `qemuBuildCpuCommandLine`.
pub(super) fn model(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    let cpu = domain.cpu.as_ref();
    builder.part("processor", cpu.map_or(domain.origin, |cpu| cpu.origin));
    let Some(name) = name(builder) else { return };
    let mut argument = Argument::new(&name);
    if let Some(cpu) = cpu {
        described(&mut argument, cpu);
    }
    timers(&mut argument, domain);
    let features = domain.features.as_ref();
    if let Some(features) = features {
        offered(&mut argument, features);
    }
    let panics = &domain.devices.panics;
    if panics.iter().any(|panic| panic.model == Some(PanicModel::Hyperv)) {
        argument.word("hv-crash");
    }
    if let Some(features) = features {
        kvm(&mut argument, features);
    }
    if let Some(cpu) = cpu {
        caches(&mut argument, cpu);
        address_bits(&mut argument, cpu);
    }
    builder.argument("cpu", argument.into_text());
}

/// What the processor must have when QEMU has made it: all of its model and what is required besides,
/// as far as the document wants that checked.
///
/// libvirt: `virCPUCompare` before the start for `partial`, `virCPUUpdateLive` after it for `full`.
pub(super) fn check(builder: &mut Builder<'_>) {
    let Some(cpu) = &builder.domain.cpu else { return };
    let is_checked = matches!(cpu.check, Some(CpuCheck::Partial | CpuCheck::Full));
    let Some(model) = cpu.model_name().filter(|_| is_checked && cpu.mode == CpuMode::Custom) else {
        return;
    };
    let mut features: BTreeSet<&str> = cpu_model::features(model);
    for feature in &cpu.features {
        let name = cpu_model::qemu_name(&feature.name);
        match feature.policy {
            FeaturePolicy::Require => features.insert(name),
            // What is forced is given by QEMU whether the host has it or not.
            _ => features.remove(name),
        };
    }
    builder.processor = Some(RequiredProcessor {
        model: model.to_owned(),
        features: features.into_iter().map(str::to_owned).collect(),
        origin: cpu.origin,
        at: None,
    });
}

/// The model in QEMU's words.
fn name(builder: &Builder<'_>) -> Option<String> {
    let domain = builder.domain;
    let machine = domain.os.kind.machine.as_deref().unwrap_or_default();
    let default = || {
        let machine = builder.capabilities.machine(machine);
        machine.and_then(|machine| machine.default_cpu.clone()).unwrap_or("qemu64".to_owned())
    };
    let Some(cpu) = &domain.cpu else { return Some(default()) };
    Some(match cpu.mode {
        CpuMode::HostPassthrough => "host".to_owned(),
        CpuMode::Maximum => "max".to_owned(),
        CpuMode::Custom => cpu.model_name().map_or_else(default, str::to_owned),
        // Only where nothing is known of the host: what `prepare` has refused.
        CpuMode::HostModel => return None,
    })
}

fn described(argument: &mut Argument, cpu: &Cpu) {
    argument.switch("migratable", cpu.migratable);
    let vendor = cpu.model.as_ref().and_then(|model| model.vendor_id.as_ref());
    argument.maybe("vendor", vendor.map(|vendor| &vendor.0));
    for feature in &cpu.features {
        let on = match feature.policy {
            FeaturePolicy::Force | FeaturePolicy::Require => true,
            FeaturePolicy::Disable | FeaturePolicy::Forbid => false,
            FeaturePolicy::Optional => continue,
        };
        argument.switch(cpu_model::qemu_name(&feature.name), Some(on));
    }
}

fn timers(argument: &mut Argument, domain: &Domain) {
    let Some(clock) = &domain.clock else { return };
    for timer in &clock.timers {
        match timer.name {
            TimerName::Kvmclock => {
                argument.switch("kvmclock", timer.present);
            }
            TimerName::Hypervclock if timer.present == Some(YesNo::Yes) => {
                argument.add("hv-time", "on");
            }
            TimerName::Tsc => {
                argument.maybe("tsc-frequency", timer.frequency);
            }
            _ => {}
        }
    }
}

/// What KVM offers, and performance counters.
fn kvm(argument: &mut Argument, features: &Features) {
    if let Some(kvm) = &features.kvm {
        if kvm.hidden == Some(OnOff::On) {
            argument.add("kvm", "off");
        }
        on(argument, "kvm-hint-dedicated", kvm.hint_dedicated);
        on(argument, "kvm-poll-control", kvm.poll_control);
        if kvm.pv_ipi == Some(OnOff::Off) {
            argument.add("kvm-pv-ipi", "off");
        }
    }
    argument.switch("pmu", features.pmu);
}

/// What hypervisors of any kind offer to the guest.
fn offered(argument: &mut Argument, features: &Features) {
    argument.switch("kvm-pv-eoi", features.apic.as_ref().and_then(|apic| apic.eoi));
    argument.switch("kvm-pv-unhalt", features.pvspinlock);
    match &features.hyperv {
        Some(Hyperv::Passthrough) => {
            argument.add("hv-passthrough", "on");
        }
        Some(Hyperv::Custom(enlightenments)) => hyperv(argument, enlightenments),
        None => {}
    }
}

/// Hyper-V's features that are on, in libvirt's order.
fn hyperv(argument: &mut Argument, hyperv: &Enlightenments) {
    on(argument, "hv-relaxed", hyperv.relaxed);
    on(argument, "hv-vapic", hyperv.vapic);
    let retries = hyperv.spinlocks.as_ref().and_then(|spinlocks| spinlocks.retries);
    argument.maybe("hv-spinlocks", retries.map(|retries| format!("{retries:#x}")));
    on(argument, "hv-vpindex", hyperv.vpindex);
    on(argument, "hv-runtime", hyperv.runtime);
    on(argument, "hv-synic", hyperv.synic);
    if let Some(stimer) = &hyperv.stimer {
        on(argument, "hv-stimer", Some(stimer.state));
        on(argument, "hv-stimer-direct", stimer.direct);
    }
    on(argument, "hv-reset", hyperv.reset);
    let vendor = hyperv.vendor_id.as_ref().and_then(|vendor| vendor.value.as_ref());
    argument.maybe("hv-vendor-id", vendor);
    on(argument, "hv-frequencies", hyperv.frequencies);
    on(argument, "hv-reenlightenment", hyperv.reenlightenment);
    if let Some(tlbflush) = &hyperv.tlbflush {
        on(argument, "hv-tlbflush", Some(tlbflush.state));
        on(argument, "hv-tlbflush-direct", tlbflush.direct);
        on(argument, "hv-tlbflush-ext", tlbflush.extended);
    }
    on(argument, "hv-ipi", hyperv.ipi);
    on(argument, "hv-evmcs", hyperv.evmcs);
    on(argument, "hv-avic", hyperv.avic);
    on(argument, "hv-emsr-bitmap", hyperv.emsr_bitmap);
    on(argument, "hv-xmm-input", hyperv.xmm_input);
}

/// Says what is on; what is off is left to the model.
fn on(argument: &mut Argument, name: &str, state: Option<OnOff>) {
    if state == Some(OnOff::On) {
        argument.add(name, "on");
    }
}

/// What the guest learns about the caches.
fn caches(argument: &mut Argument, cpu: &Cpu) {
    let Some(Cache { mode, .. }) = cpu.cache else { return };
    let of_host = matches!(cpu.mode, CpuMode::HostPassthrough | CpuMode::Maximum);
    match mode {
        CacheMode::Emulate => {
            argument.add("l3-cache", "on");
            if of_host {
                argument.add("host-cache-info", "off");
            }
        }
        CacheMode::Passthrough => {
            argument.add("host-cache-info", "on").add("l3-cache", "off");
        }
        CacheMode::Disable => {
            if of_host {
                argument.add("host-cache-info", "off");
            }
            argument.add("l3-cache", "off");
        }
    }
}

fn address_bits(argument: &mut Argument, cpu: &Cpu) {
    let Some(bits) = &cpu.max_phys_addr else { return };
    match (bits.mode, bits.bits) {
        (AddressBitsMode::Passthrough, _) => {
            argument.add("host-phys-bits", "on").maybe("host-phys-bits-limit", bits.limit);
        }
        (AddressBitsMode::Emulate, Some(bits)) => {
            argument.add("phys-bits", bits);
        }
        (AddressBitsMode::Emulate, None) => {
            argument.add("host-phys-bits", "off");
        }
    }
}

/// `-smp`.
///
/// libvirt: `qemuBuildSmpCommandLine`.
pub(super) fn count(builder: &mut Builder<'_>) {
    let domain = builder.domain;
    let maximum = domain.vcpu.as_ref().map_or(1, |vcpu| vcpu.maximum);
    let cold = cold_processors(domain);
    let mut value = cold.to_string();
    let mut add = |name: &str, number: u32| {
        write!(value, ",{name}={number}").expect("a String takes everything");
    };
    if cold != maximum {
        add("maxcpus", maximum);
    }
    match domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref()) {
        Some(topology) => {
            add("sockets", topology.sockets);
            add("dies", topology.dies);
            add("clusters", topology.clusters);
            add("cores", topology.cores);
            add("threads", topology.threads);
        }
        None => {
            add("sockets", maximum);
            add("cores", 1);
            add("threads", 1);
        }
    }
    builder.argument("smp", value);
}

/// How many processors are there when the machine is made. Those that are there from the start and
/// can be taken away are added later.
fn cold_processors(domain: &Domain) -> u32 {
    let online = domain.vcpu.as_ref().map_or(1, conf::vcpu::Vcpu::online);
    match &domain.vcpus {
        Some(list) => {
            let fixed = list
                .vcpus
                .iter()
                .filter(|vcpu| vcpu.enabled == YesNo::Yes && vcpu.hotpluggable != Some(YesNo::Yes));
            fixed.count() as u32
        }
        None => online,
    }
}
