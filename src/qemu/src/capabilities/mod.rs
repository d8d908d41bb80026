//! What one QEMU binary can do, from a conversation with it: live, or recorded in libvirt's
//! `.replies` form.

mod machine;
mod names;

use std::collections::BTreeMap;

use qmp::replies::Exchange;
use qmp::{Recording, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use machine::Machine;
pub use names::Names;

/// What a QEMU binary can do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Capabilities {
    /// Where the binary lies.
    pub binary: String,
    /// Its version: major, minor, micro.
    pub version: (u32, u32, u32),
    /// The architecture of its guests in QEMU's words, such as `x86_64`.
    pub architecture: String,
    /// Whether KVM is built in and can be used here.
    pub kvm: bool,
    /// The machines.
    pub machines: Vec<Machine>,
    /// The names of all types of objects: devices, backends, machines, CPUs.
    pub types: Names,
    /// The properties of the types that were asked for.
    pub properties: BTreeMap<String, Names>,
    /// The CPU models, without the architecture's suffix.
    pub cpu_models: Names,
    /// What the host's processor gives guests of KVM, if KVM was used.
    #[serde(default)]
    pub kvm_processor: Option<Processor>,
    /// What QEMU interprets, if that was asked for.
    #[serde(default)]
    pub tcg_processor: Option<Processor>,
    /// The options of the command line that have parameters: option, then parameters.
    pub options: BTreeMap<String, Names>,
    /// The TPM models and backends.
    pub tpm: Names,
    /// The displays, in libvirt's words: `vnc`, `spice`, `egl-headless`, `dbus`, `sdl`.
    #[serde(default)]
    pub displays: Names,
    /// What `query-qmp-schema` returns, as [`Schema::text_of`] writes it: most of what there is to
    /// read here, and so not taken apart before it is asked. Empty if it was not recorded.
    pub schema: String,
}

/// A processor that QEMU can give a guest: all of its features.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Processor {
    /// Who made it, in its own 12 letters.
    pub vendor: String,
    /// Its family.
    pub family: u64,
    /// Its number in the family.
    pub model: u64,
    /// Its stepping.
    pub stepping: u64,
    /// Its features that a migration keeps.
    pub features: Names,
    /// What it lacks of each model.
    pub unavailable: BTreeMap<String, Names>,
}

impl Processor {
    /// Reads what `query-cpu-model-expansion` returns.
    fn expanded(result: &Value) -> Option<Self> {
        let props = result["model"]["props"].as_object()?;
        let number = |name: &str| props.get(name).and_then(Value::as_u64).unwrap_or_default();
        let on = props.iter().filter(|(_, value)| **value == Value::Bool(true));
        Some(Self {
            vendor: props.get("vendor")?.as_str()?.to_owned(),
            family: number("family"),
            model: number("model"),
            stepping: number("stepping"),
            features: on.map(|(name, _)| name.as_str()).collect(),
            unavailable: BTreeMap::new(),
        })
    }
}

/// What each model has that cannot be had, from `query-cpu-definitions`.
fn unavailable(definitions: &Value) -> Option<BTreeMap<String, Names>> {
    let of_model = |definition: &Value| {
        let name = definition["name"].as_str()?.to_owned();
        let features = definition["unavailable-features"].as_array()?.iter();
        Some((name, features.filter_map(Value::as_str).collect()))
    };
    Some(definitions.as_array()?.iter().filter_map(of_model).collect())
}

/// The types besides devices whose properties are asked for.
const EXAMINED_OBJECTS: &[&str] = &["max-x86_64-cpu", "max-i386-cpu", "generic-pc-machine"];

/// The device types whose properties are asked for: those on which a decision hangs.
pub const EXAMINED_TYPES: &[&str] = &[
    "ICH9-LPC",
    "PIIX4_PM",
    "VGA",
    "ide-hd",
    "intel-iommu",
    "mch",
    "nvme",
    "nvme-ns",
    "pcie-root-port",
    "qxl",
    "scsi-hd",
    "usb-host",
    "usb-redir",
    "usb-storage",
    "vfio-pci",
    "vhost-user-fs-pci",
    "vhost-vsock-pci",
    "virtio-9p-pci",
    "virtio-balloon-pci",
    "virtio-blk-pci",
    "virtio-gpu-pci",
    "virtio-iommu-pci",
    "virtio-mem-pci",
    "virtio-net-pci",
    "virtio-rng-pci",
    "virtio-scsi-pci",
    "vmware-svga",
];

