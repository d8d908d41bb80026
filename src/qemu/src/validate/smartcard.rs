//! Smartcards.
//!
//! libvirt: `virDomainSmartcardDefValidate`, `qemuValidateDomainSmartcardDef`.

use conf::address::Address;
use xml::Part;

use super::{Check, Rule, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("smartcard-is-in-a-reader", "a card has its place in a reader", place),
    Rule::new("one-smartcard", "QEMU's reader has one slot, and there is one reader", one),
];

fn place(check: &mut Check<'_>) {
    for card in &check.domain.devices.smartcards {
        if !matches!(card.info.address, None | Some(Address::Ccid(_))) {
            let message = "a smartcard has no such <address>";
            let help = "write <address type='ccid' controller='0' slot='0'/>, or leave it out";
            check.refuse(card.origin, within("address@type"), message, help);
        }
    }
}

fn one(check: &mut Check<'_>) {
    for (at, card) in check.domain.devices.smartcards.iter().enumerate() {
        let is_first = match &card.info.address {
            Some(Address::Ccid(ccid)) => (ccid.controller, ccid.slot) == (0, 0),
            _ => at == 0,
        };
        if !is_first {
            let message = "there is one smartcard reader, with one slot";
            check.refuse(card.origin, Part::Name, message, "leave out all smartcards but one");
        }
    }
}
