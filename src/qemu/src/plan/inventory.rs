//! What a running QEMU was told to have: the commands that made it, in order, whichever way they went.
//!
//! Devices, nodes and descriptors that are added later are named beside it, and what is behind a
//! device that goes is found in it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::builder::{Part, Step};
use super::device::Device;
use super::image::OpenImage;
use super::processor::is_processor;
use super::{Command, Plan};
use crate::change::{Image, Rewired};

/// What the nodes of images are called, before their number.
const NODE: &str = "libvirt-";

/// The directory in which QEMU finds sets of descriptors.
const FDSET: &str = "/dev/fdset/";

/// What a running QEMU was told to have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// How often it has changed since the guest was started.
    pub revision: u64,
    /// The commands, in order: `add-fd`, `blockdev-add`, `chardev-add`, `device_add`, `netdev_add`
    /// and `object-add`.
    pub told: Vec<Command>,
    /// How many processors have gone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub processors_gone: u32,
}

impl Inventory {
    /// What a plan tells QEMU: on the command line first, then over QMP.
    pub fn of(plan: &Plan) -> Self {
        let mut told = Vec::new();
        let mut words = plan.argv.iter();
        while let Some(word) = words.next() {
            let Some(execute) = command_of(word) else { continue };
            let Some(value) = words.next() else { break };
            let arguments = serde_json::from_str(value).ok().or_else(|| old_form(execute, value));
            if let Some(arguments) = arguments {
                told.push(Command { execute: execute.to_owned(), arguments, ..Command::default() });
            }
        }
        let mut inventory = Self { told, ..Self::default() };
        inventory.add(&plan.qmp);
        inventory
    }

    /// Notes what QEMU was told, as far as it makes something. A descriptor that takes the place of
    /// another in its set is nothing new.
    pub fn add(&mut self, commands: &[Command]) {
        for command in commands.iter().filter(|command| name(command).is_some()) {
            let set = &command.arguments["fdset-id"];
            let is_same =
                |told: &Command| told.execute == "add-fd" && told.arguments["fdset-id"] == *set;
            if command.execute != "add-fd" || !self.told.iter().any(is_same) {
                self.told.push(command.clone());
            }
        }
    }

    /// Forgets what QEMU was told to have no more.
    pub fn remove(&mut self, commands: &[Command]) {
        let gone: Vec<Command> = commands.iter().map(bare).collect();
        self.told.retain(|told| !undo(told).is_some_and(|undo| gone.contains(&bare(&undo))));
    }

    /// Forgets a device.
    pub fn remove_device(&mut self, id: &str) {
        self.processors_gone += u32::from(is_processor(id));
        self.told.retain(|told| told.execute != "device_add" || name(told) != Some(id));
    }

    /// Whether there is a device of this id.
    pub fn has_device(&self, id: &str) -> bool {
        self.told.iter().any(|told| told.execute == "device_add" && name(told) == Some(id))
    }

    /// The block node that a device uses.
    pub fn drive(&self, device: &str) -> Option<&str> {
        let is_it = |told: &&Command| told.execute == "device_add" && name(told) == Some(device);
        self.told.iter().find(is_it)?.arguments["drive"].as_str()
    }

    /// The images of a disk, from the topmost down, by the names of their nodes.
    pub(crate) fn images(&self, device: &str) -> Vec<OpenImage> {
        let text = |node: &str, member: &str| {
            Some(self.node(node)?.arguments[member].as_str()?.to_owned())
        };
        let is_filter = |node: &String| {
            let driver = text(node, "driver");
            matches!(driver.as_deref(), Some("throttle" | "copy-on-read"))
        };
        // A disk of a USB device sits behind it.
        let drive = self.drive(device).or_else(|| self.drive(&format!("{device}-device")));
        let mut next = drive.map(str::to_owned);
        while let Some(filter) = next.take_if(|node| is_filter(node)) {
            next = text(&filter, "file");
        }
        let mut images = Vec::new();
        // Each image was told once, so that this ends.
        while let Some(node) = next.take().filter(|_| images.len() <= self.told.len()) {
            let storage = text(&node, "file").unwrap_or_else(|| node.clone());
            let set = text(&storage, "filename");
            let fdset = set.and_then(|path| path.strip_prefix(FDSET)?.parse().ok());
            let below = text(&node, "backing");
            let is_read_only =
                self.node(&storage).is_none_or(|told| told.arguments["read-only"] != false);
            let image = Image::default();
            images.push(OpenImage { image, node, storage, fdset, is_read_only });
            next = below;
        }
        images
    }

