//! Changing a device that is there: the medium of a drive, the limits of a disk, the link of an interface,
//! the password of a display, the size of a virtio-mem device.

mod display;

use conf::Domain;
use conf::address::Address;
use conf::device::interface::LinkState;
use conf::device::memory_device::MemoryModel;
use conf::device::{Device, DeviceId, DeviceKind, Devices, Disk, Interface, MemoryDevice};
use serde_json::json;
use xml::{Origin, Part, Problem};

use super::find::{NotFound, find, worded};
use super::memory::{self, Requested};
use super::{Change, Medium, Step, limits, refusal};
use crate::alias::{self, Aliases};
use crate::answers::{Answers, Question};
use crate::capabilities::Capabilities;
use crate::complete::{CompleteDomain, Completion, Mode, complete};
use crate::host::Host;
use crate::plan::{Inventory, Options, device_questions, medium};

/// What to do about a disk that cannot be changed.
const ATTACH_ANEW: &str = "detach the disk, and attach the other one";
/// What can be changed.
const WHAT_CAN: &str = "what can be changed: the medium of a drive and the limits of a disk, the <link> of \
                        an interface, the password of a display, the <requested> size of virtio-mem";

/// What changes of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The medium of a drive.
    Medium,
    /// The limits of a disk.
    Limits,
    /// Whether an interface has a link.
    Link(Option<LinkState>),
    /// The password of a display.
    Password,
    /// How large the guest is asked to let a virtio-mem device be.
    Size,
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
        let (before, after) = (&self.before.devices, &self.domain.devices);
        match self.what {
            What::Nothing => {}
            What::Limits => {
                change.steps.push(limits::limit(&self.before, &self.domain, self.id.pos)?);
            }
            What::Size => {
                change.steps.push(memory::request(&self.before, &self.domain, self.id.pos));
            }
            What::Password => {
                let (old, new) = (&before.graphics[self.id.pos], &after.graphics[self.id.pos]);
                change.steps = display::steps(old, new, &world.0.settings);
            }
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
    let mut changed = domain.clone();
    if let Some(display) = device.graphics.first() {
        let pos = display::find(&domain.devices, display)
            .ok_or_else(|| refuse(format!("the guest has no {} display", display.kind.word())))?;
        let old = &mut changed.devices.graphics[pos];
        *old = display::merged(old, display).map_err(refuse)?;
        return Ok((changed, DeviceId { kind: DeviceKind::Graphics, pos }));
    }
    if let Some(memory) = device.memories.first() {
        let (changed, pos) = resized(domain, memory).map_err(|mut problems| {
            problems.iter_mut().for_each(|problem| problem.origin = origin);
            problems
        })?;
        return Ok((changed, DeviceId { kind: DeviceKind::MemoryDevice, pos }));
    }
    let id = find(domain, &by_name(device)).map_err(|why: NotFound| refuse(why.to_string()))?;
    let devices = &mut changed.devices;
    match (device.disks.first(), device.interfaces.first()) {
        (Some(disk), _) => {
            let old = &mut devices.disks[id.pos];
            if !says_nothing_else(old, disk) {
                let name = old.name();
                let message = format!("disk {name}: only its medium and its limits can be changed");
                return Err(vec![Problem::error(origin, Part::Name, message).help(ATTACH_ANEW)]);
            }
            with_image_of(old, disk);
            old.iotune = disk.iotune.clone().or(old.iotune.take());
        }
        (_, Some(interface)) => {
            let old = &devices.interfaces[id.pos];
            let mut new = Interface { info: old.info.clone(), ..interface.clone() };
            new.mac = new.mac.or_else(|| old.mac.clone());
            devices.interfaces[id.pos] = new;
        }
        _ => {
            let mut problems = refuse(format!("nothing of a {} can be changed", id.kind));
            problems[0].help = Some(WHAT_CAN.to_owned());
            return Err(problems);
        }
    }
    Ok((changed, id))
}

/// Whether all is so already that the document of a disk says, but for its image and its limits.
///
/// libvirt: `qemuDomainDiskChangeSupported`.
fn says_nothing_else(old: &Disk, new: &Disk) -> bool {
    let mut rest = new.clone();
    with_image_of(&mut rest, old);
    rest.iotune.clone_from(&old.iotune);
    xml::says_all_of(&Device::Disk(old).to_xml(), &Device::Disk(&rest).to_xml())
}

/// A document in which the guest is asked to let a virtio-mem device have the size that its document says.
///
/// libvirt: `qemuDomainChangeMemoryLiveValidateChange`.
fn resized(domain: &Domain, new: &MemoryDevice) -> Result<(Domain, usize), Vec<Problem>> {
    let refuse = |message: &str| Err(vec![refusal(message)]);
    let MemoryModel::VirtioMem(wanted) = &new.model else {
        return refuse("only of virtio-mem devices something can be changed: the <requested> size");
    };
    let requested = Requested {
        alias: new.info.alias.as_ref().map(|alias| alias.as_str().to_owned()),
        node: wanted.target.node,
        size: wanted.target.requested,
    };
    let (changed, pos) = requested.set(domain)?;
    let MemoryModel::VirtioMem(there) = &domain.devices.memories[pos].model else {
        return refuse("the guest has no such virtio-mem device");
    };
    let (wanted, there) = (&wanted.target, &there.target);
    if wanted.size != there.size || wanted.block != there.block {
        return refuse("of a virtio-mem device only the <requested> size can be changed");
    }
    Ok((changed, pos))
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
            let other_limits = old.iotune != new.iotune;
            let other_medium = *old != Disk { iotune: old.iotune.clone(), ..new.clone() };
            let name = old.name();
            let refuse = |message: String, help: &str| {
                Err(vec![Problem::error(new.origin, Part::Name, message).help(help)])
            };
            match (other_medium, other_limits) {
                (false, false) => Ok(What::Nothing),
                (false, true) => Ok(What::Limits),
                (true, _) if !old.is_removable() => {
                    let message = format!("disk {name}: only a CD-ROM or floppy can be changed");
                    refuse(message, ATTACH_ANEW)
                }
                (true, true) => {
                    let message = format!("disk {name}: its medium and its limits both change");
                    refuse(message, "change one, and then the other")
                }
                (true, false) => Ok(What::Medium),
            }
        }
        DeviceKind::Graphics => Ok(What::Password),
        DeviceKind::MemoryDevice => Ok(What::Size),
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
