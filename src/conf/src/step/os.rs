//! Firmware and boot order.

use std::collections::BTreeMap;

use xml::{Origin, Part, Problem};

use crate::device_info::Boot;
use crate::domain::Domain;
use crate::os::{BootDevice, LoaderKind, OsKind};

/// A firmware image whose kind is not given is a read-only memory.
///
/// libvirt: `virDomainDefPostParseOs`.
pub fn default_loader_kind(domain: &mut Domain) {
    if let Some(loader) = &mut domain.os.loader
        && loader.path.is_some()
    {
        loader.kind.get_or_insert(LoaderKind::Rom);
    }
}

/// A guest that does not say what it boots from boots from its first hard disk. It says so either by
/// kinds of devices or device by device, each with a number of its own.
///
/// libvirt: `virDomainDefBootOrderPostParse`, `virDomainDeviceBootParseXML`.
pub fn default_boot(domain: &mut Domain, problems: &mut Vec<Problem>) {
    let mut orders: BTreeMap<u32, Origin> = BTreeMap::new();
    for (_, device) in domain.devices.iter() {
        let Some(Boot { order, .. }) = device.info().and_then(|info| info.boot.as_ref()) else {
            continue;
        };
        if orders.insert(order.get(), device.origin()).is_some() {
            let message = format!("another device comes at place {order} of the boot order, too");
            problems.push(
                Problem::error(device.origin(), Part::Name, message)
                    .help("give each <boot order='…'/> a number of its own"),
            );
        }
    }
    if let Some(first) = orders.values().next() {
        if !domain.os.boot_devices.is_empty() {
            let message = "<boot order='…'/> of a device does not go with <boot dev='…'/> of <os>";
            problems
                .push(Problem::error(*first, Part::Name, message).help("leave out one of the two"));
        }
    } else if domain.os.kind.kind == OsKind::Hvm && domain.os.boot_devices.is_empty() {
        domain.os.boot_devices.push(BootDevice::Hd);
    }
}
