//! The processor.
//!
//! libvirt: `qemuValidateDomainDefCpu`.

use conf::cpu::{AddressBitsMode, CacheMode, CpuMode};

use super::{Check, Rule, attribute};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "address-bits-from-one-place",
        "a number that is taken from the host is not given",
        address_bits,
    ),
    Rule::new("cache-fits-mode", "QEMU shows caches either as the host's or its own", cache),
    Rule::new("maximum-cpu-is-there", "old QEMUs have no CPU with all features", maximum),
];

fn address_bits(check: &mut Check<'_>) {
    let Some(bits) = check.domain.cpu.as_ref().and_then(|cpu| cpu.max_phys_addr.as_ref()) else {
        return;
    };
    if bits.mode == AddressBitsMode::Passthrough && bits.bits.is_some() {
        check.refuse(
            bits.origin,
            attribute("bits"),
            "the number of address bits is taken from the host, and given too",
            "leave out 'bits', or write mode='emulate'",
        );
    }
}

fn cache(check: &mut Check<'_>) {
    let Some(cpu) = &check.domain.cpu else { return };
    let Some(cache) = &cpu.cache else { return };
    let is_of_host = matches!(cpu.mode, CpuMode::HostPassthrough | CpuMode::Maximum);
    let problem = match cache.mode {
        CacheMode::Emulate if cache.level != Some(3) => {
            Some(("QEMU makes up only a cache of level 3", "write level='3'"))
        }
        CacheMode::Passthrough if !is_of_host => Some((
            "only a processor that is the host's shows the host's caches",
            "write mode='host-passthrough' in <cpu>, or mode='emulate' level='3' here",
        )),
        CacheMode::Passthrough | CacheMode::Disable if cache.level.is_some() => {
            Some(("this mode is for all levels", "leave out 'level'"))
        }
        _ => None,
    };
    if let Some((message, help)) = problem {
        let message = format!("<cache mode='{}'>: {message}", cache.mode);
        check.refuse(cache.origin, attribute("mode"), message, help);
    }
}

fn maximum(check: &mut Check<'_>) {
    if let Some(cpu) = check.domain.cpu.as_ref().filter(|cpu| cpu.mode == CpuMode::Maximum)
        && !check.capabilities.cpu_models.contains("max")
    {
        let message = "this QEMU has no CPU with all features";
        check.refuse(cpu.origin, attribute("mode"), message, "write mode='host-passthrough'");
    }
}
