//! Devices by which the guest says that it panicked.
//!
//! libvirt: `virDomainDefRejectDuplicatePanics`, `qemuValidateDomainDefPanic`.

use conf::address::Address;
use conf::device::Panic;
use conf::device::panic::PanicModel;
use xml::Part;

use super::{Check, Rule, attribute};

pub(super) const RULES: &[Rule] = &[
    Rule::new("panic-once-of-each-model", "a machine has one of each", once),
    Rule::new("panic-is-of-x86", "each model has its place on its own architecture", each),
];

fn once(check: &mut Check<'_>) {
    let panics = &check.domain.devices.panics;
    for (at, panic) in panics.iter().enumerate() {
        if panics[..at].iter().any(|other| other.model == panic.model) {
            let model = panic.model.unwrap_or_default();
            let message = format!("there is another panic device of model '{model}'");
            check.refuse(panic.origin, attribute("model"), message, "leave one of them out");
        }
    }
}

fn each(check: &mut Check<'_>) {
    for panic in &check.domain.devices.panics {
        let Panic { origin, model, info } = panic;
        let address = info.address.as_ref();
        match model {
            Some(PanicModel::Isa) => {
                check.need_type("pvpanic", *origin, "panic device of the ISA bus");
                if !matches!(address, None | Some(Address::Isa(_))) {
                    let message = "a panic device of model 'isa' has an address of type 'isa'";
                    check.refuse(*origin, Part::Name, message, "leave out <address>");
                }
            }
            Some(PanicModel::Pvpanic) => {
                check.need_type("pvpanic-pci", *origin, "panic device of the PCI bus");
                if !matches!(address, None | Some(Address::Pci(_))) {
                    let message = "a panic device of model 'pvpanic' has an address of type 'pci'";
                    check.refuse(*origin, Part::Name, message, "leave out <address>");
                }
            }
            Some(PanicModel::Hyperv) if address.is_some() => {
                let message = "a panic device of model 'hyperv' is in the CPU and has no address";
                check.refuse(*origin, Part::Name, message, "leave out <address>");
            }
            Some(model @ (PanicModel::S390 | PanicModel::Pseries)) => {
                let message = format!("guests of x86 have no panic device of model '{model}'");
                check.refuse(*origin, attribute("model"), message, "write model='isa'");
            }
            _ => {}
        }
    }
}
