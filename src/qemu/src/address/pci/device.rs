//! What each device needs of a PCI bus.

use conf::DeviceInfo;
use conf::Domain;
use conf::device::controller::{ControllerKind, PciModel, ScsiModel, UsbModel};
use conf::device::disk::{Bus, DiskModel};
use conf::device::filesystem::DriverKind;
use conf::device::host_address::{HostAddress, HostPciAddress};
use conf::device::hostdev::{HostdevKind, MdevModel};
use conf::device::input::InputBus;
use conf::device::interface::model::KnownModel;
use conf::device::interface::{Interface, InterfaceKind, InterfaceModel};
use conf::device::iommu::IommuModel;
use conf::device::memballoon::MemballoonModel;
use conf::device::memory_device::MemoryModel;
use conf::device::panic::PanicModel;
use conf::device::serial::SerialTargetType;
use conf::device::sound::SoundModel;
use conf::device::video::VideoType;
use conf::device::virtio::VirtioModel;
use conf::device::watchdog::WatchdogModel;
use conf::device::{Device, Hostdev};

use super::connect::Connect;
use crate::capabilities::Capabilities;
use crate::host::{Host, PciKind};
use crate::machine::Family;

/// What decides beside the device itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest<'a> {
    /// The family of its machine.
    pub(super) family: Family,
    /// The model of the root of its buses.
    pub(super) root: Option<PciModel>,
    /// Whether QEMU has a bridge from a PCI Express port to conventional PCI.
    pub(super) has_pcie_to_pci_bridge: bool,
    /// What a device needs that is PCI Express where the guest has that.
    express: Connect,
    /// What a virtio device needs.
    virtio: Connect,
    /// The machine that devices are passed through from.
    host: &'a Host,
}

impl<'a> Guest<'a> {
    /// The facts about a guest.
    ///
    /// libvirt: `qemuDomainFillDevicePCIConnectFlagsIterInit`.
    pub(super) fn of(domain: &Domain, capabilities: &Capabilities, host: &'a Host) -> Self {
        let root = domain.devices.pci_root().and_then(|root| root.model);
        let express = if root == Some(PciModel::PcieRoot) {
            Connect::ANY_PCIE_SLOT
        } else {
            Connect::ANY_PCI_SLOT
        };
        // QEMUs that have no transitional devices show virtio to the guest as conventional PCI.
        let virtio = if capabilities.has("virtio-blk-pci-transitional") {
            express
        } else {
            Connect::ANY_PCI_SLOT
        };
        Self {
            family: Family::of(domain),
            root,
            has_pcie_to_pci_bridge: capabilities.has("pcie-pci-bridge"),
            express,
            virtio,
            host,
        }
    }

    /// What a device needs of a PCI bus; nothing where it is no PCI device.
    ///
    /// libvirt: `qemuDomainDeviceCalculatePCIConnectFlags`.
    pub(super) fn needs(&self, device: Device<'_>) -> Connect {
        const PCI: Connect = Connect::ANY_PCI_SLOT;
        const NONE: Connect = Connect::empty();
        match device {
            Device::Controller(controller) => self.controller_needs(&controller.kind),
            Device::Disk(disk) => match disk.bus() {
                Some(Bus::Virtio) if disk.model == Some(DiskModel::VirtioTransitional) => PCI,
                Some(Bus::Virtio) => self.virtio,
                _ => NONE,
            },
            Device::Filesystem(filesystem) => match filesystem.driver.kind {
                None | Some(DriverKind::Path | DriverKind::Handle) => self.virtio(filesystem.model),
                Some(DriverKind::Virtiofs) => self.virtio,
                Some(_) => NONE,
            },
            Device::Hostdev(hostdev) => self.hostdev_needs(hostdev),
            Device::Interface(interface) => self.interface_needs(interface),
            Device::Input(input) => match input.bus {
                Some(InputBus::Virtio) => self.virtio(input.model),
                _ => NONE,
            },
            Device::Memballoon(balloon) => match balloon.model {
                MemballoonModel::VirtioTransitional => PCI,
                MemballoonModel::Virtio | MemballoonModel::VirtioNonTransitional => self.virtio,
                MemballoonModel::Xen | MemballoonModel::None => NONE,
            },
            Device::Rng(rng) => self.virtio(Some(rng.model)),
            Device::Vsock(vsock) => self.virtio(vsock.model),
            Device::Serial(serial) => match serial.target.kind {
                Some(SerialTargetType::PciSerial) => PCI,
                _ => NONE,
            },
            Device::Sound(sound) => match sound.model {
                SoundModel::Es1370 | SoundModel::Ac97 | SoundModel::Ich6 | SoundModel::Ich9 => PCI,
                SoundModel::Virtio => self.virtio,
                SoundModel::Sb16 | SoundModel::Pcspk | SoundModel::Usb | SoundModel::Ich7 => NONE,
            },
            Device::Video(video) => match video.model.kind {
                Some(VideoType::Virtio) => self.virtio,
                Some(VideoType::Bochs) => self.express,
                None | Some(VideoType::Gop | VideoType::None | VideoType::Ramfb) => NONE,
                Some(_) => PCI,
            },
            Device::Watchdog(watchdog) => match watchdog.model {
                WatchdogModel::I6300esb => PCI,
                _ => NONE,
            },
            Device::Panic(panic) => match panic.model {
                Some(PanicModel::Pvpanic) => PCI | Connect::INTEGRATED,
                _ => NONE,
            },
            Device::Iommu(iommu) => match iommu.model {
                IommuModel::Virtio => self.virtio | Connect::INTEGRATED,
                IommuModel::Intel | IommuModel::Smmuv3 => NONE,
            },
            Device::MemoryDevice(memory) => match memory.model {
                MemoryModel::VirtioPmem(_) | MemoryModel::VirtioMem(_) => self.virtio,
                MemoryModel::Dimm(_) | MemoryModel::Nvdimm(_) | MemoryModel::SgxEpc(_) => NONE,
            },
            Device::Shmem(_) | Device::Crypto(_) | Device::Pstore(_) => PCI,
            Device::Audio(_)
            | Device::Channel(_)
            | Device::Console(_)
            | Device::Graphics(_)
            | Device::Hub(_)
            | Device::Lease(_)
            | Device::Nvram(_)
            | Device::Parallel(_)
            | Device::Redirdev(_)
            | Device::Smartcard(_)
            | Device::Tpm(_) => NONE,
        }
    }

