//! Completion: fills in what a document leaves open, the way libvirt's QEMU driver does.
//!
//! libvirt interleaves steps that hold for every hypervisor (`conf::step`) with steps of the QEMU
//! driver (the modules here). Their order, which matters, is written down in [`STEPS`] and nowhere
//! else.
//!
//! libvirt: `virDomainDefPostParse` in `src/conf/domain_postparse.c`, `qemuDomainDefPostParse` in
//! `src/qemu/qemu_postparse.c`.

mod adapt;
mod addresses;
mod audio;
mod chardev;
mod context;
mod controller;
mod cpu;
mod default_devices;
mod disk;
mod ephemeral;
mod features;
mod firmware;
mod graphics;
mod hostdev;
mod identity;
mod interface;
mod machine;
mod small_devices;
mod video;

use std::ops::Deref;

use base::OnOff;
use conf::device::chardev::{ChardevSource, Log};
use conf::{Domain, step};
use xml::{Origin, Problem};

use context::Context;

use crate::capabilities::Capabilities;
use crate::host::Host;
use crate::validate::validate;

pub use adapt::adapt;
pub(crate) use chardev::COM_PORTS;
pub use ephemeral::ephemeral;
pub(crate) use firmware::{find as find_firmware, none_found as no_firmware_found};
pub use identity::keep_identity;

/// What a document is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To be stored: what libvirt calls an ABI update. Gaps are filled as for a new guest.
    Define,
    /// As libvirt reads back what it has stored.
    Reload,
}

/// A domain of which every step of completion has been made. Only [`complete`] makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct CompleteDomain(Domain);

impl CompleteDomain {
    /// The domain, to be changed: then it is not complete any more.
    pub fn into_domain(self) -> Domain {
        self.0
    }

    /// The same with a file that gets what the guest's first console says, if that is a terminal which
    /// has none.
    pub fn with_console_log(&self, path: &str) -> Self {
        let mut domain = self.0.clone();
        let devices = &mut domain.devices;
        let chardev = match (devices.consoles.first_mut(), devices.serials.first_mut()) {
            (Some(console), Some(serial)) if console.is_serial() => Some(&mut serial.chardev),
            (console, _) => console.map(|console| &mut console.chardev),
        };
        if let Some(chardev) = chardev.filter(|it| matches!(it.source, ChardevSource::Pty(_))) {
            let file = Some(path.to_owned());
            let log = Log { file, append: Some(OnOff::On), ..Log::default() };
            chardev.log.get_or_insert(log);
        }
        Self(domain)
    }
}

impl Deref for CompleteDomain {
    type Target = Domain;

    fn deref(&self) -> &Domain {
        &self.0
    }
}

/// What completion gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The domain.
    pub domain: CompleteDomain,
    /// Warnings about the document, in its order.
    pub problems: Vec<Problem>,
    /// What had to be made up, in words for the user: a UUID, a MAC address.
    pub made: Vec<String>,
}

/// One step of completion.
type Step = fn(&mut Domain, &mut Context<'_>);

/// All steps, in order.
const STEPS: &[Step] = &[
    // What libvirt fills in while it reads.
    identity::uuid,
    identity::genid,
    machine::default_architecture,
    |domain, context| {
        let default = context.host.security_models.first();
        step::seclabel_default::run(domain, default.map(String::as_str));
    },
    |domain, context| step::vcpu::default_vcpus(domain, &mut context.problems),
    |domain, _| step::lifecycle::default_actions(domain),
    |domain, _| step::clock::default_clock(domain),
    video::primary_first,
    interface::macs,
    interface::virtualports,
    chardev::parallels,
    // `qemuDomainDefPostParseBasic`.
    machine::default_emulator,
    |domain, _| step::controller_index::run(domain),
    // `qemuDomainDefPostParse`.
    machine::machine,
    firmware::select,
    default_devices::ps2_inputs,
    default_devices::usb_controller,
    default_devices::sata_controller,
    default_devices::pci_root,
    default_devices::memballoon,
    default_devices::chipset_watchdog,
    default_devices::iommu,
    audio::default_backend,
    cpu::default_model,
    features::ioapic,
    graphics::own_sockets,
    cpu::check_vcpu_order,
    cpu::default_check,
    features::check_tseg,
    cpu::numa,
    chardev::isa_serial_ports,
    // Each device: `qemuDomainDeviceDefPostParse` and `virDomainDeviceDefPostParseCommon`.
    disk::defaults,
    |domain, context| step::drive_address::disks(domain, &mut context.problems),
    disk::group_limits,
    interface::defaults,
    audio::sounds,
    |domain, context| step::drive_address::hostdevs(domain, &mut context.problems),
    hostdev::defaults,
    video::defaults,
    controller::models,
    chardev::serials,
    chardev::generated_sockets,
    small_devices::inputs,
    small_devices::filesystems,
    small_devices::rngs,
    small_devices::tpms,
    small_devices::shmems,
    small_devices::memory_modules,
    small_devices::pstore,
    small_devices::panics,
    small_devices::vsock,
    // `virDomainDefPostParseCommon`.
    |domain, context| step::vcpu::default_hotpluggable(domain, &mut context.problems),
    |domain, context| {
        step::memory::totals(domain, context.mode == Mode::Define, &mut context.problems);
    },
    |domain, _| step::os::default_loader_kind(domain),
    |domain, _| step::hugepages::for_all_nodes(domain),
    |domain, context| context.problems.extend(step::controller_index::check_duplicates(domain)),
    |domain, context| step::os::default_boot(domain, &mut context.problems),
    |domain, context| step::console::twins(domain, &mut context.problems),
    |domain, context| step::implicit_controllers::run(domain, &mut context.problems),
    video::implicit,
    video::defaults,
    chardev::serials,
    controller::scsi_models,
    graphics::spice_without_ports,
    // `qemuDomainAssignAddresses`.
    addresses::virtio_serial,
    addresses::spapr_vio,
    addresses::pci,
    addresses::usb,
    addresses::memory_slots,
];

/// Completes a domain and validates it.
///
/// # Errors
/// Every problem that was found, warnings included, when one of them is an error.
pub fn complete(
    mut domain: Domain,
    capabilities: &Capabilities,
    host: &Host,
    mode: Mode,
) -> Result<Completion, Vec<Problem>> {
    let mut context = Context::new(capabilities, host, mode);
    for step in STEPS {
        step(&mut domain, &mut context);
    }
    let mut problems = context.problems;
    problems.extend(validate(&domain, capabilities, host));
    problems.sort_by_key(|problem| match problem.origin {
        Origin::Element(number) => number,
        Origin::None | Origin::Step(_) => u32::MAX,
    });
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    Ok(Completion { domain: CompleteDomain(domain), problems, made: context.made })
}
