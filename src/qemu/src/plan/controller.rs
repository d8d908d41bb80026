//! Controllers of buses.

use conf::Domain;
use conf::address::Address;
use conf::device::controller::{
    ControllerKind, Nvme, Pci, PciModel, PciModelName, Scsi, ScsiModel, Usb, UsbModel, VirtioSerial,
};
use conf::device::disk::Bus;
use conf::device::virtio::VirtioModel;
use conf::device::{Controller, DeviceKind, Disk};

use super::device::Device;
use super::disk::iothread_mapping;
use super::{Builder, iothread};
use crate::machine::Family;

/// All controllers: type after type, in the order of the document inside a type.
///
/// libvirt: `qemuBuildControllersCommandLine`.
pub(super) fn controllers(builder: &mut Builder<'_>) {
    type Kind = fn(&ControllerKind) -> bool;
    let order: [Kind; 7] = [
        |kind| matches!(kind, ControllerKind::Pci(_)),
        |kind| matches!(kind, ControllerKind::Usb(_)),
        |kind| matches!(kind, ControllerKind::Scsi(_)),
        |kind| matches!(kind, ControllerKind::Ide(_)),
        |kind| matches!(kind, ControllerKind::Sata),
        |kind| matches!(kind, ControllerKind::VirtioSerial(_)),
        |kind| matches!(kind, ControllerKind::Nvme(_)),
    ];
    for is_wanted in order {
        each(builder, is_wanted);
    }
}

/// Smartcard readers, which come after the USB hubs that they may be plugged into.
pub(super) fn smartcard_readers(builder: &mut Builder<'_>) {
    each(builder, |kind| matches!(kind, ControllerKind::Ccid));
}

fn each(builder: &mut Builder<'_>, is_wanted: impl Fn(&ControllerKind) -> bool) {
    let controllers = builder.domain.devices.controllers.iter().enumerate();
    for (pos, controller) in controllers.filter(|(_, controller)| is_wanted(&controller.kind)) {
        if !builder.wants(DeviceKind::Controller, pos) {
            continue;
        }
        let index = controller.index.unwrap_or_default();
        let purpose = format!("{} controller {index}", controller.kind.word());
        builder.part(purpose, controller.origin);
        let alias = builder.aliases.get(DeviceKind::Controller, pos).to_owned();
        if let Some(mut device) = device(builder, controller, &alias) {
            device.address(&controller.info, builder);
            builder.device(device);
        }
    }
}

/// A controller; `None` if the machine has it built in, or it was refused.
///
/// libvirt: `qemuBuildControllerDevProps`.
fn device(builder: &mut Builder<'_>, controller: &Controller, alias: &str) -> Option<Device> {
    let index = controller.index.unwrap_or_default();
    match &controller.kind {
        ControllerKind::Pci(pci) => self::pci(builder, pci, alias),
        ControllerKind::Usb(usb) => self::usb(builder, controller, usb, alias),
        ControllerKind::Scsi(scsi) => self::scsi(builder, controller, scsi, alias),
        ControllerKind::Ide(_) if index == 0 && builder.family == Family::I440fx => None,
        ControllerKind::Sata if index == 0 && builder.family == Family::Q35 => None,
        ControllerKind::Sata => {
            let mut device = Device::new("ahci");
            device.set("id", alias);
            Some(device)
        }
        ControllerKind::VirtioSerial(serial) => Some(virtio_serial(controller, serial, alias)),
        ControllerKind::Ccid => {
            let mut device = Device::new("usb-ccid");
            device.set("id", alias);
            Some(device)
        }
        ControllerKind::Nvme(Nvme { serial }) => {
            let serial = serial
                .clone()
                .or_else(|| serial_of_disk(builder.domain, controller.index.unwrap_or_default()))
                .unwrap_or_else(|| alias.to_owned());
            let mut device = Device::new("nvme");
            device.set("id", alias).set("serial", serial);
            Some(device)
        }
        ControllerKind::Fdc => None,
        ControllerKind::Ide(_) | ControllerKind::Xenbus(_) | ControllerKind::Isa => {
            let kind = controller.kind.word();
            builder.refuse(format!("QEMU cannot add a controller of type '{kind}' to a machine"));
            None
        }
    }
}

/// libvirt: `qemuBuildControllerPCIDevProps`.
fn pci(builder: &mut Builder<'_>, pci: &Pci, alias: &str) -> Option<Device> {
    let target = &pci.target;
    let model = pci.model?;
    let reserve = target.mem_reserve.map(|size| u64::from(size) << 10);
    let device = match model {
        PciModel::PciRoot | PciModel::PcieRoot => {
            if let Some(hotplug) = target.hotplug {
                let word = super::argument::on_off(hotplug.into());
                let value = format!("PIIX4_PM.acpi-root-pci-hotplug={word}");
                builder.argument("global", value);
            }
            return None;
        }
        PciModel::PciBridge => {
            let mut device = Device::new("pci-bridge");
            device.maybe("chassis_nr", target.chassis_nr).maybe("mem-reserve", reserve);
            device.set("id", alias);
            device
        }
        PciModel::DmiToPciBridge => {
            let mut device = Device::new("i82801b11-bridge");
            device.set("id", alias);
            device
        }
        PciModel::PcieToPciBridge => {
            let mut device = Device::new("pcie-pci-bridge");
            device.set("id", alias);
            device
        }
        PciModel::PcieSwitchUpstreamPort => {
            let mut device = Device::new("x3130-upstream");
            device.set("id", alias);
            device
        }
        PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort => {
            let driver = match (model, pci.model_name) {
                (PciModel::PcieSwitchDownstreamPort, _) => "xio3130-downstream",
                (_, Some(PciModelName::Ioh3420)) => "ioh3420",
                _ => "pcie-root-port",
            };
            let mut device = Device::new(driver);
            device.maybe("port", target.port.map(|port| port.0));
            device.maybe("chassis", target.chassis).set("id", alias);
            device.switch("hotplug", target.hotplug).maybe("mem-reserve", reserve);
            device
        }
        PciModel::PciExpanderBus | PciModel::PcieExpanderBus => {
            let express = model == PciModel::PcieExpanderBus;
            let mut device = Device::new(if express { "pxb-pcie" } else { "pxb" });
            device.maybe("bus_nr", target.bus_nr).set("id", alias);
            device.maybe("numa_node", target.node);
            device
        }
    };
    Some(device)
}