    /// Whether a disk has its data in this node, in its topmost image.
    pub fn uses_node(&self, device: &str, node: &str) -> bool {
        self.images(device).first().is_some_and(|it| it.node == node || it.storage == node)
    }

    fn node(&self, name: &str) -> Option<&Command> {
        self.told
            .iter()
            .find(|told| told.execute == "blockdev-add" && self::name(told) == Some(name))
    }

    /// Notes what has become of the graph of block nodes.
    pub fn rewire(&mut self, rewired: &Rewired) {
        match rewired {
            Rewired::Replaced { node, by } => {
                let others = self.told.iter_mut().filter(|told| name(told) != Some(by));
                for arguments in others.filter_map(|told| told.arguments.as_object_mut()) {
                    for member in ["drive", "file", "backing"] {
                        if let Some(value) =
                            arguments.get_mut(member).filter(|value| *value == node)
                        {
                            *value = by.as_str().into();
                        }
                    }
                }
            }
            Rewired::Backing { node, backing } => {
                let is_it = |told: &&mut Command| {
                    told.execute == "blockdev-add" && name(told) == Some(node.as_str())
                };
                if let Some(told) = self.told.iter_mut().find(is_it) {
                    told.arguments["backing"] = backing.clone().into();
                }
            }
        }
    }

    /// Notes that a device uses another block node, or none.
    pub fn set_drive(&mut self, device: &str, node: Option<&str>) {
        let is_it =
            |told: &&mut Command| told.execute == "device_add" && name(told) == Some(device);
        let found = self.told.iter_mut().find(is_it);
        if let Some(properties) = found.and_then(|told| told.arguments.as_object_mut()) {
            match node {
                Some(node) => properties.insert("drive".to_owned(), node.into()),
                None => properties.remove("drive"),
            };
        }
    }

    /// The devices that sit on a bus of this one, such as the disk of a USB device.
    pub fn devices_on(&self, id: &str) -> Vec<String> {
        let is_on = |told: &&Command| {
            let bus = told.arguments["bus"].as_str().unwrap_or_default();
            told.execute == "device_add" && bus.split('.').next() == Some(id) && bus != id
        };
        self.told.iter().filter(is_on).filter_map(name).map(str::to_owned).collect()
    }

    /// The commands that take away what is behind devices and nothing else uses, once the devices are
    /// gone: the last that was made first.
    pub fn behind(&self, devices: &[&str]) -> Vec<Command> {
        let is_going = |told: &Command| {
            told.execute == "device_add" && name(told).is_some_and(|id| devices.contains(&id))
        };
        let roots = self.told.iter().enumerate().filter(|(_, told)| is_going(told));
        self.unused_without(roots.map(|(at, _)| at).collect())
    }

    /// The commands that take away a block node and what is below it and nothing else uses.
    pub fn below_node(&self, node: &str) -> Vec<Command> {
        let is_it = |told: &Command| told.execute == "blockdev-add" && name(told) == Some(node);
        let Some(at) = self.told.iter().position(is_it) else { return Vec::new() };
        let mut commands: Vec<Command> = undo(&self.told[at]).into_iter().collect();
        commands.extend(self.unused_without(BTreeSet::from([at])));
        commands
    }

    /// What takes away all that only `going` uses, itself not.
    fn unused_without(&self, mut going: BTreeSet<usize>) -> Vec<Command> {
        let mut behind = Vec::new();
        while let Some(at) = self.next_unused(&going) {
            going.insert(at);
            behind.push(at);
        }
        // What uses something was made after it.
        behind.sort_unstable_by(|one, other| other.cmp(one));
        let mut commands: Vec<Command> =
            behind.into_iter().filter_map(|at| undo(&self.told[at])).collect();
        // One command takes back all descriptors of a set.
        commands.dedup_by(|one, other| bare(one) == bare(other));
        commands
    }

