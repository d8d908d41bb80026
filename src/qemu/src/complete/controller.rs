//! Controllers: the models that the machine and QEMU suggest.

use conf::Domain;
use conf::device::controller::{Controller, ControllerKind, ScsiModel, UsbModel};
use xml::{Part, Problem};

use super::context::Context;

/// Fills in the models of controllers, and refuses what no model takes.
///
/// libvirt: `qemuDomainDeviceControllerDefPostParse` (`qemu_postparse.c`),
/// `virDomainControllerDefPostParse`.
pub(super) fn models(domain: &mut Domain, context: &mut Context<'_>) {
    for controller in &mut domain.devices.controllers {
        if let ControllerKind::Usb(usb) = &mut controller.kind
            && usb.model.is_none()
            && context.capabilities.has("piix3-usb-uhci")
        {
            usb.model = Some(UsbModel::Piix3Uhci);
        }
        check_iothread(controller, context);
    }
    scsi_models(domain, context);
}

/// SCSI controllers that name no model get the one that QEMU has.
///
/// libvirt: `qemuDomainDefaultSCSIControllerModel`.
pub(super) fn scsi_models(domain: &mut Domain, context: &mut Context<'_>) {
    let capabilities = context.capabilities;
    let default = if capabilities.has("lsi53c895a") {
        Some(ScsiModel::Lsilogic)
    } else if capabilities.has("virtio-scsi-pci") {
        Some(ScsiModel::VirtioScsi)
    } else {
        None
    };
    for controller in &mut domain.devices.controllers {
        let origin = controller.origin;
        if let ControllerKind::Scsi(scsi) = &mut controller.kind
            && matches!(scsi.model, None | Some(ScsiModel::Auto))
        {
            scsi.model = default;
            if default.is_none() {
                context.error(
                    origin,
                    "QEMU has no model of a SCSI controller that goes without saying",
                );
            }
        }
    }
}

fn check_iothread(controller: &Controller, context: &mut Context<'_>) {
    let Some(driver) = &controller.driver else { return };
    let is_virtio_scsi = controller.scsi().is_some_and(conf::device::controller::Scsi::is_virtio);
    if (driver.iothread.is_some() || driver.iothreads.is_some()) && !is_virtio_scsi {
        let part = Part::AttributeName("iothread".to_owned());
        let message = "only a virtio-scsi controller is served by an I/O thread";
        context.problems.push(
            Problem::error(driver.origin, part, message)
                .help("leave out 'iothread', or use a scsi controller with model='virtio-scsi'"),
        );
    }
}
