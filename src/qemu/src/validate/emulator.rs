//! What the QEMU binary can run at all.
//!
//! libvirt: `qemuValidateDomainDef`.

use conf::DomainType;
use conf::architecture::Architecture;
use conf::os::OsKind;

use super::{Check, Rule, attribute, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("name-is-a-file-name", "files of the guest carry its name", name),
    Rule::new("os-is-hvm", "QEMU runs whole machines, not containers", os_is_hvm),
    Rule::new("architecture-fits", "a QEMU binary has processors of one kind", architecture),
    Rule::new("accelerator-is-there", "a guest of a type needs its accelerator", accelerator),
    Rule::new("machine-is-known", "QEMU makes only machines that it knows", machine),
    Rule::new("acpi-is-there", "not every machine has ACPI tables", acpi),
    Rule::new("genid-device-is-there", "an identifier is shown by a device", genid),
];

/// libvirt: `virDomainDefPostParseCheckFeatures`, `VIR_DOMAIN_DEF_FEATURE_NAME_SLASH`.
fn name(check: &mut Check<'_>) {
    if check.domain.name.contains('/') {
        let message = format!("'{}' cannot be the name of a guest", check.domain.name);
        check.refuse(check.domain.origin, within("name"), message, "leave out each '/'");
    }
}

fn os_is_hvm(check: &mut Check<'_>) {
    let os = &check.domain.os;
    if os.kind.kind != OsKind::Hvm {
        let message = format!("QEMU runs no guests of the type '{}'", os.kind.kind);
        check.refuse(os.origin, within("type"), message, "write <type>hvm</type>");
    }
}

fn architecture(check: &mut Check<'_>) {
    let Some(wanted) = check.domain.os.kind.architecture else { return };
    let runs = match check.capabilities.architecture.as_str() {
        "x86_64" => matches!(wanted, Architecture::X86_64 | Architecture::I686),
        "i386" => wanted == Architecture::I686,
        "arm" => wanted == Architecture::Armv7l,
        "aarch64" => matches!(wanted, Architecture::Aarch64 | Architecture::Armv7l),
        other => other == wanted.to_string(),
    };
    if !runs {
        let message = format!(
            "'{}' runs guests of the architecture {}, not {wanted}",
            check.capabilities.binary, check.capabilities.architecture
        );
        check.refuse(
            check.domain.os.origin,
            within("type@arch"),
            message,
            "name another <emulator>, or another architecture",
        );
    }
}

fn accelerator(check: &mut Check<'_>) {
    let kind = check.domain.kind;
    let (is_there, help) = match kind {
        DomainType::Kvm => (check.capabilities.has("kvm-accel"), "write type='qemu'"),
        DomainType::Qemu => (check.capabilities.has("tcg-accel"), "write type='kvm'"),
        DomainType::Hvf => (check.capabilities.has("hvf-accel"), "write type='kvm' or 'qemu'"),
        _ => (false, "write type='kvm' or type='qemu'"),
    };
    if !is_there {
        let message = format!("'{}' cannot run guests of type '{kind}'", check.capabilities.binary);
        check.refuse(check.domain.origin, attribute("type"), message, help);
    }
}

fn machine(check: &mut Check<'_>) {
    let os = &check.domain.os;
    let Some(name) = os.kind.machine.as_deref() else { return };
    if check.capabilities.machine(name).is_none() {
        let names = check.capabilities.machines.iter().map(|machine| machine.name.as_str());
        let near = base::words::nearest(names, name).map(str::to_owned);
        let help = near.map_or_else(
            || "write machine='q35' or 'pc' for the newest one of its kind".to_owned(),
            |near| format!("did you mean '{near}'?"),
        );
        let message = format!("'{}' has no machine '{name}'", check.capabilities.binary);
        check.refuse(os.origin, within("type@machine"), message, help);
    }
}

fn acpi(check: &mut Check<'_>) {
    let name = check.domain.os.kind.machine.as_deref().unwrap_or_default();
    let has_none = check.capabilities.machine(name).is_some_and(|m| m.acpi == Some(false));
    if let Some(features) = check.domain.features.as_ref().filter(|features| features.acpi)
        && has_none
    {
        let message = format!("the machine '{name}' has no ACPI");
        check.refuse(features.origin, within("acpi"), message, "leave out <acpi/>");
    }
}

fn genid(check: &mut Check<'_>) {
    if let Some(genid) = &check.domain.genid {
        check.need_type("vmgenid", genid.origin, "device for <genid>");
    }
}