    fn controller_needs(&self, kind: &ControllerKind) -> Connect {
        const PCI: Connect = Connect::ANY_PCI_SLOT;
        match kind {
            ControllerKind::Pci(pci) => pci.model.map_or(Connect::empty(), Connect::of_controller),
            ControllerKind::Sata | ControllerKind::Ide(_) => PCI,
            ControllerKind::Usb(usb) => match usb.model {
                Some(UsbModel::NecXhci | UsbModel::QemuXhci) => self.express,
                Some(UsbModel::None | UsbModel::Qusb1 | UsbModel::Qusb2) => Connect::empty(),
                _ => PCI,
            },
            ControllerKind::Scsi(scsi) => match scsi.model {
                None | Some(ScsiModel::Ncr53c90) => Connect::empty(),
                Some(ScsiModel::VirtioScsi | ScsiModel::VirtioNonTransitional) => self.virtio,
                Some(_) => PCI,
            },
            ControllerKind::VirtioSerial(serial) => self.virtio(serial.model),
            ControllerKind::Nvme(_) => self.express,
            ControllerKind::Fdc
            | ControllerKind::Ccid
            | ControllerKind::Xenbus(_)
            | ControllerKind::Isa => Connect::empty(),
        }
    }

    fn interface_needs(&self, interface: &Interface) -> Connect {
        match (&interface.kind, &interface.model) {
            (InterfaceKind::Hostdev(hostdev), _) => match &hostdev.address {
                HostAddress::Pci(address) => self.passed_through(address, &interface.info),
                HostAddress::Usb(_) => Connect::empty(),
            },
            // libvirt takes what it does not know for PCI Express.
            (_, None | Some(InterfaceModel::Other(_))) => self.express,
            (_, Some(InterfaceModel::Known(model))) => match model {
                KnownModel::UsbNet => Connect::empty(),
                KnownModel::Virtio | KnownModel::VirtioNonTransitional => self.virtio,
                KnownModel::E1000e | KnownModel::Igb => self.express,
                _ => Connect::ANY_PCI_SLOT,
            },
        }
    }

    fn hostdev_needs(&self, hostdev: &Hostdev) -> Connect {
        match &hostdev.kind {
            HostdevKind::Pci(pci) => self.passed_through(&pci.source.address, &hostdev.info),
            HostdevKind::ScsiHost(scsi) => self.virtio(scsi.model),
            // All that there are sit on PCI Express.
            HostdevKind::Mdev(mdev) if mdev.model == MdevModel::VfioPci => self.express,
            HostdevKind::Mdev(_) | HostdevKind::Scsi(_) | HostdevKind::Usb(_) => Connect::empty(),
        }
    }

    /// What a PCI device of the host needs: as on the host. One that is not there is taken for PCI
    /// Express, as most are; where the document has an address, it makes no difference.
    fn passed_through(&self, on_host: &HostPciAddress, info: &DeviceInfo) -> Connect {
        let is_assigned = info.address.as_ref().is_some_and(|address| address.pci().is_some());
        match self.host.pci_devices.get(&on_host.address().to_string()) {
            Some(PciKind::Conventional) if !is_assigned => Connect::ANY_PCI_SLOT,
            _ => self.express,
        }
    }

    /// What a virtio device needs: a transitional one works only in a conventional slot.
    fn virtio(&self, model: Option<VirtioModel>) -> Connect {
        match model {
            Some(VirtioModel::Transitional) => Connect::ANY_PCI_SLOT,
            None | Some(VirtioModel::Virtio | VirtioModel::NonTransitional) => self.virtio,
        }
    }
}

/// Whose turn it is when devices without an address get one: lower numbers first, those of one
/// number in the order of the devices. Nobody for whom it is never a turn needs one.
///
/// libvirt: `qemuDomainAssignDevicePCISlots`.
pub(super) fn turn(device: Device<'_>) -> Option<u8> {
    Some(match device {
        Device::Controller(controller) => match controller.kind {
            ControllerKind::Pci(_) => 0,
            // The first IDE controller is part of the chipset.
            ControllerKind::Ide(_) if controller.index == Some(0) => return None,
            _ => 4,
        },
        Device::Filesystem(_) => 1,
        Device::Interface(interface) if interface.is_hostdev() => 6,
        Device::Interface(_) => 2,
        Device::Sound(_) => 3,
        Device::Disk(_) => 5,
        Device::Hostdev(_) => 6,
        Device::Memballoon(_) => 7,
        Device::Rng(_) => 8,
        Device::Watchdog(_) => 9,
        Device::Video(_) => 10,
        Device::Shmem(_) => 11,
        Device::Input(_) => 12,
        Device::Serial(_) => 13,
        Device::Iommu(_) => 14,
        Device::Vsock(_) => 15,
        Device::MemoryDevice(_) => 16,
        Device::Crypto(_) => 17,
        Device::Panic(_) => 18,
        Device::Pstore(_) => 19,
        _ => return None,
    })
}
