//! What must be on the command line, and what can be added to the machine before it runs.
//!
//! Everything can be added over QMP that these tables do not name. They hold what QEMU refuses
//! (`Bus 'X' does not support hotplugging`, `Device 'X' does not support hotplugging`), which
//! `tests/hotplug.rs` tries, and what the guest could tell from a device that was there from the start.

use std::collections::BTreeMap;

use base::OnOff;
use conf::Domain;
use conf::device::controller::PciModel;
use serde_json::Value;

use super::builder::{Part, Step};
use super::device::Device;
use super::inventory::Inventory;
use super::writer::Way;
use crate::machine::Family;

/// Devices that must be there when the machine is made, and why.
const COLD: &[(&str, &[&str])] = &[
    // The ACPI tables describe hotplug only for the bridges that are there when they are made.
    (
        "the ACPI tables describe bridges and ports once and for all",
        &[
            "pci-bridge",
            "pcie-pci-bridge",
            "i82801b11-bridge",
            "pcie-root-port",
            "ioh3420",
            "x3130-upstream",
            "xio3130-downstream",
            "pxb",
            "pxb-pcie",
        ],
    ),
    (
        "the firmware shows itself on it",
        &[
            "VGA",
            "cirrus-vga",
            "vmware-svga",
            "qxl-vga",
            "ramfb",
            "virtio-vga",
            "virtio-vga-gl",
            "virtio-gpu-pci",
            "virtio-gpu-gl-pci",
            "vhost-user-vga",
            "vhost-user-gpu-pci",
        ],
    ),
    // A display server shows the consoles that are there when it begins.
    ("screens", &["qxl", "bochs-display"]),
    (
        "its bus takes no device while the guest runs",
        &["ide-hd", "ide-cd", "floppy", "isa-fdc", "nvme-ns"],
    ),
    (
        "the ISA bus takes no device while the guest runs",
        &[
            "isa-serial",
            "isa-parallel",
            "isa-debugcon",
            "pvpanic",
            "ib700",
            "sb16",
            "ne2k_isa",
            "tpm-tis",
            "tpm-crb",
        ],
    ),
    ("it is a part of a sound card", &["hda-duplex", "hda-micro", "hda-output"]),
    (
        "it is a part of the chipset",
        &[
            "ich9-usb-ehci1",
            "ich9-usb-ehci2",
            "ich9-usb-uhci1",
            "ich9-usb-uhci2",
            "ich9-usb-uhci3",
            "pci-ohci",
            "intel-iommu",
            "virtio-iommu",
        ],
    ),
    ("the guest is told of it in tables", &["vmgenid", "vmcoreinfo", "acpi-erst"]),
    ("it is assigned for good", &["vfio-pci-nohotplug"]),
];

/// Why a device of this type must be there when the machine is made; `None` if it can be added later
/// where its bus lets it.
pub fn why_type_is_cold(driver: &str) -> Option<&'static str> {
    COLD.iter().find(|(_, drivers)| drivers.contains(&driver)).map(|(why, _)| *why)
}

/// Network interfaces with an option ROM of their own: without a BAR for it they can only be cold.
const OPTION_ROM: &[&str] = &[
    "virtio-net-pci",
    "virtio-net-pci-transitional",
    "virtio-net-pci-non-transitional",
    "e1000",
    "e1000e",
    "rtl8139",
    "ne2k_pci",
    "pcnet",
    "vmxnet3",
    "igb",
];

/// Of pc: the slot of the ISA bridge, which is there from the beginning, so that further functions
/// beside it can only be cold.
const CHIPSET_SLOT: u32 = 1;

/// What the machine's own PCI bus accepts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    /// Whether devices can be added directly to it.
    hotplug: bool,
}

impl Root {
    /// Of a domain's machine: `pcie.0` accepts nothing, `pci.0` what ACPI can tell the guest of.
    pub(super) fn of(domain: &Domain) -> Self {
        let acpi = domain.features.as_ref().is_some_and(|features| features.acpi);
        let switched_off = domain.devices.controllers.iter().filter_map(|c| c.pci()).any(|pci| {
            pci.model == Some(PciModel::PciRoot) && pci.target.hotplug == Some(OnOff::Off)
        });
        Self { hotplug: Family::of(domain) != Family::Q35 && acpi && !switched_off }
    }
}

/// Which way each part goes.
#[derive(Debug)]
pub(super) struct Ways {
    /// In the order of the parts.
    pub(super) of_parts: Vec<Way>,
    /// The parts that go over QMP, in the order in which they go.
    pub(super) qmp_order: Vec<usize>,
}

/// Decides for each part. What a part on the command line refers to is there, too.
pub(super) fn ways(parts: &[Part], root: &Root) -> Ways {
    let providers = providers(parts);
    let mut of_parts = vec![Way::Qmp; parts.len()];
    let mut cold: Vec<usize> = (0..parts.len())
        .filter(|at| {
            let part = &parts[*at];
            let why = |device| why_cold(device, parts, &providers, root);
            part.is_cold || devices(part).any(|device| why(device).is_some())
        })
        .collect();
    while let Some(at) = cold.pop() {
        if std::mem::replace(&mut of_parts[at], Way::CommandLine) == Way::CommandLine {
            continue;
        }
        each_text(&parts[at], &mut |text| cold.extend(provider(text, &providers)));
        cold.extend((0..parts.len()).filter(|other| share_a_slot(&parts[at], &parts[*other])));
    }
    let qmp_order = order(parts, &of_parts);
    Ways { of_parts, qmp_order }
}

