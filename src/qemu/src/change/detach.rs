//! Taking a device away.

use base::PciAddress;
use conf::Domain;
use conf::device::{Device, DeviceId};
use xml::{Origin, Part, Problem};

use super::attach::{CHANGEABLE, may_come_and_go};
use super::find::worded;
use super::{Change, Removal, list, vcpus};
use crate::alias::Aliases;
use crate::plan::{Inventory, why_it_stays};

/// What is done to take a device of a running guest away. `live`: the guest's live document;
/// `origin`: where the device is asked for.
///
/// libvirt: `qemuDomainDetachDeviceLive`.
///
/// # Errors
/// Why it cannot be taken away.
pub fn detach(
    live: &Domain,
    id: DeviceId,
    inventory: &Inventory,
    origin: Origin,
) -> Result<Change, Vec<Problem>> {
    let refuse = |message: String, help: &str| {
        Err(vec![Problem::error(origin, Part::Name, message).help(help)])
    };
    let Some(device) = live.devices.get(id) else {
        return refuse("the guest has no such device".to_owned(), "see `vdomain dumpxml`");
    };
    let what = worded(device);
    let alias = Aliases::assign(live).get(id.kind, id.pos).to_owned();
    let next_start = "take it out of the stored document (--config); the next start lacks it";
    if !CHANGEABLE.contains(&id.kind) {
        let message = format!("{what}: a {} cannot be taken from a running guest", id.kind);
        return refuse(message, next_start);
    }
    if !inventory.has_device(&alias) {
        return refuse(format!("{what}: it is part of the machine"), next_start);
    }
    if let Some(reason) = why_it_stays(live, inventory, &alias) {
        return refuse(format!("{what}: {reason}"), next_start);
    }
    let on_it = inventory.devices_on(&alias);
    if let Device::Controller(controller) = device {
        if !may_come_and_go(controller) {
            let message =
                format!("{what}: only SCSI and virtio-serial controllers can be taken away");
            return refuse(message, next_start);
        }
        if let Some(first) = on_it.first() {
            let message = format!("{what}: '{first}' is plugged into it");
            return refuse(message, "take that away first");
        }
    }
    if let Some(other) = beside(live, id) {
        let message = format!("{what}: it shares its slot with {other}");
        return refuse(message, next_start);
    }
    let mut domain = live.clone();
    list::take(&mut domain, id);
    let all: Vec<&str> =
        on_it.iter().map(String::as_str).chain(std::iter::once(alias.as_str())).collect();
    let behind = inventory.behind(&all);
    Ok(Change {
        purpose: format!("detach {what}"),
        revision: inventory.revision,
        removal: Some(Removal {
            helpers: format!("{alias}-"),
            device: alias,
            purpose: what,
            with: on_it,
            behind,
        }),
        document: conf::print(&domain),
        ..Change::default()
    })
}

/// A live document without the device of this id; `None` if it has none, or is none.
pub fn without(document: &str, device: &str) -> Option<String> {
    super::edited(document, |domain| {
        if let Some(without) = vcpus::without(domain, device) {
            *domain = without;
            return Some(());
        }
        let id = Aliases::assign(domain).find(device)?;
        list::take(domain, id).then_some(())
    })
}

/// Another device in the same slot: they could only go together.
///
/// libvirt: `qemuIsMultiFunctionDevice`.
fn beside(domain: &Domain, id: DeviceId) -> Option<String> {
    let pci = |device: Device<'_>| device.info()?.address.as_ref()?.pci();
    let slot = |at: PciAddress| (at.domain, at.bus, at.slot);
    let here = pci(domain.devices.get(id)?)?;
    domain
        .devices
        .iter()
        .filter(|(other, _)| *other != id)
        .find(|(_, device)| pci(*device).is_some_and(|at| slot(at) == slot(here)))
        .map(|(_, device)| worded(device))
}
