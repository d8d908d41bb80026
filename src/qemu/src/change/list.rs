//! The devices of a document, as they come and go. Memory devices bring memory and take it along.

use conf::device::{DeviceId, DeviceKind};
use conf::memory::Kibibytes;
use conf::{Devices, Domain};

/// Adds devices to a document.
///
/// # Errors
/// There can be only one of that kind, and there is.
pub fn add(domain: &mut Domain, devices: Devices) -> Result<(), DeviceKind> {
    let before = domain.memory_of_devices();
    domain.devices.insert(devices)?;
    resize(domain, before);
    Ok(())
}

/// Takes a device out of a document; `false` if there is no such device.
pub fn take(domain: &mut Domain, id: DeviceId) -> bool {
    let before = domain.memory_of_devices();
    let taken = domain.devices.remove(id);
    resize(domain, before);
    taken
}

/// The guest has as much memory more or less as its memory devices have.
///
/// libvirt: `virDomainMemoryInsert`, `virDomainMemoryRemove`.
fn resize(domain: &mut Domain, before: Kibibytes) {
    let after = domain.memory_of_devices();
    let resized = |size: Kibibytes| Kibibytes((size.0 + after.0).saturating_sub(before.0));
    if let Some(memory) = &mut domain.memory {
        memory.size = resized(memory.size);
    }
    domain.current_memory = domain.current_memory.map(resized);
}
