//! Root ports for devices that come while a guest runs.

use std::collections::BTreeSet;

use conf::Domain;
use conf::device::controller::{ControllerKind, Pci, PciModel};

/// The name of this step where it adds something to a domain.
const STEP: &str = "spare ports";

/// Adds root ports until so many have nothing plugged in; how many were added. Only a machine whose
/// bus is PCI Express needs any.
pub fn add(domain: &mut Domain, wanted: usize) -> usize {
    let devices = &mut domain.devices;
    if devices.pci_root().and_then(|root| root.model) != Some(PciModel::PcieRoot) {
        return 0;
    }
    let taken: BTreeSet<u32> = devices
        .iter()
        .filter_map(|(_, device)| Some(device.info()?.address.as_ref()?.pci()?.bus))
        .collect();
    let buses = devices.controllers.iter().filter_map(|controller| {
        Some((controller.index.unwrap_or_default(), controller.pci()?.model?))
    });
    let buses: Vec<(u32, PciModel)> = buses.collect();
    let is_free = |(index, model): &&(u32, PciModel)| {
        *model == PciModel::PcieRootPort && !taken.contains(index)
    };
    let missing = wanted.saturating_sub(buses.iter().filter(is_free).count());
    let last = buses.iter().map(|(index, _)| *index).max().unwrap_or_default();
    for number in 0..missing {
        let port = Pci { model: Some(PciModel::PcieRootPort), ..Pci::default() };
        let index = last.saturating_add(1 + u32::try_from(number).unwrap_or(u32::MAX));
        devices.add_missing_controller(ControllerKind::Pci(port), index, STEP);
    }
    missing
}
