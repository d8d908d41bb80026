//! Watchdogs.
//!
//! libvirt: `qemuValidateDomainDefWatchdogs`, `qemuValidateDomainWatchdogDef`.

use conf::address::Address;
use conf::device::watchdog::WatchdogModel;
use xml::Part;

use super::{Check, Rule, attribute};
use crate::machine::Family;

pub(super) const LIST_RULES: &[Rule] =
    &[Rule::new("watchdog-once-of-each-model", "only PCI has room for several", once)];

pub(super) const RULES: &[Rule] = &[
    Rule::new("watchdogs-act-alike", "QEMU has one action for all of them", action),
    Rule::new("watchdog-fits-machine", "each model has its place in a machine", place),
];

fn once(check: &mut Check<'_>) {
    let watchdogs = &check.domain.devices.watchdogs;
    for (at, watchdog) in watchdogs.iter().enumerate() {
        let is_twin = watchdogs[..at].iter().any(|other| other.model == watchdog.model);
        if is_twin && watchdog.model != WatchdogModel::I6300esb {
            let message = format!("there is another watchdog of model '{}'", watchdog.model);
            check.refuse(watchdog.origin, attribute("model"), message, "leave one of them out");
        }
    }
}

fn action(check: &mut Check<'_>) {
    let Some(first) = check.domain.devices.watchdogs.first() else { return };
    for watchdog in &check.domain.devices.watchdogs {
        if watchdog.action != first.action {
            let message = format!(
                "this watchdog does '{}', the first one '{}'",
                watchdog.action, first.action
            );
            check.refuse(watchdog.origin, attribute("action"), message, "write the same in both");
        }
    }
}

fn place(check: &mut Check<'_>) {
    for watchdog in &check.domain.devices.watchdogs {
        let address = watchdog.info.address.as_ref();
        let model = watchdog.model;
        let (fits, is_placed) = match model {
            WatchdogModel::I6300esb => (true, matches!(address, None | Some(Address::Pci(_)))),
            WatchdogModel::Ib700 => (check.family == Family::I440fx, address.is_none()),
            WatchdogModel::Itco => (check.family == Family::Q35, address.is_none()),
            WatchdogModel::Diag288 => (false, true),
        };
        if !fits {
            let machine = check.domain.os.kind.machine.as_deref().unwrap_or_default();
            let message = format!("the machine '{machine}' has no watchdog '{model}'");
            let help = "write model='i6300esb'";
            check.refuse(watchdog.origin, attribute("model"), message, help);
        }
        if !is_placed {
            let message = format!("a watchdog '{model}' has no such <address>");
            check.refuse(watchdog.origin, Part::Name, message, "leave out <address>");
        }
    }
}