/// Commands that fail where the host has not what types of objects need: those are not there then.
///
/// libvirt: `virQEMUCapsProbeQMPSEVCapabilities`, `virQEMUCapsProbeQMPSGXCapabilities`.
const HOST_FEATURES: &[(&str, &[&str])] = &[
    ("query-sev-capabilities", &["sev-guest", "sev-snp-guest"]),
    ("query-sgx-capabilities", &["sgx-epc"]),
];

/// The commands to ask a QEMU that was started with `-machine none`, in order.
pub fn queries() -> Vec<(&'static str, Value)> {
    let mut queries = vec![
        ("query-version", json!({})),
        ("query-target", json!({})),
        ("query-machines", json!({})),
        ("qom-list-types", json!({})),
        ("query-tpm-models", json!({})),
        ("query-tpm-types", json!({})),
        ("query-command-line-options", json!({})),
        ("query-qmp-schema", json!({})),
    ];
    queries.extend(HOST_FEATURES.iter().map(|(command, _)| (*command, json!({}))));
    queries.extend(
        EXAMINED_TYPES.iter().map(|name| ("device-list-properties", json!({ "typename": name }))),
    );
    queries.extend(
        EXAMINED_OBJECTS.iter().map(|name| ("qom-list-properties", json!({ "typename": name }))),
    );
    queries.extend(processor_queries());
    queries
}

