//! What libvirt refuses only when a guest is to be started: what this QEMU or this host has not at
//! the moment.
//!
//! libvirt: `qemuProcessStartValidate`, `qemuBuildCommandLineValidate` and what fails while the
//! command line is built.

use std::collections::BTreeSet;

use conf::address::Address;
use conf::cpu::CpuMode;
use conf::device::controller::UsbModel;
use conf::device::disk::Bus;
use conf::device::disk::network_source::Protocol;
use conf::device::disk::source::Source;
use conf::device::interface::InterfaceKind;
use conf::device::tpm::TpmBackend;
use conf::device::video::VideoBackend;
use conf::memory_backing::MemorySource;
use conf::numatune::NumatuneMode;
use conf::{Domain, DomainType};
use xml::{Origin, Part, Problem};

use super::{Check, Rule, attribute, run};
use crate::capabilities::Capabilities;
use crate::complete;
use crate::host::Host;

/// The rules of a start.
pub const RULES: &[Rule] = &[
    Rule::new("bus-is-of-qemu", "other hypervisors have other buses", bus),
    Rule::new("firmware-was-found", "a guest cannot start without firmware", firmware),
    Rule::new("host-cpu-needs-kvm", "an interpreted processor is not the host's", host_cpu),
    Rule::new("hugepages-are-mounted", "huge pages are taken from a mount", hugepages),
    Rule::new("host-nodes-are-there", "memory comes from nodes that the host has", nodes),
    Rule::new("interface-is-of-qemu", "other hypervisors have other interfaces", interface),
    Rule::new("iscsi-has-one-server", "an iSCSI disk is on one portal", iscsi),
    Rule::new("tap-node-fits", "only some interfaces are taps", tap_node),
    Rule::new("shmem-is-on-pci", "the device is one of PCI", shmem),
    Rule::new("tpm-program-is-there", "swtpm emulates the TPM", tpm),
    Rule::new("usb-controller-is-there", "what is plugged in needs a bus", usb),
];

/// The rules that a plan is made without: libvirt leaves it to QEMU to find out.
const LEFT_TO_QEMU: &[Rule] = &[
    Rule::new("kvm-can-be-used", "a guest of type kvm runs on the host's processor", kvm),
    Rule::new("vhost-video-needs-shared-memory", "another process draws", video),
];

/// What keeps a guest from being started here, though it is defined well.
pub fn start_problems(domain: &Domain, capabilities: &Capabilities, host: &Host) -> Vec<Problem> {
    run(&[RULES, LEFT_TO_QEMU], domain, capabilities, host)
}

/// What keeps a plan from being made.
pub fn plan_problems(domain: &Domain, capabilities: &Capabilities, host: &Host) -> Vec<Problem> {
    run(&[RULES], domain, capabilities, host)
}

/// libvirt: `qemuBuildDiskDeviceProps`.
fn bus(check: &mut Check<'_>) {
    for disk in &check.domain.devices.disks {
        if let Some(bus @ (Bus::Xen | Bus::Uml)) = disk.target.bus {
            let message = format!("QEMU has no bus '{bus}'");
            check.refuse_value(disk.target.origin, "bus", message, "virtio, scsi, sata, ide, …");
        }
    }
}

/// libvirt: `qemuBuildInterfaceCommandLine`.
fn interface(check: &mut Check<'_>) {
    for interface in &check.domain.devices.interfaces {
        let kind = &interface.kind;
        if matches!(kind, InterfaceKind::Internal(_) | InterfaceKind::Null | InterfaceKind::Vds(_))
        {
            let message = format!("QEMU has no interface of type '{}'", kind.word());
            let expected = "user, bridge, network, ethernet, direct, …";
            check.refuse_value(interface.origin, "type", message, expected);
        }
    }
}

fn firmware(check: &mut Check<'_>) {
    if check.domain.os.firmware.is_some()
        && complete::find_firmware(check.domain, check.host).is_none()
    {
        check.problems.push(complete::no_firmware_found(check.domain));
    }
}

fn kvm(check: &mut Check<'_>) {
    if check.domain.kind == DomainType::Kvm && !check.capabilities.kvm {
        let message = "QEMU cannot use KVM here";
        let help =
            "load the kernel's KVM module and see who may open /dev/kvm, or write type='qemu'";
        check.refuse(check.domain.origin, attribute("type"), message, help);
    }
}

fn host_cpu(check: &mut Check<'_>) {
    if let Some(cpu) = check.domain.cpu.as_ref().filter(|cpu| cpu.mode == CpuMode::HostPassthrough)
        && check.domain.kind == DomainType::Qemu
    {
        let message = "mode='host-passthrough' needs KVM";
        let help = "write <domain type='kvm'>, or mode='maximum'";
        check.refuse(cpu.origin, attribute("mode"), message, help);
    }
}

fn hugepages(check: &mut Check<'_>) {
    let Some(backing) = &check.domain.memory_backing else { return };
    if backing.source == Some(MemorySource::Memfd) {
        return;
    }
    for page in backing.hugepages.iter().flat_map(|hugepages| &hugepages.pages) {
        let size = page.size.0;
        let is_normal = size == check.host.page_size;
        if !is_normal && !check.host.hugepages.iter().any(|mount| mount.size == size) {
            let message = format!("there are no huge pages of {size} KiB mounted on this host");
            let sizes: Vec<String> =
                check.host.hugepages.iter().map(|mount| mount.size.to_string()).collect();
            let expected = if sizes.is_empty() {
                "no <hugepages>, or a mount of hugetlbfs".to_owned()
            } else {
                format!("{} KiB", sizes.join(" or "))
            };
            check.refuse_value(page.origin, "size", message, expected);
        }
    }
}

