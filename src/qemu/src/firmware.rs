//! What a firmware descriptor says: which image it is about, and which guests it is for.
//!
//! QEMU: `docs/interop/firmware.json`. libvirt: `qemuFirmwareParse` in
//! `src/qemu/qemu_firmware.c`.

use conf::os::FirmwareFormat;
use serde::Deserialize;

use crate::host::FirmwareDescriptor;

/// A firmware, as its descriptor has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Firmware {
    /// What the guest finds: `bios`, `uefi`, …
    pub interface_types: Vec<String>,
    /// The image, and how it gets into the machine.
    pub mapping: Mapping,
    /// The machines it is made for.
    pub targets: Vec<Target>,
    /// What it can do and what it needs.
    pub features: Vec<String>,
}

/// A firmware's image, and how it gets into the machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "device", rename_all = "kebab-case")]
pub enum Mapping {
    /// Flash memory.
    Flash {
        /// Where its variables are.
        #[serde(default)]
        mode: FlashMode,
        /// The image.
        executable: FlashFile,
        /// What the variables start from.
        #[serde(rename = "nvram-template")]
        nvram_template: Option<FlashFile>,
    },
    /// Read-only memory.
    Memory {
        /// The image.
        filename: String,
    },
    /// A kernel that QEMU starts; of no use to guests on x86.
    Kernel {
        /// The image.
        filename: String,
    },
}

/// Where the variables of a firmware in flash memory are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlashMode {
    /// In an image of their own.
    #[default]
    Split,
    /// In the same image.
    Combined,
    /// Nowhere: there are none.
    Stateless,
}

/// An image of flash memory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FlashFile {
    /// The file.
    pub filename: String,
    /// Its format in QEMU's words.
    pub format: String,
}

impl FlashFile {
    /// The format, where libvirt takes it.
    pub fn format(&self) -> Option<FirmwareFormat> {
        match self.format.as_str() {
            "raw" => Some(FirmwareFormat::Raw),
            "qcow2" => Some(FirmwareFormat::Qcow2),
            _ => None,
        }
    }
}

/// Machines that a firmware is made for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Target {
    /// The architecture in QEMU's words.
    pub architecture: String,
    /// Patterns of the shell for names of machines.
    pub machines: Vec<String>,
}

impl Firmware {
    /// Reads a descriptor. `None`: it is not one that libvirt could read.
    pub fn of(descriptor: &FirmwareDescriptor) -> Option<Self> {
        Self::deserialize(&descriptor.content).ok()
    }

    /// Whether it has a feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|found| found == feature)
    }

    /// Whether it is made for a machine.
    pub fn fits(&self, architecture: &str, machine: &str) -> bool {
        self.targets.iter().any(|target| {
            target.architecture == architecture
                && target.machines.iter().any(|pattern| matches(pattern, machine))
        })
    }
}

/// Whether a pattern of the shell, with `*` and `?`, matches all of `text`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            starts.into_iter().any(|at| matches(rest.as_str(), &text[at..]))
        }
        Some(wanted) => {
            let mut letters = text.chars();
            letters.next().is_some_and(|letter| wanted == '?' || wanted == letter)
                && matches(rest.as_str(), letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_the_versions_of_a_machine() {
        assert!(matches("pc-q35-*", "pc-q35-9.2"));
        assert!(!matches("pc-q35-*", "q35"));
        assert!(matches("pc-?35-9*2", "pc-q35-9.0.2"));
        assert!(!matches("microvm", "microvm2"));
    }

    #[test]
    fn something_else_than_a_descriptor_is_passed_over() {
        let descriptor = FirmwareDescriptor {
            name: "93.json".to_owned(),
            content: serde_json::json!({ "firmware": { "invalid": true } }),
        };
        assert_eq!(Firmware::of(&descriptor), None);
    }
}
