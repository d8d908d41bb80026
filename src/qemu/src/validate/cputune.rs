//! Limits of processor time.
//!
//! libvirt: `virDomainDefCputuneValidate`, `qemuValidateDomainDef`.

use conf::DomainType;
use xml::Part;

use super::{Check, Rule};

/// The shortest and the longest period of Linux's control groups, in microseconds.
const PERIOD: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;
/// The smallest and the largest quota, in microseconds.
const QUOTA: std::ops::RangeInclusive<i64> = 1_000..=17_592_186_044_415;

pub(super) const RULES: &[Rule] = &[
    Rule::new("cpu-limits-in-range", "Linux's control groups take no other numbers", limits),
    Rule::new("cachetune-needs-kvm", "libvirt divides caches among KVM's threads", cachetune),
];

fn limits(check: &mut Check<'_>) {
    let Some(tune) = &check.domain.cputune else { return };
    let periods = [
        ("period", tune.period),
        ("global_period", tune.global_period),
        ("emulator_period", tune.emulator_period),
        ("iothread_period", tune.iothread_period),
    ];
    let quotas = [
        ("quota", tune.quota),
        ("global_quota", tune.global_quota),
        ("emulator_quota", tune.emulator_quota),
        ("iothread_quota", tune.iothread_quota),
    ];
    let mut outside: Vec<(&str, String, String)> = Vec::new();
    for (name, period) in periods {
        if let Some(period) = period.filter(|period| !PERIOD.contains(&period.get())) {
            let range = format!("{} to {}", PERIOD.start(), PERIOD.end());
            outside.push((name, period.to_string(), range));
        }
    }
    for (name, quota) in quotas {
        if let Some(quota) = quota.filter(|quota| quota.get() > 0 && !QUOTA.contains(&quota.get()))
        {
            let range = format!("{} to {}, or less than 0", QUOTA.start(), QUOTA.end());
            outside.push((name, quota.to_string(), range));
        }
    }
    for (name, found, range) in outside {
        let message = format!("{found} is not a value of <{name}>");
        check.refuse(tune.origin, Part::Name, message, format!("write a number from {range}"));
    }
}

fn cachetune(check: &mut Check<'_>) {
    let Some(tune) = &check.domain.cputune else { return };
    let uses_it = !tune.cache_tunes.is_empty() || !tune.memory_tunes.is_empty();
    if uses_it && check.domain.kind != DomainType::Kvm {
        let message = "<cachetune> and <memorytune> need type='kvm'";
        check.refuse(tune.origin, Part::Name, message, "leave them out");
    }
}