/// The commands to ask for the processor that guests of a QEMU's accelerator can have. If it is KVM,
/// a second QEMU that interprets is asked the same.
///
/// libvirt: `virQEMUCapsInitQMP`, `virQEMUCapsInitQMPMonitorTCG`.
pub fn processor_queries() -> [(&'static str, Value); 4] {
    let expansion = |model: &str| json!({"type": "static", "model": {"name": model}});
    [
        ("query-kvm", json!({})),
        ("query-cpu-definitions", json!({})),
        ("query-cpu-model-expansion", expansion("host")),
        ("query-cpu-model-expansion", expansion("max")),
    ]
}

impl Capabilities {
    /// Reads a recorded conversation. A refusal means that QEMU has no such thing.
    ///
    /// # Errors
    /// Which reply is missing or not as expected.
    pub fn from_recording(binary: &str, recording: &Recording) -> Result<Self, String> {
        let mut capabilities = Self { binary: binary.to_owned(), ..Self::default() };
        // A second QEMU, without KVM, was asked for its processor only.
        let first = recording.runs.first().ok_or("it is empty")?;
        for exchange in &first.exchanges {
            if let Ok(result) = &exchange.outcome {
                capabilities.take_in(&exchange.command, &exchange.arguments, result).ok_or_else(
                    || format!("the reply to {} is not as expected", exchange.command),
                )?;
            }
        }
        for (command, types) in HOST_FEATURES {
            let is_missing =
                |exchange: &Exchange| exchange.command == *command && exchange.outcome.is_err();
            if first.exchanges.iter().any(is_missing) {
                let there = capabilities.types.iter().filter(|name| !types.contains(name));
                capabilities.types = there.collect();
            }
        }
        capabilities.processors(recording);
        for needed in ["query-version", "query-machines", "qom-list-types", "query-qmp-schema"] {
            if recording.lookup(needed, &Value::Null).is_none() {
                return Err(format!("there is no reply to {needed}"));
            }
        }
        Ok(capabilities)
    }

    /// Finds the processors of both accelerators. A QEMU that uses KVM knows the host's; what TCG
    /// interprets only one without KVM knows.
    fn processors(&mut self, recording: &Recording) {
        for run in &recording.runs {
            let result = |command: &str, model: Option<&str>| {
                run.exchanges.iter().find_map(|exchange| {
                    let arguments = &exchange.arguments;
                    let is_it = exchange.command == command
                        && model.is_none_or(|model| {
                            arguments["type"] == "static"
                                && arguments["model"] == json!({ "name": model })
                        });
                    exchange.outcome.as_ref().ok().filter(|_| is_it)
                })
            };
            let kvm = result("query-kvm", None).map(|result| result["enabled"] == true);
            let is_kvm = kvm.unwrap_or(result("query-cpu-model-expansion", Some("host")).is_some());
            let model = if is_kvm { "host" } else { "max" };
            let unavailable = result("query-cpu-definitions", None).and_then(unavailable);
            let processor = result("query-cpu-model-expansion", Some(model))
                .and_then(Processor::expanded)
                .map(|found| Processor { unavailable: unavailable.unwrap_or_default(), ..found });
            let place = if is_kvm { &mut self.kvm_processor } else { &mut self.tcg_processor };
            if place.is_none() {
                *place = processor;
            }
        }
    }

    fn take_in(&mut self, command: &str, arguments: &Value, result: &Value) -> Option<()> {
        match command {
            "query-version" => {
                let number =
                    |part| Some(u32::try_from(result["qemu"][part].as_u64()?).unwrap_or(0));
                self.version = (number("major")?, number("minor")?, number("micro")?);
            }
            "query-target" => self.architecture = result["arch"].as_str()?.to_owned(),
            "query-kvm" => self.kvm = result["enabled"].as_bool()?,
            "query-machines" => self.machines = Machine::list(result)?,
            "qom-list-types" => self.types = names(result)?,
            "device-list-properties" | "qom-list-properties" => {
                let name = arguments["typename"].as_str()?.to_owned();
                self.properties.insert(name, names(result)?);
            }
            "query-cpu-definitions" => self.cpu_models = names(result)?,
            "query-tpm-models" | "query-tpm-types" => {
                let more = result.as_array()?.iter().filter_map(Value::as_str);
                self.tpm = self.tpm.iter().chain(more).collect();
            }
            "query-command-line-options" => {
                for option in result.as_array()? {
                    let parameters = names(&option["parameters"])?;
                    self.options.insert(option["option"].as_str()?.to_owned(), parameters);
                }
            }
            "query-qmp-schema" => {
                self.schema = Schema::text_of(result).ok()?;
                self.displays = displays(&Schema::from_text(&self.schema));
            }
            _ => {}
        }
        Some(())
    }

    /// Whether there is a device or another object of this type.
    pub fn has(&self, name: &str) -> bool {
        self.types.contains(name)
    }

    /// Whether a type that was asked about has a property.
    pub fn has_property(&self, name: &str, property: &str) -> bool {
        self.properties.get(name).is_some_and(|properties| properties.contains(property))
    }

    /// Whether a processor that is the host's can leave out what a migration cannot keep.
    pub fn has_migratable_cpu(&self) -> bool {
        ["max-x86_64-cpu", "max-i386-cpu"].iter().any(|cpu| self.has_property(cpu, "migratable"))
    }

    /// Whether QEMU is at least this version.
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.version.0, self.version.1) >= (major, minor)
    }

    /// The machine of this name or alias.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        self.machines
            .iter()
            .find(|machine| machine.name == name)
            .or_else(|| self.machines.iter().find(|machine| machine.alias.as_deref() == Some(name)))
    }

    /// The machine of a guest that names none.
    pub fn default_machine(&self) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.is_default)
    }
}

/// The displays that a schema speaks of.
fn displays(schema: &Schema<'_>) -> Names {
    let servers = [("vnc", "query-vnc"), ("spice", "query-spice")];
    let servers = servers.into_iter().filter(|(_, command)| schema.command(command).is_some());
    let options = schema.command("query-display-options");
    let kinds = options.and_then(|command| command.returns()?.member("type"));
    let local = ["egl-headless", "dbus", "sdl", "gtk"];
    let local =
        local.into_iter().filter(|name| kinds.as_ref().is_some_and(|kinds| kinds.has_value(name)));
    servers.map(|(name, _)| name).chain(local).collect()
}

fn names(list: &Value) -> Option<Names> {
    list.as_array()?.iter().map(|item| item["name"].as_str()).collect()
}
