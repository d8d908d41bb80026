//! Making a plan: the elements of the domain, one after the other.

use std::collections::BTreeSet;

use conf::Domain;
use conf::device::{Device, DeviceId, DeviceKind};
use serde_json::Value;
use xml::Problem;

use super::builder::Wanted;
use super::{
    Builder, Inventory, Plan, audio, boot, clock, control_group, controller, cpu, crypto, disk,
    filesystem, firmware, graphics, guest, hostdev, input, interface, iommu, iothread,
    launch_security, lease, machine, memballoon, memory, memory_device, namespace, numa, ports,
    processor, pstore, redirdev, rng, shmem, smbios, sound, source, throttle, tpm, tune, video,
    vsock, watchdog,
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
    let mut questions = firmware::questions(domain, host, answers);
    let displays = domain.devices.graphics.iter();
    questions.extend(displays.flat_map(|one| graphics::questions(one, domain, host, answers)));
    let ids = domain.devices.iter().map(|(id, _)| id).collect();
    questions.extend(device_questions(domain, &ids, host, answers));
    still_open(questions, answers)
}

/// What must be looked at before some devices of a domain can be planned.
pub(crate) fn device_questions(
    domain: &Domain,
    devices: &BTreeSet<DeviceId>,
    host: &Host,
    answers: &Answers,
) -> Vec<Question> {
    let found = devices.iter().filter_map(|id| domain.devices.get(*id));
    let of_device = |device: Device<'_>| match device {
        Device::Disk(disk) => disk::questions(disk, host, answers),
        Device::Filesystem(share) => filesystem::questions(share, answers),
        Device::Interface(interface) => interface::questions(interface, host),
        Device::Vsock(vsock) => vsock::questions(vsock, answers),
        Device::Hostdev(hostdev) => hostdev::questions(hostdev, host),
        Device::Tpm(tpm) => tpm::questions(tpm, host),
        _ => Vec::new(),
    };
    let mut questions: Vec<Question> = found.flat_map(of_device).collect();
    questions.extend(source::questions(host));
    still_open(questions, answers)
}

