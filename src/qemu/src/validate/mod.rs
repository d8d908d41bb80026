//! Validation: what libvirt's QEMU driver refuses although it can be read and completed.
//!
//! Each rule has a name and a reason. All of them are looked at, and every problem is reported.
//! libvirt stops at the first one; the order of the stages and of the rules is libvirt's.
//!
//! libvirt: `qemuValidateDomainDef` and `qemuValidateDomainDeviceDef` in
//! `src/qemu/qemu_validate.c`, `virDomainDefValidate` in `src/conf/domain_validate.c`.

mod chardev;
mod clock;
mod controller;
mod cpu;
mod cputune;
mod crypto;
mod device_info;
mod disk;
mod disk_list;
mod disk_source;
mod disk_vhost;
mod emulator;
mod features;
mod filesystem;
mod firmware;
mod graphics;
mod hostdev;
mod input;
mod interface;
mod iommu;
mod iothreads;
mod launch_security;
mod memballoon;
mod memory;
mod memory_device;
mod numa;
mod os;
mod panic;
mod shmem;
mod smartcard;
mod sound;
mod start;
mod sysinfo;
mod tpm;
mod usb;
mod vcpu;
mod video;
mod vsock;
mod watchdog;

use conf::Domain;
use conf::device::virtio::VirtioOptions;
use xml::{Origin, Part, Problem};

use crate::capabilities::Capabilities;
use crate::host::Host;
use crate::machine::Family;

pub(crate) use firmware::problems as firmware_problems;
pub(crate) use memory::is_shared as has_shared_memory;
pub use start::{RULES as START_RULES, plan_problems, start_problems};

/// What rules look at, and where they put what they find.
#[derive(Debug)]
pub(crate) struct Check<'a> {
    /// The domain.
    domain: &'a Domain,
    /// What QEMU can do.
    capabilities: &'a Capabilities,
    /// The machine.
    host: &'a Host,
    /// The family of the domain's machine.
    family: Family,
    problems: Vec<Problem>,
}

impl Check<'_> {
    /// Refuses `part` of the element at `origin`, and says what to do instead.
    fn refuse(
        &mut self,
        origin: Origin,
        part: Part,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(Problem::error(origin, part, message).help(help));
    }

    /// Refuses the value of an attribute, and says what it may be.
    fn refuse_value(
        &mut self,
        origin: Origin,
        name: &str,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.problems.push(Problem::error(origin, attribute(name), message).expected(expected));
    }

    /// Refuses virtio's options at a device of another kind.
    ///
    /// libvirt: `virDomainCheckVirtioOptionsAreAbsent`.
    fn refuse_virtio_options(&mut self, origin: Origin, options: &VirtioOptions, what: &str) {
        let given = [
            ("iommu", options.iommu),
            ("ats", options.ats),
            ("packed", options.packed),
            ("page_per_vq", options.page_per_vq),
        ];
        for (name, _) in given.into_iter().filter(|(_, value)| value.is_some()) {
            let message = format!("only a virtio {what} has '{name}'");
            self.refuse(origin, attribute(name), message, "leave it out");
        }
    }

    /// Refuses what this QEMU has not, which is told by a type that is missing.
    fn need_type(&mut self, name: &str, origin: Origin, what: &str) {
        if !self.capabilities.has(name) {
            let message = format!("this QEMU has no {what} ('{name}')");
            self.refuse(origin, Part::Name, message, "leave it out, or use another QEMU");
        }
    }
}

/// The value of an attribute.
fn attribute(name: &str) -> Part {
    Part::Attribute(name.to_owned())
}

/// Something in an element; see [`Part::Within`].
fn within(path: impl Into<String>) -> Part {
    Part::Within(path.into())
}

/// A rule that every domain must keep.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// Why there is such a rule.
    pub reason: &'static str,
    check: fn(&mut Check<'_>),
}

impl Rule {
    const fn new(name: &'static str, reason: &'static str, check: fn(&mut Check<'_>)) -> Self {
        Self { name, reason, check }
    }
}

/// A stage of validation: the rules of one file after the other.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// What its rules look at.
    pub name: &'static str,
    /// The rules.
    pub rules: &'static [&'static [Rule]],
}

/// The stages of validation with their rules, in order.
pub const STAGES: &[Stage] = &[
    Stage {
        name: "the whole domain, for QEMU",
        rules: &[
            emulator::RULES,
            os::QEMU_RULES,
            cpu::RULES,
            memory::QEMU_RULES,
            clock::RULES,
            vcpu::RULES,
            features::RULES,
            sysinfo::RULES,
            panic::RULES,
            tpm::RULES,
            watchdog::LIST_RULES,
            launch_security::RULES,
            crypto::RULES,
        ],
    },
    Stage {
        name: "each device",
        rules: &[
            device_info::RULES,
            disk::RULES,
            disk_source::RULES,
            disk_vhost::RULES,
            interface::RULES,
            sound::RULES,
            hostdev::RULES,
            video::RULES,
            controller::RULES,
            usb::RULES,
            chardev::RULES,
            smartcard::RULES,
            input::RULES,
            filesystem::RULES,
            watchdog::RULES,
            memballoon::RULES,
            shmem::RULES,
            memory_device::RULES,
            iommu::RULES,
            vsock::RULES,
            graphics::RULES,
        ],
    },
    Stage {
        name: "the whole domain",
        rules: &[
            disk_list::RULES,
            hostdev::LIST_RULES,
            device_info::LIST_RULES,
            memory::RULES,
            firmware::RULES,
            cputune::RULES,
            os::RULES,
            video::LIST_RULES,
            numa::RULES,
            iothreads::RULES,
        ],
    },
];

/// Looks at all rules.
pub fn validate(domain: &Domain, capabilities: &Capabilities, host: &Host) -> Vec<Problem> {
    STAGES.iter().flat_map(|stage| run(stage.rules, domain, capabilities, host)).collect()
}

fn run(
    rules: &[&[Rule]],
    domain: &Domain,
    capabilities: &Capabilities,
    host: &Host,
) -> Vec<Problem> {
    let family = Family::of(domain);
    let mut check = Check { domain, capabilities, host, family, problems: Vec::new() };
    for rule in rules.iter().flat_map(|rules| *rules) {
        (rule.check)(&mut check);
    }
    check.problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_a_reason() {
        let mut names = BTreeSet::new();
        let stages = STAGES.iter().flat_map(|stage| stage.rules).flat_map(|rules| *rules);
        for rule in stages.chain(START_RULES) {
            assert!(names.insert(rule.name), "{} twice", rule.name);
            assert!(!rule.reason.is_empty() && !rule.reason.ends_with('.'), "{}", rule.name);
            assert!(
                rule.name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit()),
                "{}",
                rule.name
            );
        }
    }
}
