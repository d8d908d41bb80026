//! Adding a device.

use std::collections::BTreeSet;

use conf::Domain;
use conf::device::controller::{Controller, ControllerKind, PciModel, Scsi, ScsiModel};
use conf::device::disk::Bus;
use conf::device::{Device, DeviceId, DeviceKind, Devices};
use xml::{Origin, Part, Problem};

use super::find::worded;
use super::{Change, list};
use crate::alias;
use crate::answers::{Answers, Question};
use crate::capabilities::Capabilities;
use crate::complete::{CompleteDomain, Completion, Mode, complete};
use crate::host::Host;
use crate::machine::Family;
use crate::plan::{Inventory, Options, Wanted, additions, device_questions};
use crate::prepare::prepared;

/// The kinds of devices that libvirt adds to a guest that runs.
///
/// libvirt: `qemuDomainAttachDeviceLive`.
pub(super) const CHANGEABLE: &[DeviceKind] = &[
    DeviceKind::Disk,
    DeviceKind::Controller,
    DeviceKind::Interface,
    DeviceKind::Hostdev,
    DeviceKind::Redirdev,
    DeviceKind::Serial,
    DeviceKind::Parallel,
    DeviceKind::Channel,
    DeviceKind::Console,
    DeviceKind::Rng,
    DeviceKind::MemoryDevice,
    DeviceKind::Shmem,
    DeviceKind::Watchdog,
    DeviceKind::Input,
    DeviceKind::Vsock,
    DeviceKind::Filesystem,
];

/// A device that is about to be added: it has its place and its name, and nothing has been planned.
#[derive(Clone, Debug)]
pub struct Attaching {
    /// The guest with the device.
    domain: CompleteDomain,
    /// The same with what a start fills in.
    prepared: Domain,
    /// The device, and the controllers that come with it.
    new: BTreeSet<DeviceId>,
    /// What it is, in the user's words.
    what: String,
    /// Warnings about the device.
    pub problems: Vec<Problem>,
    /// What had to be made up, in words for the user.
    pub made: Vec<String>,
}

impl Attaching {
    /// Gives a device its place among the devices of a running guest. `live`: the guest's live
    /// document, read by `conf::parse_live`; `device`: the device, read by `conf::parse_device`.
    ///
    /// # Errors
    /// Everything that is wrong with the device, or why the guest has no place for it.
    pub fn new(
        live: &Domain,
        device: &Devices,
        capabilities: &Capabilities,
        host: &Host,
    ) -> Result<Self, Vec<Problem>> {
        let (kind, origin) = only(device)?;
        refuse_kind(kind, device, origin)?;
        // A document does not say the names of all devices that have one.
        let mut domain = alias::of_running(live);
        list::add(&mut domain, device.clone()).map_err(|kind| {
            let message = format!("the guest has a {kind} already, and can have only one");
            vec![Problem::error(origin, Part::Name, message)]
        })?;
        scsi_controller(&mut domain);
        let completion = complete(domain, capabilities, host, Mode::Reload)?;
        let Completion { domain, problems, made } = completion;
        let is_new = |(id, device): (DeviceId, Device<'_>)| {
            device.info().is_none_or(|info| info.alias.is_none()).then_some(id)
        };
        // Of a user's alias the live document has no other.
        let given = |id: &DeviceId| id.kind == kind && is_same_place(&domain, *id, origin);
        let mut new: BTreeSet<DeviceId> = domain.devices.iter().filter_map(is_new).collect();
        new.retain(|id| domain.devices.get(*id).is_some_and(|device| device.info().is_some()));
        new.extend(domain.devices.iter().map(|(id, _)| id).filter(given));
        refuse_more(&domain, &new, origin)?;
        let what = new
            .iter()
            .find(|id| id.kind == kind)
            .and_then(|id| domain.devices.get(*id))
            .map_or_else(|| kind.to_string(), worded);
        let mut prepared = prepared(&domain, capabilities, host)?;
        // The order of boot devices was settled at the start; only <boot order> has a say now.
        prepared.os.boot_devices.clear();
        Ok(Self { domain, prepared, new, what, problems, made })
    }

    /// What must be looked at before the change can be made, as far as the answers so far tell.
    pub fn questions(&self, host: &Host, answers: &Answers) -> Vec<Question> {
        device_questions(&self.prepared, &self.new, host, answers)
    }

    /// The device as it will be in the live document, with what was left open filled in.
    pub fn devices(&self) -> impl Iterator<Item = Device<'_>> {
        self.new.iter().filter_map(|id| self.domain.devices.get(*id))
    }

    /// What is done to add it.
    ///
    /// # Errors
    /// Every reason why it cannot be added.
    pub fn change(
        &self,
        inventory: &Inventory,
        capabilities: &Capabilities,
        host: &Host,
        answers: &Answers,
        options: &Options,
    ) -> Result<Change, Vec<Problem>> {
        let wanted = Wanted { devices: &self.new, there: inventory };
        let plan = additions(&self.prepared, wanted, capabilities, host, answers, options)?;
        Ok(Change {
            purpose: format!("attach {}", self.what),
            revision: inventory.revision,
            document: conf::print(&alias::of_running(&self.domain)),
            ..Change::of_plan(plan)
        })
    }
}