    /// Something that one of `going` uses and nothing else does.
    fn next_unused(&self, going: &BTreeSet<usize>) -> Option<usize> {
        let used_by = |at: usize| {
            let mut names = BTreeSet::new();
            each_name(&self.told[at], &mut |name| {
                names.insert(name.to_owned());
            });
            names
        };
        let used: BTreeSet<String> = going.iter().flat_map(|at| used_by(*at)).collect();
        let still: BTreeSet<String> =
            (0..self.told.len()).filter(|at| !going.contains(at)).flat_map(used_by).collect();
        (0..self.told.len()).find(|at| {
            let told = &self.told[*at];
            let handles = handles(told);
            let is_in = |names: &BTreeSet<String>| handles.iter().any(|name| names.contains(name));
            !going.contains(at) && may_go(told) && is_in(&used) && !is_in(&still)
        })
    }

    /// The first number that no block node has.
    pub(crate) fn free_node(&self) -> u32 {
        let numbers = self.told.iter().filter_map(|told| {
            told.arguments["node-name"]
                .as_str()?
                .strip_prefix(NODE)?
                .split('-')
                .next()?
                .parse()
                .ok()
        });
        numbers.max().map_or(1, |highest: u32| highest.saturating_add(1))
    }

    /// The first number that no set of descriptors has.
    pub(crate) fn free_fdset(&self) -> u32 {
        let numbers = self.told.iter().filter_map(|told| told.arguments["fdset-id"].as_u64());
        numbers.max().map_or(1, |highest| u32::try_from(highest).unwrap_or(u32::MAX - 1) + 1)
    }

