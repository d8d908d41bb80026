//! The ids of devices: QEMU knows each device by one, and so do events, commands and migration.

use std::collections::BTreeMap;

use conf::Domain;
use conf::address::{Address, Drive};
use conf::device::controller::{Controller, ControllerKind, PciModel, ScsiModel};
use conf::device::disk::Bus;
use conf::device::memory_device::MemoryModel;
use conf::device::{Device, DeviceId, DeviceKind, Disk};
use conf::device_info::Alias;

use crate::address;
use crate::change::vcpus;
use crate::complete::Mode;
use crate::machine::Family;

/// The ids of all devices of a domain.
///
/// libvirt: `qemuAssignDeviceAliases` in `src/qemu/qemu_alias.c`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    devices: BTreeMap<DeviceId, String>,
    pci: BTreeMap<u32, String>,
    usb: BTreeMap<u32, String>,
    scsi: BTreeMap<u32, String>,
    sata: BTreeMap<u32, String>,
    virtio_serial: BTreeMap<u32, String>,
    nvme: BTreeMap<u32, String>,
    ccid: BTreeMap<u32, String>,
}

impl Aliases {
    /// Gives each device its id: the one it has, which is the user's or that of a running guest, else
    /// libvirt's, which is none that another device has.
    pub fn assign(domain: &Domain) -> Self {
        let mut aliases = Self::default();
        let mut free = numbers_in_use(domain);
        for (id, device) in domain.devices.iter() {
            let mut next = |prefix: &'static str| {
                let number = free.entry(prefix.to_owned()).or_default();
                *number += 1;
                format!("{prefix}{}", *number - 1)
            };
            let user = device.info().and_then(|info| info.alias.as_ref());
            let alias = match (user, device) {
                (Some(alias), _) => alias.as_str().to_owned(),
                (None, Device::Disk(disk)) => of_disk(disk, domain),
                (None, Device::Controller(controller)) => of_controller(controller, domain),
                (None, Device::Interface(interface)) if interface.is_hostdev() => next("hostdev"),
                (None, Device::Interface(_)) => next("net"),
                (None, Device::Hostdev(_)) => next("hostdev"),
                (None, Device::Filesystem(_)) => next("fs"),
                (None, Device::Redirdev(_)) => next("redir"),
                (None, Device::Rng(_)) => next("rng"),
                (None, Device::MemoryDevice(memory)) => match (&memory.model, &memory.info.address)
                {
                    (MemoryModel::Dimm(_), Some(Address::Dimm(dimm))) => {
                        format!("dimm{}", dimm.slot)
                    }
                    (MemoryModel::Nvdimm(_), Some(Address::Dimm(dimm))) => {
                        format!("nvdimm{}", dimm.slot)
                    }
                    (MemoryModel::Dimm(_), _) => next("dimm"),
                    (MemoryModel::Nvdimm(_), _) => next("nvdimm"),
                    (MemoryModel::VirtioPmem(_), _) => next("virtiopmem"),
                    (MemoryModel::VirtioMem(_), _) => next("virtiomem"),
                    (MemoryModel::SgxEpc(_), _) => next("epc"),
                },
                (None, _) => by_position(id, &free),
            };
            if let Device::Controller(controller) = device {
                aliases.note_bus(controller, &alias);
            }
            aliases.devices.insert(id, alias);
        }
        aliases.mirror_serial(domain);
        aliases
    }

    /// The id of a device.
    pub fn get(&self, kind: DeviceKind, pos: usize) -> &str {
        self.devices.get(&DeviceId { kind, pos }).map_or("", String::as_str)
    }

    /// The device that has this id.
    pub fn find(&self, alias: &str) -> Option<DeviceId> {
        self.devices.iter().find(|(_, found)| *found == alias).map(|(id, _)| *id)
    }

    /// The PCI bus of this number.
    pub fn pci_bus(&self, number: u32) -> &str {
        self.pci.get(&number).map_or("pci.0", String::as_str)
    }

    /// The USB controller of this index.
    pub fn usb(&self, index: u32) -> String {
        named(&self.usb, index, "usb")
    }

    /// The SCSI controller of this index.
    pub fn scsi(&self, index: u32) -> String {
        named(&self.scsi, index, "scsi")
    }

    /// The SATA controller of this index.
    pub fn sata(&self, index: u32) -> String {
        named(&self.sata, index, "sata")
    }

    /// The virtio-serial controller of this index.
    pub fn virtio_serial(&self, index: u32) -> String {
        named(&self.virtio_serial, index, "virtio-serial")
    }

    /// The NVMe controller of this index.
    pub fn nvme(&self, index: u32) -> String {
        named(&self.nvme, index, "nvme")
    }

    /// The smartcard reader of this index.
    pub fn ccid(&self, index: u32) -> String {
        named(&self.ccid, index, "ccid")
    }

    fn note_bus(&mut self, controller: &Controller, alias: &str) {
        let index = controller.index.unwrap_or_default();
        let (buses, name) = match &controller.kind {
            // The machine's own bus keeps the name that QEMU gives it.
            ControllerKind::Pci(pci) => match pci.model {
                Some(PciModel::PciRoot) => (&mut self.pci, format!("pci.{index}")),
                Some(PciModel::PcieRoot) => (&mut self.pci, format!("pcie.{index}")),
                _ => (&mut self.pci, alias.to_owned()),
            },
            ControllerKind::Usb(_) => (&mut self.usb, alias.to_owned()),
            ControllerKind::Scsi(_) => (&mut self.scsi, alias.to_owned()),
            ControllerKind::Sata => (&mut self.sata, alias.to_owned()),
            ControllerKind::VirtioSerial(_) => (&mut self.virtio_serial, alias.to_owned()),
            ControllerKind::Nvme(_) => (&mut self.nvme, alias.to_owned()),
            ControllerKind::Ccid => (&mut self.ccid, alias.to_owned()),
            _ => return,
        };
        buses.entry(index).or_insert(name);
    }

    /// A console that is another name of the first serial port has its id.
    fn mirror_serial(&mut self, domain: &Domain) {
        let serial = self.devices.get(&DeviceId { kind: DeviceKind::Serial, pos: 0 }).cloned();
        let mirrors = domain.devices.consoles.first().is_some_and(|console| console.is_serial());
        if let Some(serial) = serial.filter(|_| mirrors) {
            self.devices.insert(DeviceId { kind: DeviceKind::Console, pos: 0 }, serial);
        }
    }
}

