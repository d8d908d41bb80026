//! Changing a device that is there: the medium of a drive, the link of an interface.

use conf::Domain;
use conf::address::Address;
use conf::device::interface::LinkState;
use conf::device::{DeviceId, DeviceKind, Devices, Disk, Interface};
use serde_json::json;
use xml::{Origin, Part, Problem};

use super::find::{NotFound, find, worded};
use super::{Change, Medium, Step};
use crate::alias::{self, Aliases};
use crate::answers::{Answers, Question};
use crate::capabilities::Capabilities;
use crate::complete::{CompleteDomain, Completion, Mode, complete};
use crate::host::Host;
use crate::plan::{Inventory, Options, device_questions, medium};

/// What changes of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The medium of a drive.
    Medium,
    /// Whether an interface has a link.
    Link(Option<LinkState>),
    /// Nothing.
    Nothing,
}

/// A device that is about to be changed: the document says how it will be, and nothing has been
/// planned.
#[derive(Clone, Debug)]
pub struct Updating {
    before: Domain,
    domain: CompleteDomain,
    id: DeviceId,
    what: What,
    /// Warnings about the device.
    pub problems: Vec<Problem>,
}

impl Updating {
    /// Compares a device with the one of the same name that a running guest has. `live`: the guest's
    /// live document; `device`: the device as it is to be.
    ///
    /// libvirt: `qemuDomainUpdateDeviceLive`.
    ///
    /// # Errors
    /// What cannot be changed while the guest runs.
    pub fn new(
        live: &Domain,
        device: &Devices,
        capabilities: &Capabilities,
        host: &Host,
    ) -> Result<Self, Vec<Problem>> {
        let before = alias::of_running(live);
        let (domain, id) = merged(&before, device)?;
        let what = what(&before, &domain, id)?;
        let Completion { domain, problems, .. } =
            complete(domain, capabilities, host, Mode::Reload)?;
        Ok(Self { before, domain, id, what, problems })
    }

    /// What must be looked at before the change can be made.
    pub fn questions(&self, host: &Host, answers: &Answers) -> Vec<Question> {
        device_questions(&self.domain, &[self.id].into(), host, answers)
    }

    /// What is done to change it. `force`: a tray opens also if the guest has locked it.
    ///
    /// # Errors
    /// Every reason why it cannot be changed.
    pub fn change(
        &self,
        inventory: &Inventory,
        capabilities: &Capabilities,
        world: (&Host, &Answers, &Options),
        force: bool,
    ) -> Result<Change, Vec<Problem>> {
        let alias = Aliases::assign(&self.before).get(self.id.kind, self.id.pos).to_owned();
        let named = self.domain.devices.get(self.id).map(worded).unwrap_or_default();
        let mut change = Change {
            purpose: format!("update {named}"),
            revision: inventory.revision,
            document: conf::print(&alias::of_running(&self.domain)),
            ..Change::default()
        };
        match self.what {
            What::Nothing => {}
            What::Link(link) => {
                let up = link != Some(LinkState::Down);
                let set = |up: bool| ("set_link", json!({"name": alias, "up": up}));
                change.steps.push(Step::with_undo(set(up), Some(set(!up)), &named));
            }
            What::Medium => {
                let (plan, node) =
                    medium(&self.domain, self.id.pos, inventory, capabilities, world)?;
                let Change { fds, helpers, secrets, steps, notes, not_examined, .. } =
                    Change::of_plan(plan);
                change = Change { fds, helpers, secrets, steps, notes, not_examined, ..change };
                let old = inventory.drive(&alias);
                change.steps.extend(tray(&alias, old, node.as_deref(), force, &named));
                change.afterwards = old.map(|old| inventory.below_node(old)).unwrap_or_default();
                change.medium = Some(Medium { device: alias, node });
            }
        }
        Ok(change)
    }
}