/// Each question once that has no answer.
fn still_open(mut questions: Vec<Question>, answers: &Answers) -> Vec<Question> {
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
    cpu::check(builder);
    firmware::loader(builder);
    memory::memory(builder);
    memory_device::enclaves(builder);
    cpu::count(builder);
    tune::processors(builder);
    tune::threads(builder);
    tune::without_effect(builder);
    control_group::limits(builder);
    builder.locked_memory = control_group::locked_memory(builder);
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

/// Plans devices for a machine that runs already: nothing of them is on a command line.
///
/// # Errors
/// Every reason why one of them cannot be added.
pub(crate) fn additions(
    domain: &Domain,
    wanted: Wanted<'_>,
    capabilities: &Capabilities,
    host: &Host,
    answers: &Answers,
    options: &Options,
) -> Result<Plan, Vec<Problem>> {
    let mut builder = Builder::new(domain, capabilities, host, answers, options);
    builder.only(wanted);
    devices(&mut builder);
    builder.finish_additions()
}

/// Plans the medium of a drive of a machine that runs; with the name of its topmost node, `None` if the
/// drive is empty then.
///
/// # Errors
/// Every reason why it cannot be put in.
pub(crate) fn medium(
    domain: &Domain,
    pos: usize,
    there: &Inventory,
    capabilities: &Capabilities,
    (host, answers, options): (&Host, &Answers, &Options),
) -> Result<(Plan, Option<String>), Vec<Problem>> {
    let devices = BTreeSet::from([DeviceId { kind: DeviceKind::Disk, pos }]);
    let mut builder = Builder::new(domain, capabilities, host, answers, options);
    builder.only(Wanted { devices: &devices, there });
    let node = disk::medium(&mut builder, pos);
    Ok((builder.finish_additions()?, node))
}

/// Plans processors of a machine that runs, and where all threads run and what limits them. `places` is
/// what QEMU answers to `query-hotpluggable-cpus`.
///
/// # Errors
/// QEMU has no place for one of them.
pub(crate) fn processors(
    domain: &Domain,
    (numbers, places): (&BTreeSet<u32>, &Value),
    there: &Inventory,
    capabilities: &Capabilities,
    host: &Host,
) -> Result<Plan, Vec<Problem>> {
    let (answers, options) = (Answers::default(), Options::default());
    let mut builder = Builder::new(domain, capabilities, host, &answers, &options);
    let devices = BTreeSet::new();
    builder.only(Wanted { devices: &devices, there });
    tune::threads(&mut builder);
    control_group::limits(&mut builder);
    processor::processors(&mut builder, numbers, places);
    builder.finish_additions()
}

fn devices(builder: &mut Builder<'_>) {
    let devices = &builder.domain.devices;
    controller::controllers(builder);
    each(builder, DeviceKind::MemoryDevice, &devices.memories, memory_device::memory_device);
    each(builder, DeviceKind::Hub, &devices.hubs, input::hub);
    controller::smartcard_readers(builder);
    if builder.is_whole_machine() {
        disk::floppy_controller(builder);
    }
    disk::disks(builder);
    each(builder, DeviceKind::Filesystem, &devices.filesystems, filesystem::filesystem);
    each(builder, DeviceKind::Interface, &devices.interfaces, interface::interface);
    each(builder, DeviceKind::Smartcard, &devices.smartcards, redirdev::smartcard);
    each(builder, DeviceKind::Serial, &devices.serials, ports::serial);
    each(builder, DeviceKind::Parallel, &devices.parallels, ports::parallel);
    each(builder, DeviceKind::Channel, &devices.channels, ports::channel);
    each(builder, DeviceKind::Console, &devices.consoles, ports::console);
    each(builder, DeviceKind::Tpm, &devices.tpms, tpm::tpm);
    each(builder, DeviceKind::Input, &devices.inputs, input::input);
    each(builder, DeviceKind::Audio, &devices.audios, audio::audio);
    each(builder, DeviceKind::Graphics, &devices.graphics, graphics::graphics);
    each(builder, DeviceKind::Video, &devices.videos, video::video);
    each(builder, DeviceKind::Sound, &devices.sounds, sound::sound);
    watchdog::watchdogs(builder);
    each(builder, DeviceKind::Redirdev, &devices.redirdevs, redirdev::redirdev);
    each(builder, DeviceKind::Interface, &devices.interfaces, interface::host_device);
    each(builder, DeviceKind::Hostdev, &devices.hostdevs, hostdev::hostdev);
    each(builder, DeviceKind::Memballoon, devices.memballoon.as_slice(), memballoon::memballoon);
    each(builder, DeviceKind::Rng, &devices.rngs, rng::rng);
    if builder.is_whole_machine() {
        guest::vmcoreinfo(builder);
        launch_security::launch_security(builder);
        namespace::commandline(builder);
        guest::sandbox(builder);
    }
    each(builder, DeviceKind::Panic, &devices.panics, watchdog::panic);
    each(builder, DeviceKind::Shmem, &devices.shmems, shmem::shmem);
    each(builder, DeviceKind::Vsock, devices.vsock.as_slice(), vsock::vsock);
    each(builder, DeviceKind::Crypto, &devices.cryptos, crypto::crypto);
    each(builder, DeviceKind::Pstore, devices.pstore.as_slice(), pstore::pstore);
    each(builder, DeviceKind::Lease, &devices.leases, lease::lease);
    if builder.is_whole_machine() {
        guest::end(builder);
        namespace::capabilities(builder);
        namespace::check_overrides(builder);
    }
}

fn each<'a, T>(
    builder: &mut Builder<'a>,
    kind: DeviceKind,
    devices: &'a [T],
    make: impl Fn(&mut Builder<'a>, usize, &T),
) {
    for (pos, device) in devices.iter().enumerate() {
        if builder.wants(kind, pos) {
            make(builder, pos, device);
        }
    }
}
