//! What changes in a domain when it is started, before anything is planned: libvirt leaves it open in
//! what it stores.
//!
//! libvirt: `qemuProcessPrepareDomain` in `src/qemu/qemu_process.c`.

use std::collections::BTreeMap;

use base::{NonEmpty, YesNo};
use conf::address::Hex;
use conf::cpu::{Cpu, CpuFeature, CpuMatch, CpuMode, FeaturePolicy};
use conf::device::host_address::{HostAddress, HostPciAddress};
use conf::device::interface::InterfaceKind;
use conf::device::interface::kind::Hostdev;
use conf::{Domain, DomainType};
use xml::{Origin, Part, Problem};

use crate::address;
use crate::capabilities::Capabilities;
use crate::complete::{CompleteDomain, Mode};
use crate::cpu_model;
use crate::host::{Host, HostCpu};

/// The name of this step where it adds something to a domain.
const STEP: &str = "start";

/// The domain as it is started.
///
/// # Errors
/// What there is no place for, and what is not known of the host.
pub(crate) fn prepared(
    domain: &CompleteDomain,
    capabilities: &Capabilities,
    host: &Host,
) -> Result<Domain, Vec<Problem>> {
    let mut domain = Domain::clone(domain);
    host_devices(&mut domain, host);
    let mut problems = Vec::new();
    problems.extend(address::usb::assign(&mut domain, Mode::Define).err());
    problems.extend(processor(&mut domain, capabilities, host).err());
    if problems.is_empty() { Ok(domain) } else { Err(problems) }
}

/// Says all of the processor: which model the host's is, which features it has that are taken if it
/// does, and which ones libvirt leaves out of a model.
///
/// libvirt: `qemuProcessUpdateGuestCPU`, `virCPUx86Update`.
fn processor(domain: &mut Domain, capabilities: &Capabilities, host: &Host) -> Result<(), Problem> {
    let kind = domain.kind;
    let Some(cpu) = &mut domain.cpu else { return Ok(()) };
    if matches!(cpu.mode, CpuMode::HostPassthrough | CpuMode::Maximum) {
        return Ok(());
    }
    let of_host = of_host(kind, capabilities, host);
    let is_taken = cpu.mode == CpuMode::HostModel || cpu.matching == CpuMatch::Minimum;
    match &of_host {
        Some(of_host) if is_taken => take(cpu, of_host),
        None if is_taken => {
            let message = "the host's processor is not known for guests of this type";
            let help = match kind {
                DomainType::Kvm => "see whether QEMU can use KVM here, or name a model",
                _ => "write mode='maximum', or name a model",
            };
            let part = Part::Attribute("mode".to_owned());
            return Err(Problem::error(cpu.origin, part, message).help(help));
        }
        _ => {}
    }
    for feature in &mut cpu.features {
        if let (FeaturePolicy::Optional, Some(of_host)) = (feature.policy, &of_host) {
            feature.policy = if has(of_host, cpu_model::qemu_name(&feature.name)) {
                FeaturePolicy::Require
            } else {
                FeaturePolicy::Disable
            };
        }
    }
    let removed = cpu.model_name().map_or(&[][..], cpu_model::removed);
    for name in removed.iter().filter(|name| !mentions(cpu, name)).collect::<Vec<_>>() {
        cpu.features.push(feature(name, FeaturePolicy::Disable));
    }
    // What QEMU has no name for it does not give to the guest.
    let is_known = |name: &str| {
        capabilities.properties.get("max-x86_64-cpu").is_none_or(|known| known.contains(name))
    };
    cpu.features.retain(|feature| {
        let is_off = matches!(feature.policy, FeaturePolicy::Disable | FeaturePolicy::Forbid);
        !is_off || is_known(cpu_model::qemu_name(&feature.name))
    });
    Ok(())
}

/// The host's processor as guests of a type can have it.
fn of_host(kind: DomainType, capabilities: &Capabilities, host: &Host) -> Option<HostCpu> {
    let (word, processor) = match kind {
        DomainType::Kvm => ("kvm", &capabilities.kvm_processor),
        DomainType::Qemu => ("qemu", &capabilities.tcg_processor),
        _ => return None,
    };
    let said = host.processors.get(word).cloned();
    said.or_else(|| cpu_model::nearest(processor.as_ref()?, capabilities))
}

/// Makes a processor the host's, but for what the document says of features.
fn take(cpu: &mut Cpu, of_host: &HostCpu) {
    let features: BTreeMap<&str, bool> =
        of_host.features.iter().map(|(name, has)| (name.as_str(), *has)).collect();
    let taken: Vec<CpuFeature> = features
        .into_iter()
        .filter(|(name, _)| !mentions(cpu, name))
        .map(|(name, has)| {
            feature(name, if has { FeaturePolicy::Require } else { FeaturePolicy::Disable })
        })
        .collect();
    cpu.mode = CpuMode::Custom;
    cpu.matching = CpuMatch::Exact;
    cpu.model.get_or_insert_default().name = Some(NonEmpty(of_host.model.clone()));
    cpu.features.splice(0..0, taken);
}

fn feature(name: &str, policy: FeaturePolicy) -> CpuFeature {
    CpuFeature { origin: Origin::Step(STEP), policy, name: name.to_owned() }
}

/// Whether the document says something of a feature, which is named in QEMU's words.
fn mentions(cpu: &Cpu, name: &str) -> bool {
    cpu.features.iter().any(|feature| cpu_model::qemu_name(&feature.name) == name)
}

/// Whether a processor has a feature, which is named in QEMU's words.
fn has(of_host: &HostCpu, name: &str) -> bool {
    let of_model = || cpu_model::features(&of_host.model).contains(name);
    of_host.features.get(name).copied().unwrap_or_else(of_model)
}

/// An interface of a network that hands out devices of the host is such a device: the first interface
/// of the network gets the first one.
///
/// libvirt: `networkAllocatePort`, `qemuProcessNetworkPrepareDevices`.
fn host_devices(domain: &mut Domain, host: &Host) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for interface in &mut domain.devices.interfaces {
        let Some(name) = interface.kind.network() else { continue };
        let Some(network) = host.networks.get(name) else { continue };
        let at = taken.entry(name.to_owned()).or_default();
        let Some(address) = network.pci_addresses.get(*at).and_then(|text| pci_address(text))
        else {
            continue;
        };
        *at += 1;
        let address = HostAddress::Pci(address);
        interface.managed = network.managed.then_some(YesNo::Yes);
        interface.kind = InterfaceKind::Hostdev(Hostdev {
            origin: interface.origin,
            address,
            ..Hostdev::default()
        });
    }
}

/// An address as sysfs writes it, such as `0000:06:12.5`.
fn pci_address(text: &str) -> Option<HostPciAddress> {
    let (rest, function) = text.rsplit_once('.')?;
    let mut parts = rest.splitn(3, ':').map(|part| u64::from_str_radix(part, 16).ok());
    let mut next = || parts.next()?;
    Some(HostPciAddress {
        domain: Hex(next()?),
        bus: Hex(next()?),
        slot: Hex(next()?),
        function: Hex(function.parse().ok()?),
        ..HostPciAddress::default()
    })
}
