//! What a QEMU tells of its machine, in lines that can be compared.

use std::collections::BTreeMap;

use libtest_mimic::Failed;
use qmp::{Client, Error, Pending};
use serde_json::{Map, Value, json};
use sys::runtime::block_on;

/// The objects below which everything is read.
const ROOTS: [&str; 4] = ["/machine", "/objects", "/chardevs", "/backend"];
/// Objects that are numbered in the order in which they were made.
const NUMBERED: [&str; 2] = ["/machine/unattached/", "/machine/peripheral-anon/"];

/// What is asked besides.
const QUERIES: &[&str] = &[
    "query-balloon",
    "query-block",
    "query-chardev",
    "query-cpus-fast",
    "query-hotpluggable-cpus",
    "query-iothreads",
    "query-memdev",
    "query-memory-devices",
    "query-memory-size-summary",
    "query-mice",
    "query-named-block-nodes",
    "query-pci",
    "query-rx-filter",
    "query-tpm",
];
/// What only people are told.
const INFOS: &[&str] = &["info mtree -f", "info qtree", "info usb", "info network", "info roms"];

/// Members that differ between two starts or that the guest cannot see, each with its reason.
const UNSEEN: &[&str] = &[
    // A device was added to the machine after it was made: the machine is reset before it runs.
    "hotplugged",
    // The time goes on, and threads have new numbers.
    "date",
    "rtc-time",
    "thread-id",
    // Sockets are passed as descriptors.
    "addr/chardev",
    // How much of a file the host's file system has made so far.
    "actual-size",
];
/// Objects with the same reasons.
const UNSEEN_OBJECTS: &[&str] = &[
    // The key of secrets on libvirt's command line: ours are passed over QMP.
    "/objects/masterKey0",
    // An IOMMU's own regions for each device are named in the order in which the devices were made.
    "/machine/peripheral/iommu0/vtd-",
    "/machine/peripheral/iommu0/virtio-backend/",
];
/// Beginnings of lines for people with the same reasons.
const UNSEEN_LINES: &[&str] = &["AS \"virtio-iommu-device\"", "dev: ", "hotplugged = "];

/// What a QEMU tells, a line each, sorted.
pub(crate) struct Seen(Vec<String>);