    /// The same as parts of a machine: its devices, which are what new ones are plugged into.
    pub(super) fn parts(&self) -> Vec<Part> {
        let devices = self.told.iter().filter(|told| told.execute == "device_add");
        devices
            .filter_map(|told| {
                let properties: Map<String, Value> = told.arguments.as_object()?.clone();
                let device = Device { properties, ..Device::default() };
                Some(Part { steps: vec![Step::Device(device)], ..Part::default() })
            })
            .collect()
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The command that takes back what another one has done; `None` if there is nothing to take back.
pub fn undo(command: &Command) -> Option<Command> {
    let arguments = &command.arguments;
    let (execute, arguments) = match command.execute.as_str() {
        "add-fd" => ("remove-fd", json!({"fdset-id": arguments["fdset-id"]})),
        "getfd" => ("closefd", json!({"fdname": arguments["fdname"]})),
        "blockdev-add" => ("blockdev-del", json!({"node-name": arguments["node-name"]})),
        "chardev-add" => ("chardev-remove", json!({"id": arguments["id"]})),
        "netdev_add" => ("netdev_del", json!({"id": arguments["id"]})),
        "object-add" => ("object-del", json!({"id": arguments["id"]})),
        "device_add" => ("device_del", json!({"id": arguments["id"]})),
        "block-commit" | "block-stream" | "blockdev-mirror" => {
            ("block-job-cancel", json!({"device": arguments["job-id"], "force": true}))
        }
        _ => return None,
    };
    let purpose = command.purpose.clone();
    let at = command.at.clone();
    let origin = command.origin;
    let execute = execute.to_owned();
    Some(Command { execute, arguments, purpose, at, origin, ..Command::default() })
}

/// A command without what is said about it.
fn bare(command: &Command) -> Command {
    Command {
        execute: command.execute.clone(),
        arguments: command.arguments.clone(),
        ..Command::default()
    }
}

/// The command that does what an option of the command line does.
fn command_of(option: &str) -> Option<&'static str> {
    Some(match option {
        "-add-fd" => "add-fd",
        "-blockdev" => "blockdev-add",
        "-chardev" => "chardev-add",
        "-device" => "device_add",
        "-netdev" => "netdev_add",
        "-object" => "object-add",
        _ => return None,
    })
}

/// What must be known of an option that is not JSON: how it is called.
fn old_form(execute: &str, value: &str) -> Option<Value> {
    let find = |name: &str| value.split(',').find_map(|part| part.strip_prefix(name));
    match execute {
        "add-fd" => Some(json!({"fdset-id": find("set=")?.parse::<u32>().ok()?})),
        _ => Some(json!({"id": find("id=")?, "logfile": find("logfile=")})),
    }
}

/// How what a command makes is called.
fn name(command: &Command) -> Option<&str> {
    match command.execute.as_str() {
        "blockdev-add" => command.arguments["node-name"].as_str(),
        "chardev-add" | "netdev_add" | "object-add" | "device_add" => {
            command.arguments["id"].as_str()
        }
        "add-fd" => Some(FDSET),
        _ => None,
    }
}

/// How others refer to what a command makes.
fn handles(command: &Command) -> Vec<String> {
    let arguments = &command.arguments;
    match command.execute.as_str() {
        "add-fd" => {
            let number = arguments["opaque"].as_str().map(number_path);
            let set = format!("{FDSET}{}", arguments["fdset-id"]);
            number.into_iter().chain([set]).collect()
        }
        _ => name(command).map(str::to_owned).into_iter().collect(),
    }
}

/// The path by which a QEMU that runs opens again what a descriptor is open on, by the late value of
/// the number that it says the descriptor has there.
pub(super) fn number_path(fd: &str) -> String {
    format!("/proc/self/fd/{{{fd}-number}}")
}

/// Whether something goes with the only one that uses it. Devices go by themselves, and threads and
/// groups of limits are the domain's.
fn may_go(command: &Command) -> bool {
    let kind = command.arguments["qom-type"].as_str();
    command.execute != "device_add" && !matches!(kind, Some("iothread" | "throttle-group"))
}

/// Every text that a command may refer to something by; buses are where a device sits, not what is
/// behind it.
fn each_name(command: &Command, visit: &mut dyn FnMut(&str)) {
    let Some(arguments) = command.arguments.as_object() else { return };
    let own = ["id", "node-name", "driver", "bus", "qom-type"];
    let values = arguments.iter().filter(|(member, _)| !own.contains(&member.as_str()));
    values.for_each(|(_, value)| super::hotplug::each_text_of(value, visit));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(execute: &str, arguments: Value) -> Command {
        Command { execute: execute.to_owned(), arguments, ..Command::default() }
    }

    fn two_disks_on_one_base() -> Inventory {
        let node = |name: &str, more: Value| {
            let mut node = json!({"node-name": name, "driver": "file"});
            let members = more.as_object().cloned().unwrap_or_default();
            node.as_object_mut().unwrap().extend(members);
            told("blockdev-add", node)
        };
        let disk = |id: &str, node: &str| {
            told(
                "device_add",
                json!({"driver": "virtio-blk-pci", "id": id, "drive": node,
                                      "bus": "pci.1", "iothread": "iothread1"}),
            )
        };
        Inventory {
            told: vec![
                told("object-add", json!({"qom-type": "iothread", "id": "iothread1"})),
                told("add-fd", json!({"fdset-id": 1, "opaque": "base"})),
                node("libvirt-1-storage", json!({"filename": "/dev/fdset/1"})),
                told("add-fd", json!({"fdset-id": 4, "opaque": "a"})),
                told("add-fd", json!({"fdset-id": 4, "opaque": "a-ro"})),
                node("libvirt-2-storage", json!({"filename": "/dev/fdset/4"})),
                node(
                    "libvirt-2-format",
                    json!({"file": "libvirt-2-storage", "backing": "libvirt-1-storage"}),
                ),
                disk("virtio-disk0", "libvirt-2-format"),
                node("libvirt-3-format", json!({"backing": "libvirt-1-storage"})),
                disk("virtio-disk1", "libvirt-3-format"),
            ],
            ..Inventory::default()
        }
    }

    #[test]
    fn what_is_behind_a_device_goes_the_last_first_and_what_others_use_stays() {
        let inventory = two_disks_on_one_base();
        let behind: Vec<String> = inventory
            .behind(&["virtio-disk0"])
            .iter()
            .map(|command| format!("{} {}", command.execute, command.arguments))
            .collect();
        assert_eq!(
            behind,
            [
                r#"blockdev-del {"node-name":"libvirt-2-format"}"#,
                r#"blockdev-del {"node-name":"libvirt-2-storage"}"#,
                r#"remove-fd {"fdset-id":4}"#,
            ]
        );
        assert_eq!((inventory.free_node(), inventory.free_fdset()), (4, 5));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut inventory = two_disks_on_one_base();
        inventory.remove_device("virtio-disk0");
        inventory.remove(&two_disks_on_one_base().behind(&["virtio-disk0"]));
        assert!(!inventory.has_device("virtio-disk0") && inventory.has_device("virtio-disk1"));
        assert_eq!(inventory.told.len(), 5);
    }
}
