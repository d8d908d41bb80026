//! Devices of which little is left open.

use std::num::NonZeroU64;

use base::{NonEmpty, OnOff, YesNo};
use conf::Domain;
use conf::device::filesystem::AccessMode;
use conf::device::input::{InputBus, InputType};
use conf::device::memory_device::MemoryModel;
use conf::device::panic::PanicModel;
use conf::device::rng::RngBackend;
use conf::device::shmem::{Msi, ShmemModel, ShmemSize};
use conf::device::tpm::{TpmModel, TpmVersion};
use conf::device::virtio::VirtioModel;
use conf::device::vsock::Cid;
use conf::memory_backing::MemoryAccess;
use xml::Origin;

use super::context::Context;

/// Keyboards and mice sit on the PS/2 ports, tablets on USB, and what is passed through on virtio.
///
/// libvirt: `virDomainInputDefPostParse`.
pub(super) fn inputs(domain: &mut Domain, _context: &mut Context<'_>) {
    for input in &mut domain.devices.inputs {
        input.bus = input.bus.or(match input.kind {
            InputType::Mouse | InputType::Keyboard => Some(InputBus::Ps2),
            InputType::Passthrough(_) => Some(InputBus::Virtio),
            InputType::Tablet => Some(InputBus::Usb),
            InputType::Evdev(_) => None,
        });
    }
}

/// Files belong to whom the guest says, unless the document says otherwise.
///
/// libvirt: `virDomainFSDefPostParse`.
pub(super) fn filesystems(domain: &mut Domain, _context: &mut Context<'_>) {
    for filesystem in &mut domain.devices.filesystems {
        let has_socket = filesystem.socket().is_some();
        if !has_socket {
            filesystem.accessmode.get_or_insert(AccessMode::Passthrough);
        }
    }
}

/// Random numbers come from the host's own source.
///
/// libvirt: `virDomainRNGDefPostParse`.
pub(super) fn rngs(domain: &mut Domain, _context: &mut Context<'_>) {
    for rng in &mut domain.devices.rngs {
        if let RngBackend::Random(random) = &mut rng.backend {
            random.path.get_or_insert_with(|| "/dev/random".to_owned());
        }
    }
}

/// A guest panics by a port of the ISA bus.
///
/// libvirt: `qemuDomainDevicePanicDefPostParse`.
pub(super) fn panics(domain: &mut Domain, _context: &mut Context<'_>) {
    for panic in &mut domain.devices.panics {
        panic.model.get_or_insert(PanicModel::Isa);
    }
}

/// A vsock takes any free CID, unless it names one.
///
/// libvirt: `virDomainVsockDefPostParse`, `qemuDomainDeviceVsockDefPostParse`.
pub(super) fn vsock(domain: &mut Domain, _context: &mut Context<'_>) {
    let Some(vsock) = &mut domain.devices.vsock else { return };
    vsock.model.get_or_insert(VirtioModel::Virtio);
    let cid =
        vsock.cid.get_or_insert_with(|| Cid { origin: Origin::Step("CID"), ..Cid::default() });
    cid.auto.get_or_insert(YesNo::from(cid.address.is_none()));
}

/// A TPM has the oldest interface, and the version that goes with its interface.
///
/// libvirt: `qemuDomainTPMDefPostParse`.
pub(super) fn tpms(domain: &mut Domain, _context: &mut Context<'_>) {
    for tpm in &mut domain.devices.tpms {
        let model = *tpm.model.get_or_insert(TpmModel::TpmTis);
        let version = if model == TpmModel::TpmTis { TpmVersion::V1_2 } else { TpmVersion::V2_0 };
        if let Some(emulator) = tpm.emulator_mut() {
            emulator.version.get_or_insert(version);
        }
    }
}

/// The size of shared memory where none is given.
const SHMEM_SIZE: u64 = 4 << 20;

/// Shared memory has 4 MiB, unless a server says how much; a server interrupts by MSI.
///
/// libvirt: `qemuDomainShmemDefPostParse`.
pub(super) fn shmems(domain: &mut Domain, _context: &mut Context<'_>) {
    for shmem in &mut domain.devices.shmems {
        if shmem.model != ShmemModel::IvshmemDoorbell {
            shmem.size = shmem.size.or(NonZeroU64::new(SHMEM_SIZE).map(ShmemSize));
        } else if shmem.server.is_some() {
            let msi = shmem.msi.get_or_insert_with(Msi::default);
            msi.ioeventfd.get_or_insert(OnOff::On);
        }
    }
}

/// Persistent memory is shared with whoever else has its file.
///
/// libvirt: `virDomainMemoryDefPostParse`.
pub(super) fn memory_modules(domain: &mut Domain, _context: &mut Context<'_>) {
    for module in &mut domain.devices.memories {
        if matches!(module.model, MemoryModel::VirtioPmem(_)) {
            module.access.get_or_insert(MemoryAccess::Shared);
        }
    }
}

/// A guest's last words are kept beside the variables of its firmware.
///
/// libvirt: `qemuDomainPstoreDefPostParse`.
pub(super) fn pstore(domain: &mut Domain, context: &mut Context<'_>) {
    let path = format!("{}/{}_PSTORE.raw", context.host.directories.nvram, domain.name);
    if let Some(pstore) = &mut domain.devices.pstore {
        pstore.path.get_or_insert(NonEmpty(path));
    }
}
