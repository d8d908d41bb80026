//! Memory shared with other guests.
//!
//! libvirt: `virDomainShmemDefValidate`, `qemuDomainShmemDefPostParse`,
//! `qemuValidateDomainDeviceDefShmem`.

use conf::device::shmem::{ShmemModel, ShmemSize};
use xml::Part;

use super::{Check, Rule, within};

/// The smallest size, in bytes.
const SMALLEST: u64 = 1 << 20;

pub(super) const RULES: &[Rule] = &[
    Rule::new("shmem-name-is-plain", "the name becomes that of a file", name),
    Rule::new("shmem-size-fits", "it is the size of a PCI device's window", size),
    Rule::new("shmem-server-fits", "a server hands out interrupts", server),
];

fn name(check: &mut Check<'_>) {
    for shmem in &check.domain.devices.shmems {
        if shmem.name.contains('/') || matches!(shmem.name.as_str(), "." | "..") {
            let message = format!("'{}' cannot be the name of a file", shmem.name);
            check.refuse_value(shmem.origin, "name", message, "a name without '/'");
        }
    }
}

fn size(check: &mut Check<'_>) {
    for shmem in &check.domain.devices.shmems {
        let fits = |size: ShmemSize| size.0.get() >= SMALLEST && size.0.get().is_power_of_two();
        if shmem.size.is_some_and(|size| !fits(size)) {
            let message = "no shared memory has this size";
            check.refuse(
                shmem.origin,
                within("size"),
                message,
                "write a power of two from 1 MiB on",
            );
        }
    }
}

fn server(check: &mut Check<'_>) {
    for shmem in &check.domain.devices.shmems {
        let has_server = shmem.server.is_some();
        let (message, help) = match shmem.model {
            ShmemModel::Ivshmem => (
                "QEMU has no shared memory of model 'ivshmem' any more",
                "write <model type='ivshmem-plain'/> or 'ivshmem-doorbell'",
            ),
            ShmemModel::IvshmemPlain if has_server => {
                ("plain shared memory has no <server>", "leave it out, or write 'ivshmem-doorbell'")
            }
            ShmemModel::IvshmemDoorbell if !has_server => {
                ("shared memory with interrupts needs a <server>", "add <server path='…'/>")
            }
            ShmemModel::IvshmemDoorbell if shmem.size.is_some() => {
                ("the server says how much memory there is", "leave out <size>")
            }
            _ => continue,
        };
        check.refuse(shmem.origin, Part::Name, message, help);
    }
}