/// Why parts cannot be added to a machine that runs and has the parts `there`: the part, and the
/// reason.
pub(super) fn refusals(parts: &[Part], there: Vec<Part>, root: &Root) -> Vec<(usize, String)> {
    let mut all = parts.to_vec();
    all.extend(there);
    let providers = providers(&all);
    let why = |part: &Part| {
        if part.is_cold {
            return Some("it is there from the start or not at all".to_owned());
        }
        devices(part).find_map(|device| {
            let why = why_cold(device, &all, &providers, root)?;
            Some(format!("QEMU cannot add '{}' to a running machine: {why}", device.driver()))
        })
    };
    parts.iter().enumerate().filter_map(|(at, part)| Some((at, why(part)?))).collect()
}

/// Why a device of a machine that runs cannot be taken from it; `None` if it can.
pub(crate) fn why_it_stays(domain: &Domain, there: &Inventory, id: &str) -> Option<String> {
    let parts = there.parts();
    let providers = providers(&parts);
    let found = parts.iter().flat_map(devices).find(|device| device.text("id") == Some(id))?;
    why_cold(found, &parts, &providers, &Root::of(domain))
}

/// The parts that go over QMP: function 0 of a slot after its other functions, all else in order.
pub(super) fn order(parts: &[Part], ways: &[Way]) -> Vec<usize> {
    let hot = |at: usize| ways[at] == Way::Qmp && parts[at].steps.iter().any(over_qmp);
    let mut order: Vec<usize> = Vec::new();
    for at in (0..parts.len()).filter(|at| hot(*at)) {
        let is_first = devices(&parts[at]).any(|d| d.pci.is_some_and(|pci| pci.function == 0));
        if is_first {
            let others = (at + 1..parts.len())
                .filter(|other| hot(*other) && share_a_slot(&parts[at], &parts[*other]));
            order.extend(others);
        }
        if !order.contains(&at) {
            order.push(at);
        }
    }
    order
}

fn over_qmp(step: &Step) -> bool {
    !matches!(step, Step::Argument(..) | Step::Word(_))
}

/// Why a device must be cold by itself; `None` if it need not be.
fn why_cold(
    device: &Device,
    parts: &[Part],
    providers: &BTreeMap<&str, usize>,
    root: &Root,
) -> Option<String> {
    let driver = device.driver();
    if let Some(why) = why_type_is_cold(driver) {
        return Some(why.to_owned());
    }
    let without_bar = device.properties.get("rombar").is_some_and(|bar| bar == 0);
    if without_bar && OPTION_ROM.contains(&driver) && device.text("romfile") != Some("") {
        return Some("its option ROM has no BAR".to_owned());
    }
    let is_bus_cold = match device.text("bus") {
        Some("pci.0" | "pcie.0") => {
            !root.hotplug || device.pci.is_some_and(|pci| pci.slot == CHIPSET_SLOT)
        }
        Some(bus) if device.pci.is_some() => {
            let bridge = provider(bus, providers)
                .and_then(|at| devices(&parts[at]).find(|bridge| bridge.text("id") == Some(bus)));
            bridge.is_some_and(|bridge| {
                bridge.driver().starts_with("pxb")
                    || bridge.properties.get("hotplug") == Some(&Value::Bool(false))
            })
        }
        _ => false,
    };
    let bus = device.text("bus").filter(|_| is_bus_cold)?;
    Some(format!("nothing can be plugged into '{bus}' while the guest runs"))
}

fn share_a_slot(one: &Part, other: &Part) -> bool {
    let slots =
        |part| devices(part).filter_map(|device: &Device| device.pci).map(|at| (at.bus, at.slot));
    slots(one).any(|slot| slots(other).any(|other| other == slot))
}

fn devices(part: &Part) -> impl Iterator<Item = &Device> {
    part.steps.iter().filter_map(|step| match step {
        Step::Device(device) => Some(device),
        _ => None,
    })
}

/// The part that makes each id.
fn providers(parts: &[Part]) -> BTreeMap<&str, usize> {
    let mut providers = BTreeMap::new();
    for (at, part) in parts.iter().enumerate() {
        for step in &part.steps {
            let id = match step {
                Step::Device(device) => device.text("id"),
                Step::Object(object) => object["id"].as_str(),
                Step::Netdev(properties, _) => properties.get("id").and_then(Value::as_str),
                Step::Chardev(chardev) => Some(chardev.id.as_str()),
                Step::Secret(id) => Some(id.as_str()),
                Step::Blockdev(node) => node["node-name"].as_str(),
                Step::Argument(..) | Step::Word(_) | Step::Fdset(..) | Step::Create(..) => None,
            };
            providers.extend(id.map(|id| (id, at)));
        }
    }
    providers
}

/// The part that a text refers to: by an id, or by a bus of it such as `scsi0.0`.
fn provider(text: &str, providers: &BTreeMap<&str, usize>) -> Option<usize> {
    let of_bus = || providers.get(text.rsplit_once('.')?.0);
    providers.get(text).or_else(of_bus).copied()
}

/// Goes through all texts that a part says to QEMU.
fn each_text(part: &Part, visit: &mut dyn FnMut(&str)) {
    for step in &part.steps {
        match step {
            Step::Device(Device { properties, .. }) | Step::Netdev(properties, _) => {
                properties.values().for_each(|value| each_text_of(value, visit));
            }
            Step::Object(value) | Step::Blockdev(value) => each_text_of(value, visit),
            Step::Argument(..)
            | Step::Word(_)
            | Step::Fdset(..)
            | Step::Create(..)
            | Step::Chardev(..)
            | Step::Secret(..) => {}
        }
    }
}

pub(super) fn each_text_of(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| each_text_of(item, visit)),
        Value::Object(members) => members.values().for_each(|member| each_text_of(member, visit)),
        _ => {}
    }
}