/// The controller that comes with the first SCSI disk: libvirt's choice is a conventional PCI device,
/// which a machine of PCI Express has no slot for while it runs.
fn scsi_controller(domain: &mut Domain) {
    let devices = &domain.devices;
    let is_scsi = |controller: &Controller| matches!(controller.kind, ControllerKind::Scsi(_));
    let needs_one = devices.disks.iter().any(|disk| disk.bus() == Some(Bus::Scsi));
    if Family::of(domain) == Family::Q35 && needs_one && !devices.controllers.iter().any(is_scsi) {
        let scsi = Scsi { model: Some(ScsiModel::VirtioScsi) };
        domain.devices.add_missing_controller(ControllerKind::Scsi(scsi), 0, "attach");
    }
}

/// Whether a controller can be added to a running guest, and taken from it when nothing is plugged into it.
///
/// libvirt: `qemuDomainAttachControllerDevice`, `qemuDomainDetachPrepController`.
pub(super) fn may_come_and_go(controller: &Controller) -> bool {
    matches!(controller.kind, ControllerKind::Scsi(_) | ControllerKind::VirtioSerial(_))
}

/// The kind of the one device, and where it stands.
fn only(device: &Devices) -> Result<(DeviceKind, Origin), Vec<Problem>> {
    let consoles = device.consoles.first().map(|console| (DeviceKind::Console, console.origin));
    let found = device.iter().map(|(id, device)| (id.kind, device.origin())).next();
    found.or(consoles).ok_or_else(|| {
        vec![Problem::error(Origin::None, Part::Name, "there is no device in the document")]
    })
}

fn refuse_kind(kind: DeviceKind, device: &Devices, origin: Origin) -> Result<(), Vec<Problem>> {
    if !CHANGEABLE.contains(&kind) {
        let message = format!("a {kind} cannot be added to a running guest");
        let problem = Problem::error(origin, Part::Name, message);
        return Err(vec![problem.help("add it to the stored document (--config)")]);
    }
    if let Some(controller) = device.controllers.first().filter(|it| !may_come_and_go(it)) {
        let kind = controller.kind.word();
        let message = format!("a controller of type '{kind}' cannot be added to a running guest");
        let problem = Problem::error(origin, Part::Name, message);
        return Err(vec![problem.help("only SCSI and virtio-serial controllers can")]);
    }
    if device.filesystems.first().is_some_and(|share| !share.is_virtiofs()) {
        let message = "QEMU cannot add a 9p share to a running guest";
        let problem = Problem::error(origin, Part::Name, message);
        return Err(vec![problem.help(
            "write <driver type='virtiofs'/>, which can be added to a guest with shared memory \
             (<memoryBacking> with <access mode='shared'/>)",
        )]);
    }
    Ok(())
}

/// Whether the device at `id` is the one that was read at `origin`: the live document has no places.
fn is_same_place(domain: &Domain, id: DeviceId, origin: Origin) -> bool {
    domain.devices.get(id).is_some_and(|device| device.origin().is_at(origin))
}

/// A device may bring a SCSI or virtio-serial controller along; what else it needs must be there.
///
/// libvirt: `qemuDomainFindOrCreateSCSIDiskController`,
/// `qemuDomainEnsureVirtioSerialController`, `virDomainPCIAddressEnsureAddr`.
fn refuse_more(
    domain: &Domain,
    new: &BTreeSet<DeviceId>,
    origin: Origin,
) -> Result<(), Vec<Problem>> {
    let is_bridge = |id: &DeviceId| match domain.devices.get(*id) {
        Some(Device::Controller(controller)) => controller.pci().is_some_and(|pci| {
            matches!(pci.model, Some(PciModel::PcieToPciBridge | PciModel::PciBridge))
        }),
        _ => false,
    };
    let needs_bridge = new.iter().any(is_bridge);
    for id in new.iter().filter(|id| !is_same_place(domain, **id, origin)) {
        let problem = match domain.devices.get(*id) {
            Some(Device::Controller(controller)) if may_come_and_go(controller) => continue,
            Some(Device::Controller(controller)) => match &controller.kind {
                ControllerKind::Pci(_) => no_port(origin, needs_bridge),
                ControllerKind::Nvme(_) => no_namespace(origin),
                other => {
                    let what = other.word();
                    let message = format!(
                        "the guest has no place left on its {what} controllers, and QEMU cannot \
                         add another one while it runs"
                    );
                    Problem::error(origin, Part::Name, message)
                }
            },
            // A console that stands for a serial port, or the other way round.
            Some(Device::Console(_) | Device::Serial(_)) => continue,
            Some(device) => {
                let message = format!("the guest would need a {} for it, too", worded(device));
                Problem::error(origin, Part::Name, message)
            }
            None => continue,
        };
        return Err(vec![problem]);
    }
    Ok(())
}

/// `needs_bridge`: a start would have made a bridge for it.
fn no_port(origin: Origin, needs_bridge: bool) -> Problem {
    let message = "no slot is free that the device could be plugged into while the guest runs";
    Problem::error(origin, Part::Name, message).help(match needs_bridge {
        true => {
            "it is a device of conventional PCI: <controller type='pci' \
             model='pcie-to-pci-bridge'/> in the stored document has slots for such at the next start"
        }
        false => {
            "`vdomain define --spare-ports N` adds ports to the stored document for the next start; a \
             disk with bus='scsi' or bus='usb' needs none"
        }
    })
}

/// QEMU makes a namespace only together with its controller, and then not as libvirt does it.
fn no_namespace(origin: Origin) -> Problem {
    let message = "QEMU adds no namespace to an NVMe controller while the guest runs, and a controller \
                   that was added could have none";
    Problem::error(origin, Part::Name, message).help(
        "write bus='virtio', 'scsi' or 'usb'; or add it to the stored document (--config): the next \
         start has it",
    )
}