/// libvirt: `qemuBuildUSBControllerDevProps`.
fn usb(
    builder: &mut Builder<'_>,
    controller: &Controller,
    usb: &Usb,
    alias: &str,
) -> Option<Device> {
    let driver = match usb.model? {
        UsbModel::None => return None,
        UsbModel::Piix3Uhci => "piix3-usb-uhci",
        UsbModel::Piix4Uhci => "piix4-usb-uhci",
        UsbModel::Ehci => "usb-ehci",
        UsbModel::Ich9Ehci1 => "ich9-usb-ehci1",
        UsbModel::Ich9Uhci1 => "ich9-usb-uhci1",
        UsbModel::Ich9Uhci2 => "ich9-usb-uhci2",
        UsbModel::Ich9Uhci3 => "ich9-usb-uhci3",
        UsbModel::Vt82c686bUhci => "vt82c686b-usb-uhci",
        UsbModel::PciOhci => "pci-ohci",
        UsbModel::NecXhci => "nec-usb-xhci",
        UsbModel::QemuXhci => "qemu-xhci",
        model @ (UsbModel::Qusb1 | UsbModel::Qusb2) => {
            builder.refuse(format!("QEMU has no USB controller of model '{model}'"));
            return None;
        }
    };
    let mut device = Device::new(driver);
    device.maybe("p2", usb.ports).maybe("p3", usb.ports);
    match controller.info.master {
        Some(first) => {
            let master = builder.aliases.usb(controller.index.unwrap_or_default());
            device.set("masterbus", format!("{master}.0")).set("firstport", first);
        }
        None => {
            device.set("id", alias);
        }
    }
    Some(device)
}

/// libvirt: `qemuBuildControllerSCSIDevProps`.
fn scsi(
    builder: &mut Builder<'_>,
    controller: &Controller,
    scsi: &Scsi,
    alias: &str,
) -> Option<Device> {
    let virtio = |generation| {
        let driver = controller.driver.as_ref();
        let options = driver.map(|driver| &driver.virtio);
        let mut device = Device::virtio("virtio-scsi-pci", Some(generation), options);
        if let Some(driver) = driver {
            device.maybe("iothread", driver.iothread.map(iothread::name));
        }
        device.set("id", alias);
        if let Some(driver) = driver {
            device.maybe("num_queues", driver.queues.map(u32::from));
            let mapping = driver.iothreads.as_ref().map(iothread_mapping);
            device.maybe("iothread-vq-mapping", mapping);
            device.maybe("cmd_per_lun", driver.cmd_per_lun.map(u32::from));
            device.maybe("max_sectors", driver.max_sectors.map(u32::from));
            device.switch("ioeventfd", driver.ioeventfd);
        }
        device
    };
    let driver = match scsi.model? {
        ScsiModel::VirtioScsi => return Some(virtio(VirtioModel::Virtio)),
        ScsiModel::VirtioTransitional => return Some(virtio(VirtioModel::Transitional)),
        ScsiModel::VirtioNonTransitional => return Some(virtio(VirtioModel::NonTransitional)),
        ScsiModel::Lsilogic => "lsi",
        ScsiModel::Lsisas1068 => "mptsas1068",
        ScsiModel::Lsisas1078 => "megasas",
        ScsiModel::Vmpvscsi => "pvscsi",
        ScsiModel::Am53c974 => "am53c974",
        ScsiModel::Dc390 => "dc390",
        model @ (ScsiModel::Auto
        | ScsiModel::Buslogic
        | ScsiModel::Ibmvscsi
        | ScsiModel::Ncr53c90) => {
            builder.refuse(format!("this machine has no SCSI controller of model '{model}'"));
            return None;
        }
    };
    let mut device = Device::new(driver);
    device.set("id", alias);
    Some(device)
}

/// The serial of the first disk of an NVMe controller: QEMU wants one of the controller, the guest
/// sees no other.
fn serial_of_disk(domain: &Domain, index: u32) -> Option<String> {
    let is_on_it = |disk: &&Disk| {
        disk.bus() == Some(Bus::Nvme)
            && disk
                .info
                .address
                .as_ref()
                .and_then(Address::drive)
                .is_some_and(|drive| drive.controller == index)
    };
    domain.devices.disks.iter().find(is_on_it)?.serial.as_ref().map(|serial| serial.0.clone())
}

fn virtio_serial(controller: &Controller, serial: &VirtioSerial, alias: &str) -> Device {
    let options = controller.driver.as_ref().map(|driver| &driver.virtio);
    let mut device = Device::virtio("virtio-serial-pci", serial.model, options);
    device.set("id", alias).maybe("max_ports", serial.ports).maybe("vectors", serial.vectors);
    device
}