/// Opens the tray, changes what is in it, and closes it.
///
/// libvirt: `qemuDomainChangeMediaBlockdev`.
fn tray(id: &str, old: Option<&str>, new: Option<&str>, force: bool, named: &str) -> Vec<Step> {
    let open = ("blockdev-open-tray", json!({"id": id, "force": force}));
    let close = ("blockdev-close-tray", json!({"id": id}));
    let remove = ("blockdev-remove-medium", json!({"id": id}));
    let insert = |node: &str| ("blockdev-insert-medium", json!({"id": id, "node-name": node}));
    let mut steps = vec![Step::with_undo(open.clone(), Some(close.clone()), named)];
    if let Some(old) = old {
        steps.push(Step::with_undo(remove.clone(), Some(insert(old)), named));
    }
    if let Some(new) = new {
        steps.push(Step::with_undo(insert(new), Some(remove), named));
    }
    steps.push(Step::with_undo(close, Some(open), named));
    steps
}

/// A document in which a device is as `device` says; what that says nothing about, such as its
/// address, stays.
///
/// # Errors
/// There is no such device, or nothing of its kind can be changed.
pub fn merged(domain: &Domain, device: &Devices) -> Result<(Domain, DeviceId), Vec<Problem>> {
    let origin = device.iter().next().map(|(_, device)| device.origin()).unwrap_or_default();
    let refuse = |message: String| vec![Problem::error(origin, Part::Name, message)];
    let id = find(domain, &by_name(device)).map_err(|why: NotFound| refuse(why.to_string()))?;
    let mut domain = domain.clone();
    let devices = &mut domain.devices;
    match (device.disks.first(), device.interfaces.first()) {
        (Some(disk), _) => with_image_of(&mut devices.disks[id.pos], disk),
        (_, Some(interface)) => {
            let old = &devices.interfaces[id.pos];
            let mut new = Interface { info: old.info.clone(), ..interface.clone() };
            new.mac = new.mac.or_else(|| old.mac.clone());
            devices.interfaces[id.pos] = new;
        }
        _ => return Err(refuse(format!("nothing of a {} can be changed", id.kind))),
    }
    Ok((domain, id))
}

/// The device by what names it, so that the rest may differ.
fn by_name(device: &Devices) -> Devices {
    let mut named = device.clone();
    for interface in &mut named.interfaces {
        // A path in the guest or an address of the document is no other device.
        interface.info.address.take_if(|address| !matches!(address, Address::Pci(_)));
    }
    named
}

/// Puts the image of a disk into another one.
///
/// libvirt: `qemuDomainChangeEjectableMedia`.
fn with_image_of(disk: &mut Disk, new: &Disk) {
    disk.origin = new.origin;
    disk.source.clone_from(&new.source);
    disk.backing_store.clone_from(&new.backing_store);
    disk.driver.format = new.driver.format;
    disk.auth.clone_from(&new.auth);
    disk.encryption.clone_from(&new.encryption);
}

/// What is different, if that can be changed.
fn what(before: &Domain, after: &Domain, id: DeviceId) -> Result<What, Vec<Problem>> {
    match id.kind {
        DeviceKind::Disk => {
            let (old, new) = (&before.devices.disks[id.pos], &after.devices.disks[id.pos]);
            if old == new {
                return Ok(What::Nothing);
            }
            if old.is_removable() {
                return Ok(What::Medium);
            }
            let message = format!("disk {}: only a CD-ROM or floppy can be changed", old.name());
            let problem = Problem::error(new.origin, Part::Name, message);
            Err(vec![problem.help("detach the disk, and attach the other one")])
        }
        _ => {
            let (old, new) =
                (&before.devices.interfaces[id.pos], &after.devices.interfaces[id.pos]);
            let same = Interface { link: old.link, ..new.clone() };
            match () {
                () if old == new => Ok(What::Nothing),
                () if *old == same => Ok(What::Link(new.link)),
                () => {
                    let message = "of an interface only the <link> can be changed";
                    let problem = Problem::error(place(new), Part::Name, message);
                    Err(vec![problem.help("detach the interface, and attach the other one")])
                }
            }
        }
    }
}

fn place(interface: &Interface) -> Origin {
    interface.origin
}
