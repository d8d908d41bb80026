//! Addresses: they are assigned last, and only where all that they depend on is in order.

use conf::device::controller::UsbModel;
use conf::{Domain, step};
use xml::Problem;

use super::context::Context;
use crate::address;

/// Ports of virtio-serial controllers.
pub(super) fn virtio_serial(domain: &mut Domain, context: &mut Context<'_>) {
    assign(domain, context, |domain, _| {
        step::virtio_serial_address::run(domain).map_err(|problem| vec![problem])
    });
}

/// Registers of PowerPC's virtual I/O bus.
pub(super) fn spapr_vio(domain: &mut Domain, context: &mut Context<'_>) {
    assign(domain, context, |domain, _| {
        address::spapr_vio::assign(domain).map_err(|problem| vec![problem])
    });
}

/// Ports of USB buses.
pub(super) fn usb(domain: &mut Domain, context: &mut Context<'_>) {
    if is_without_usb(domain) {
        return;
    }
    assign(domain, context, |domain, context| {
        address::usb::assign(domain, context.mode).map_err(|problem| vec![problem])
    });
}

/// PCI addresses, and the controllers that they take.
pub(super) fn pci(domain: &mut Domain, context: &mut Context<'_>) {
    assign(domain, context, |domain, context| {
        address::pci::assign(domain, context.capabilities, context.host)
    });
}

/// Slots of memory modules.
pub(super) fn memory_slots(domain: &mut Domain, context: &mut Context<'_>) {
    assign(domain, context, |domain, _| {
        address::memory_slot::assign(domain).map_err(|problem| vec![problem])
    });
}

/// Whether the document says that there is no USB; validation says what that excludes.
fn is_without_usb(domain: &Domain) -> bool {
    let mut models = domain.devices.controllers.iter().filter_map(|c| c.usb()?.model);
    models.any(|model| model == UsbModel::None)
}

fn assign(
    domain: &mut Domain,
    context: &mut Context<'_>,
    step: impl FnOnce(&mut Domain, &Context<'_>) -> Result<(), Vec<Problem>>,
) {
    if !context.has_errors() {
        let result = step(domain, context);
        context.problems.extend(result.err().unwrap_or_default());
    }
}