impl Seen {
    /// Asks a QEMU.
    pub(crate) fn of(qmp: &Client) -> Result<Self, Failed> {
        let objects = objects(qmp);
        let names = names(&objects);
        let mut lines = Vec::new();
        for (path, properties) in &objects {
            if UNSEEN_OBJECTS.iter().any(|unseen| path.starts_with(unseen)) {
                continue;
            }
            let path = named(path, &names);
            for (property, value) in properties {
                let is_address = property == "addr" && path.starts_with("/chardevs/");
                if is_address || UNSEEN.contains(&property.as_str()) {
                    continue;
                }
                // The devices of a bus are numbered in the order in which they were made.
                let property = property.split('[').next().unwrap();
                lines.push(format!("{path} {property} = {}", comparable(value, &names)));
            }
        }
        for query in QUERIES {
            match block_on(qmp.execute(query, &Value::Null)) {
                Ok(Value::Array(list)) => {
                    lines.extend(
                        list.iter().map(|it| format!("{query} {}", comparable(it, &names))),
                    );
                }
                Ok(value) => lines.push(format!("{query} {}", comparable(&value, &names))),
                Err(Error::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for info in INFOS {
            let arguments = json!({"command-line": info});
            let text = block_on(qmp.execute("human-monitor-command", &arguments))?;
            let text = text.as_str().unwrap_or_default().lines().map(str::trim);
            let text = text.filter(|line| !UNSEEN_LINES.iter().any(|it| line.starts_with(it)));
            lines.extend(text.map(|line| format!("{info}: {}", without_paths(line))));
        }
        lines.sort();
        Ok(Self(lines))
    }

    /// What one tells and the other does not.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let only = |these: &[String], others: &[String], mark| -> Vec<String> {
            let mut left = others.iter().peekable();
            let mut only = Vec::new();
            for line in these {
                while left.next_if(|it| *it < line).is_some() {}
                if left.next_if_eq(&line).is_none() {
                    only.push(format!("{mark} {line}"));
                }
            }
            only
        };
        let mut differences = only(&self.0, &other.0, '-');
        differences.extend(only(&other.0, &self.0, '+'));
        differences
    }
}

type Objects = BTreeMap<String, Map<String, Value>>;

/// All objects with what they say of themselves.
fn objects(qmp: &Client) -> Objects {
    let mut objects = Objects::new();
    let mut level: Vec<String> = ROOTS.map(str::to_owned).to_vec();
    while !level.is_empty() {
        let lists = asked(qmp, "qom-list", level.iter().map(|path| json!({"path": path})));
        let mut next = Vec::new();
        let mut own = Vec::new();
        for (path, list) in level.iter().zip(lists) {
            for entry in list.as_array().into_iter().flatten() {
                let (name, kind) = (entry["name"].as_str(), entry["type"].as_str());
                let (Some(name), Some(kind)) = (name, kind) else { continue };
                if kind.starts_with("child<") {
                    next.push(format!("{path}/{name}"));
                } else {
                    own.push((path.clone(), name.to_owned()));
                }
            }
        }
        let arguments = own.iter().map(|(path, name)| json!({"path": path, "property": name}));
        let values = asked(qmp, "qom-get", arguments);
        for ((path, name), value) in own.into_iter().zip(values) {
            objects.entry(path).or_default().insert(name, value);
        }
        level = next;
    }
    objects
}

/// What is answered to one command with different arguments; what is refused is the words for that.
fn asked(qmp: &Client, command: &str, arguments: impl Iterator<Item = Value>) -> Vec<Value> {
    let pending: Vec<_> = arguments.map(|it| qmp.send(command, &it)).collect();
    let answered = |it: Pending| block_on(it.answer()).unwrap_or_else(|why| why.to_string().into());
    pending.into_iter().map(answered).collect()
}

/// What objects are called here that are only numbered: by their types.
fn names(objects: &Objects) -> BTreeMap<String, String> {
    let numbered = objects.iter().filter_map(|(path, properties)| {
        let place = NUMBERED.iter().find(|place| path.starts_with(**place))?;
        let is_whole = !path[place.len()..].contains('/');
        let kind = properties.get("type")?.as_str()?;
        is_whole.then(|| (path.clone(), format!("{place}<{kind}>")))
    });
    numbered.collect()
}

fn named(path: &str, names: &BTreeMap<String, String>) -> String {
    let Some(place) = NUMBERED.iter().find(|place| path.starts_with(**place)) else {
        return path.to_owned();
    };
    let end = path[place.len()..].find('/').map_or(path.len(), |at| place.len() + at);
    let name = names.get(&path[..end]).map_or(&path[..end], String::as_str);
    format!("{name}{}", &path[end..])
}

/// A value without what two equal machines differ in.
fn comparable(value: &Value, names: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) if ROOTS.iter().any(|root| text.starts_with(root)) => {
            named(text, names).into()
        }
        Value::String(text) => without_paths(text).into(),
        Value::Array(list) => list.iter().map(|it| comparable(it, names)).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !UNSEEN.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), comparable(value, names)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// A text with `PATH` in place of each path of the host: QEMU gets descriptors of us.
fn without_paths(text: &str) -> String {
    let is_path = |word: &str| {
        let word = word.trim_start_matches('"');
        word.starts_with('/') && word.len() > 1 && !ROOTS.iter().any(|root| word.starts_with(root))
    };
    let words: Vec<&str> = text
        .split(' ')
        .map(|word| match word.split_once(':') {
            _ if is_path(word) => "PATH",
            Some(("unix" | "disconnected" | "json" | "pty" | "fd", _)) => "PATH",
            _ => word,
        })
        .collect();
    words.join(" ")
}
