//! Making a plan: the elements of the domain, one after the other.

use xml::Problem;

use super::{
    Builder, Plan, audio, boot, clock, controller, cpu, crypto, disk, filesystem, firmware,
    graphics, guest, hostdev, input, interface, iommu, iothread, launch_security, lease, machine,
    memballoon, memory, memory_device, namespace, numa, ports, pstore, redirdev, rng, shmem,
    smbios, sound, source, throttle, tpm, tune, video, vsock, watchdog,
};
use crate::answers::{Answers, Question};
use crate::capabilities::Capabilities;
use crate::complete::CompleteDomain;
use crate::host::Host;
use crate::prepare::prepared;
use crate::validate::plan_problems;

/// How a guest is to be started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether the guest is left paused.
    pub paused: bool,
    /// Whether everything must be exactly as asked: what would be a warning is an error then.
    pub strict: bool,
}

/// What must be looked at before a plan can be made, as far as the answers so far tell. Answers may
/// lead to further questions; when nothing is returned that has no answer, the plan will examine
/// all it can.
pub fn questions(domain: &CompleteDomain, host: &Host, answers: &Answers) -> Vec<Question> {
    let devices = &domain.devices;
    let mut questions: Vec<Question> = Vec::new();
    questions.extend(firmware::questions(domain, host, answers));
    questions.extend(devices.disks.iter().flat_map(|disk| disk::questions(disk, host, answers)));
    let filesystems = devices.filesystems.iter();
    questions.extend(filesystems.flat_map(|share| filesystem::questions(share, answers)));
    let interfaces = devices.interfaces.iter();
    questions.extend(interfaces.flat_map(|interface| interface::questions(interface, host)));
    questions.extend(devices.vsock.iter().flat_map(|vsock| vsock::questions(vsock, answers)));
    let displays = devices.graphics.iter();
    questions.extend(displays.flat_map(|one| graphics::questions(one, domain, host, answers)));
    questions.extend(devices.hostdevs.iter().flat_map(|one| hostdev::questions(one, host)));
    questions.extend(devices.tpms.iter().flat_map(|one| tpm::questions(one, host)));
    questions.extend(source::questions(host));
    questions.retain(|question| answers.get(question).is_none());
    questions.sort();
    questions.dedup();
    questions
}

/// Makes the plan of a start: the machine that libvirt would make, with everything that the domain
/// names handed over as descriptors, and everything that can be added to the machine before it runs
/// added over QMP.
///
/// The order is libvirt's: `qemuBuildCommandLine` in `src/qemu/qemu_command.c`.
///
/// # Errors
/// Every reason why the guest cannot be started.
pub fn plan(
    domain: &CompleteDomain,
    capabilities: &Capabilities,
    host: &Host,
    answers: &Answers,
    options: &Options,
) -> Result<Plan, Vec<Problem>> {
    let problems = plan_problems(domain, capabilities, host);
    if !problems.is_empty() {
        return Err(problems);
    }
    let prepared = prepared(domain, capabilities, host)?;
    let mut builder = Builder::new(&prepared, capabilities, host, answers, options);
    machine_itself(&mut builder);
    devices(&mut builder);
    let binary = domain.devices.emulator.as_deref().unwrap_or(&capabilities.binary);
    builder.finish(binary)
}

fn machine_itself(builder: &mut Builder<'_>) {
    guest::refuse_unknown(builder);
    guest::start(builder);
    firmware::nodes(builder);
    machine::machine(builder);
    cpu::model(builder);
    firmware::loader(builder);
    memory::memory(builder);
    memory_device::enclaves(builder);
    cpu::count(builder);
    tune::processors(builder);
    tune::threads(builder);
    tune::limits(builder);
    iothread::iothreads(builder);
    throttle::groups(builder);
    numa::numa(builder);
    guest::identity(builder);
    smbios::smbios(builder);
    smbios::firmware_configuration(builder);
    smbios::generation(builder);
    guest::monitor(builder);
    clock::clock(builder);
    builder.flag("no-shutdown");
    machine::sleep_states(builder);
    boot::boot(builder);
    if let Some(iommu) = &builder.domain.devices.iommu {
        iommu::iommu(builder, iommu);
    }
    machine::pci_hole(builder);
}

fn devices(builder: &mut Builder<'_>) {
    let devices = &builder.domain.devices;
    controller::controllers(builder);
    each(builder, &devices.memories, memory_device::memory_device);
    each(builder, &devices.hubs, input::hub);
    controller::smartcard_readers(builder);
    disk::floppy_controller(builder);
    disk::disks(builder);
    each(builder, &devices.filesystems, filesystem::filesystem);
    each(builder, &devices.interfaces, interface::interface);
    each(builder, &devices.smartcards, redirdev::smartcard);
    each(builder, &devices.serials, ports::serial);
    each(builder, &devices.parallels, ports::parallel);
    each(builder, &devices.channels, ports::channel);
    each(builder, &devices.consoles, ports::console);
    each(builder, &devices.tpms, tpm::tpm);
    each(builder, &devices.inputs, input::input);
    each(builder, &devices.audios, audio::audio);
    each(builder, &devices.graphics, graphics::graphics);
    each(builder, &devices.videos, video::video);
    each(builder, &devices.sounds, sound::sound);
    watchdog::watchdogs(builder);
    each(builder, &devices.redirdevs, redirdev::redirdev);
    each(builder, &devices.interfaces, interface::host_device);
    each(builder, &devices.hostdevs, hostdev::hostdev);
    if let Some(balloon) = &devices.memballoon {
        memballoon::memballoon(builder, balloon);
    }
    each(builder, &devices.rngs, rng::rng);
    guest::vmcoreinfo(builder);
    launch_security::launch_security(builder);
    namespace::commandline(builder);
    guest::sandbox(builder);
    each(builder, &devices.panics, watchdog::panic);
    each(builder, &devices.shmems, shmem::shmem);
    if let Some(vsock) = &devices.vsock {
        vsock::vsock(builder, vsock);
    }
    each(builder, &devices.cryptos, crypto::crypto);
    each(builder, devices.pstore.as_slice(), pstore::pstore);
    each(builder, &devices.leases, lease::lease);
    guest::end(builder);
    namespace::capabilities(builder);
    namespace::check_overrides(builder);
}

fn each<'a, T>(
    builder: &mut Builder<'a>,
    devices: &'a [T],
    make: impl Fn(&mut Builder<'a>, usize, &T),
) {
    for (pos, device) in devices.iter().enumerate() {
        make(builder, pos, device);
    }
}