fn nodes(check: &mut Check<'_>) {
    let Some(numatune) = &check.domain.numatune else { return };
    let there: BTreeSet<u32> = check.host.numa_nodes.iter().copied().collect();
    if there.is_empty() {
        return;
    }
    let mut sets: Vec<(Origin, &BTreeSet<u32>)> = Vec::new();
    if let Some(memory) = &numatune.memory
        && matches!(memory.mode, NumatuneMode::Strict | NumatuneMode::Restrictive)
        && let Some(nodes) = &memory.nodeset
    {
        sets.push((memory.origin, &nodes.0));
    }
    sets.extend(numatune.memnodes.iter().map(|memnode| (memnode.origin, &memnode.nodeset.0)));
    for (origin, nodes) in sets {
        if let Some(node) = nodes.iter().find(|node| !there.contains(node)) {
            let message = format!("this host has no NUMA node {node}");
            let known: Vec<String> = there.iter().map(u32::to_string).collect();
            check.refuse_value(origin, "nodeset", message, known.join(", "));
        }
    }
}

fn iscsi(check: &mut Check<'_>) {
    for disk in &check.domain.devices.disks {
        if let Source::Network(network) = &disk.source
            && network.protocol == Protocol::Iscsi
            && network.hosts.len() != 1
        {
            let message = format!("an iSCSI disk has one <host>, not {}", network.hosts.len());
            let origin = network.common.origin;
            check.refuse(origin, Part::Name, message, "name the portal in <host name='…'/>");
        }
    }
}

/// libvirt: `qemuBuildInterfaceCommandLine`.
fn tap_node(check: &mut Check<'_>) {
    for interface in &check.domain.devices.interfaces {
        let is_tap = matches!(
            interface.kind,
            InterfaceKind::Network(_) | InterfaceKind::Bridge(_) | InterfaceKind::Ethernet(_)
        );
        let is_tap = is_tap || matches!(interface.kind, InterfaceKind::Direct(_));
        if interface.backend.tap.is_some() && !is_tap {
            let message = format!("an interface of type '{}' is no tap", interface.kind.word());
            let origin = interface.backend.origin;
            check.refuse(origin, attribute("tap"), message, "leave out 'tap'");
        }
    }
}

fn shmem(check: &mut Check<'_>) {
    for shmem in &check.domain.devices.shmems {
        if !matches!(shmem.info.address, None | Some(Address::Pci(_))) {
            let message = "shared memory is a device of PCI";
            check.refuse(shmem.origin, Part::Name, message, "write <address type='pci' …/>");
        }
    }
}

fn tpm(check: &mut Check<'_>) {
    for tpm in &check.domain.devices.tpms {
        if matches!(tpm.backend, TpmBackend::Emulator(_))
            && !check.host.programs.contains_key("swtpm")
        {
            let message = "there is no swtpm on this host, which emulates a TPM";
            check.refuse(tpm.origin, Part::Name, message, "install it (Debian: swtpm)");
        }
    }
}

/// libvirt: `qemuBuildUSBControllerDevProps`, `qemuDomainUSBAddressAddHubs`.
fn usb(check: &mut Check<'_>) {
    for controller in &check.domain.devices.controllers {
        let Some(usb) = controller.usb() else { continue };
        let device = match usb.model {
            None => {
                let message = "no model of this USB controller goes without saying with this QEMU";
                check.refuse(controller.origin, Part::Name, message, "write model='qemu-xhci'");
                continue;
            }
            Some(UsbModel::Piix3Uhci) => "piix3-usb-uhci",
            Some(UsbModel::Piix4Uhci) => "piix4-usb-uhci",
            Some(UsbModel::Ehci) => "usb-ehci",
            Some(UsbModel::Ich9Ehci1) => "ich9-usb-ehci1",
            Some(UsbModel::Ich9Uhci1) => "ich9-usb-uhci1",
            Some(UsbModel::Ich9Uhci2) => "ich9-usb-uhci2",
            Some(UsbModel::Ich9Uhci3) => "ich9-usb-uhci3",
            Some(UsbModel::Vt82c686bUhci) => "vt82c686b-usb-uhci",
            Some(UsbModel::PciOhci) => "pci-ohci",
            Some(UsbModel::NecXhci) => "nec-usb-xhci",
            Some(UsbModel::QemuXhci) => "qemu-xhci",
            Some(UsbModel::None) => continue,
            Some(UsbModel::Qusb1 | UsbModel::Qusb2) => {
                let message = "only Xen has such USB controllers";
                check.refuse_value(controller.origin, "model", message, "qemu-xhci");
                continue;
            }
        };
        check.need_type(device, controller.origin, "such USB controller");
    }
    let buses: BTreeSet<u32> = check
        .domain
        .devices
        .controllers
        .iter()
        .filter(|controller| controller.usb().is_some())
        .filter_map(|controller| controller.index)
        .collect();
    for (_, device) in check.domain.devices.iter() {
        let address = device.info().and_then(|info| info.address.as_ref());
        if let Some(usb) = address.and_then(Address::usb).filter(|usb| !buses.contains(&usb.bus)) {
            let message = format!("there is no USB bus {}", usb.bus);
            let help = format!("add <controller type='usb' index='{}'/>", usb.bus);
            check.refuse(device.origin(), Part::Name, message, help);
        }
    }
}

fn video(check: &mut Check<'_>) {
    for video in &check.domain.devices.videos {
        let backend = video.driver.as_ref().and_then(|driver| driver.name);
        if backend == Some(VideoBackend::Vhostuser) {
            check.need_shared_memory(video.origin, "a video card beside QEMU");
        }
    }
}