fn named(buses: &BTreeMap<u32, String>, index: u32, prefix: &str) -> String {
    buses.get(&index).cloned().unwrap_or_else(|| format!("{prefix}{index}"))
}

/// By what the ids begin with that the devices of a running guest have: one more than the highest
/// number behind it.
///
/// libvirt: `qemuDomainDeviceAliasIndex` and its callers.
fn numbers_in_use(domain: &Domain) -> BTreeMap<String, usize> {
    let mut free: BTreeMap<String, usize> = BTreeMap::new();
    let given = domain.devices.iter().filter_map(|(_, device)| device.info()?.alias.as_ref());
    for alias in given.filter(|alias| !alias.is_of_user()) {
        let prefix = alias.as_str().trim_end_matches(|c: char| c.is_ascii_digit());
        if let Ok(number) = alias.as_str()[prefix.len()..].parse::<usize>() {
            let next = free.entry(prefix.to_owned()).or_default();
            *next = (*next).max(number.saturating_add(1));
        }
    }
    free
}

/// The id of a device that is counted by its position, or of which there is only one. Those that a
/// running guest got later come behind all others.
fn by_position(DeviceId { kind, pos }: DeviceId, free: &BTreeMap<String, usize>) -> String {
    match kind {
        DeviceKind::Pstore | DeviceKind::Iommu | DeviceKind::Vsock => format!("{kind}0"),
        DeviceKind::Memballoon => "balloon0".to_owned(),
        kind => {
            let number = free.get(&kind.to_string()).map_or(pos, |next| pos.max(*next));
            format!("{kind}{number}")
        }
    }
}

/// The domain as that of a running guest: each device has the name by which QEMU knows it, and devices of
/// USB the ports that they were plugged into at the start.
pub fn of_running(domain: &Domain) -> Domain {
    let mut domain = domain.clone();
    // A guest whose devices have no ports does not run.
    let _ = address::usb::assign(&mut domain, Mode::Define);
    let aliases = Aliases::assign(&domain);
    for (id, alias) in aliases.devices {
        if let Some(info) = domain.devices.info_mut(id) {
            info.alias = Some(Alias::of_running(alias));
        }
    }
    vcpus::number_orders(&mut domain);
    domain
}

/// libvirt: `qemuAssignDeviceDiskAlias`.
fn of_disk(disk: &Disk, domain: &Domain) -> String {
    let bus = disk.bus().unwrap_or(Bus::Virtio);
    let Some(Address::Drive(Drive { controller, bus: channel, target, unit })) = &disk.info.address
    else {
        return format!("{bus}-disk{}", disk.target.dev.index().unwrap_or_default());
    };
    let scsi = domain.devices.controller(&ControllerKind::Scsi(Default::default()), *controller);
    let model = scsi.and_then(|controller| controller.scsi()?.model);
    if bus == Bus::Scsi && model != Some(ScsiModel::Lsilogic) {
        format!("{bus}{controller}-{channel}-{target}-{unit}")
    } else {
        format!("{bus}{controller}-{channel}-{unit}")
    }
}

/// libvirt: `qemuAssignDeviceControllerAlias`.
fn of_controller(controller: &Controller, domain: &Domain) -> String {
    let index = controller.index.unwrap_or_default();
    let family = Family::of(domain);
    match &controller.kind {
        ControllerKind::Pci(pci) if pci.model == Some(PciModel::PcieRoot) => {
            format!("pcie.{index}")
        }
        ControllerKind::Pci(_) => format!("pci.{index}"),
        ControllerKind::Ide(_) if index == 0 && family == Family::I440fx => "ide".to_owned(),
        ControllerKind::Sata if index == 0 && family == Family::Q35 => "ide".to_owned(),
        ControllerKind::Usb(_) if index == 0 => "usb".to_owned(),
        kind => format!("{}{index}", kind.word()),
    }
}
