//! The machines a QEMU binary has.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Machine {
    /// Its name, such as `pc-q35-10.0`.
    pub name: String,
    /// A shorter name for the newest version, such as `q35`.
    pub alias: Option<String>,
    /// Whether a guest that names no machine gets this one.
    pub is_default: bool,
    /// How many processors it takes.
    pub max_cpus: u32,
    /// Whether processors can be added while it runs.
    pub hotpluggable_cpus: bool,
    /// The CPU model it has by default, without the architecture's suffix.
    pub default_cpu: Option<String>,
    /// The id of the object that holds its memory.
    pub default_ram_id: Option<String>,
    /// Whether it can be told to go without ACPI. `None`: QEMU does not say.
    pub acpi: Option<bool>,
    /// Whether `-numa node,mem=` is understood.
    pub numa_mem: bool,
    /// Whether QEMU is going to drop it.
    pub deprecated: bool,
}

impl Machine {
    /// Reads the reply to `query-machines`.
    pub(super) fn list(reply: &Value) -> Option<Vec<Self>> {
        reply.as_array()?.iter().map(Self::of).collect()
    }

    fn of(machine: &Value) -> Option<Self> {
        let text = |key: &str| machine[key].as_str().map(str::to_owned);
        let flag = |key: &str| machine[key].as_bool().unwrap_or(false);
        Some(Self {
            name: text("name")?,
            alias: text("alias"),
            is_default: flag("is-default"),
            max_cpus: u32::try_from(machine["cpu-max"].as_u64()?).ok()?,
            hotpluggable_cpus: flag("hotpluggable-cpus"),
            default_cpu: text("default-cpu-type").map(|cpu| without_architecture(&cpu)),
            default_ram_id: text("default-ram-id"),
            acpi: machine["acpi"].as_bool(),
            numa_mem: flag("numa-mem-supported"),
            deprecated: flag("deprecated"),
        })
    }
}

/// `qemu64-x86_64-cpu` is called `qemu64` everywhere else.
fn without_architecture(cpu: &str) -> String {
    ["-x86_64-cpu", "-i386-cpu"]
        .iter()
        .find_map(|suffix| cpu.strip_suffix(suffix))
        .unwrap_or(cpu)
        .to_owned()
}
