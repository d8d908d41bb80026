//! What a document says to QEMU directly.

use std::path::Path;

use conf::Domain;
use conf::qemu_namespace::{DeprecationBehavior, Property, PropertyKind};
use serde_json::{Map, Value, json};

use super::Builder;

/// `-compat`.
///
/// libvirt: `qemuBuildCompatDeprecatedCommandLine`.
pub(super) fn deprecation(builder: &mut Builder<'_>) {
    let compat = match builder.domain.qemu_deprecation {
        None | Some(DeprecationBehavior::None) => return,
        Some(DeprecationBehavior::Omit) => json!({"deprecated-output": "hide"}),
        Some(DeprecationBehavior::Reject) => {
            json!({"deprecated-output": "hide", "deprecated-input": "reject"})
        }
        Some(DeprecationBehavior::Crash) => {
            json!({"deprecated-output": "hide", "deprecated-input": "crash"})
        }
    };
    builder.argument("compat", compat.to_string());
}

/// Arguments and environment by hand. What they make QEMU open by itself is listed.
///
/// libvirt: `qemuBuildCommandLine`.
pub(super) fn commandline(builder: &mut Builder<'_>) {
    let Some(commandline) = &builder.domain.qemu_commandline else { return };
    builder.part("<qemu:commandline>", commandline.origin);
    for argument in &commandline.arguments {
        builder.word(argument);
        for path in paths(argument) {
            builder.by_path(path, "<qemu:commandline> names it");
        }
    }
    for variable in &commandline.environment {
        let value = variable.value.clone().unwrap_or_default();
        builder.environment.insert(variable.name.clone(), value);
    }
}

/// Whether arguments by hand may refer to any device of the machine, or find a free slot between them:
/// then all devices are where libvirt has them, on the command line.
pub(super) fn wants_all_on_the_command_line(domain: &Domain) -> bool {
    let arguments = domain.qemu_commandline.iter().flat_map(|by_hand| &by_hand.arguments);
    let about_devices = ["device", "set", "object", "netdev", "drive", "net", "usbdevice"];
    arguments
        .filter_map(|argument| argument.strip_prefix('-'))
        .any(|option| about_devices.contains(&option.trim_start_matches('-')))
}

/// The paths that an argument names: what stands between its separators and begins with a slash.
fn paths(argument: &str) -> Vec<&str> {
    let words = argument.split([',', '=', '"', '\'', ' ']);
    words
        .map(|word| word.strip_prefix("file:").unwrap_or(word))
        .filter(|word| is_path(word))
        .collect()
}

fn is_path(word: &str) -> bool {
    Path::new(word).is_absolute() && word.len() > 1
}

/// Says what has no effect of what is said to libvirt about this QEMU.
pub(super) fn capabilities(builder: &mut Builder<'_>) {
    if let Some(capabilities) = &builder.domain.qemu_capabilities {
        builder.part("<qemu:capabilities>", capabilities.origin);
        let warning = builder.warn("QEMU is asked what it can do, and not told");
        warning.help = Some("leave it out".to_owned());
    }
}

/// Says which devices that a document overrides properties of are not there.
pub(super) fn check_overrides(builder: &mut Builder<'_>) {
    let overridden = builder.domain.qemu_override.iter().flat_map(|by_hand| &by_hand.devices);
    let missing: Vec<_> = overridden.filter(|device| !builder.has_device(&device.alias)).collect();
    for device in missing {
        builder.part("<qemu:override>", device.origin);
        builder.warn(format!("there is no device with the id '{}'", device.alias));
    }
}

/// Sets, changes and removes the properties of a device that a document says so of.
///
/// libvirt: `qemuBuildDeviceCommandlineHandleOverrides`.
pub(super) fn override_properties(builder: &mut Builder<'_>, properties: &mut Map<String, Value>) {
    let Some(id) = properties.get("id").and_then(Value::as_str) else { return };
    let devices = builder.domain.qemu_override.iter().flat_map(|by_hand| &by_hand.devices);
    let found: Vec<&Property> =
        devices.filter(|device| device.alias == id).flat_map(|device| &device.properties).collect();
    for property in found {
        properties.remove(&property.name);
        let text = property.value.as_deref().unwrap_or_default();
        let value = match property.kind {
            PropertyKind::Remove => continue,
            PropertyKind::String => Some(Value::from(text)),
            PropertyKind::Signed => {
                number(text).and_then(|n| i64::try_from(n).ok()).map(Value::from)
            }
            PropertyKind::Unsigned => {
                number(text).and_then(|n| u64::try_from(n).ok()).map(Value::from)
            }
            PropertyKind::Bool => match text {
                "true" | "yes" => Some(true.into()),
                "false" | "no" => Some(false.into()),
                _ => None,
            },
        };
        match value {
            Some(value) => {
                properties.insert(property.name.clone(), value);
            }
            None => {
                let message = format!("'{text}' is no value of type '{}'", property.kind);
                builder.refuse(message).origin = property.origin;
            }
        }
    }
}

/// A number in decimal or hexadecimal digits.
fn number(text: &str) -> Option<i128> {
    match text.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_between_separators() {
        assert_eq!(paths("file=/a/b,format=raw"), ["/a/b"]);
        assert_eq!(paths("{\"driver\":\"file\",\"filename\":\"/x\"}"), ["/x"]);
        assert_eq!(paths("-device"), [] as [&str; 0]);
        assert_eq!(paths("/dev/kvm"), ["/dev/kvm"]);
    }
}
