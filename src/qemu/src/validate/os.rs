//! Firmware, boot and what happens at the end.
//!
//! libvirt: `qemuValidateDomainDefBoot`, `qemuValidateLifecycleAction`, `virDomainDefBootValidate`.

use base::{OnOff, YesNo};
use conf::architecture::Architecture;
use conf::lifecycle::LifecycleAction;
use conf::os::{AcpiTableKind, FirmwareKind, LoaderKind};
use xml::Part;

use super::{Check, Rule, attribute, within};
use crate::machine::Family;

pub(super) const QEMU_RULES: &[Rule] = &[
    Rule::new("uefi-needs-acpi", "UEFI finds devices by ACPI tables", uefi_needs_acpi),
    Rule::new("serial-bios-needs-a-port", "a BIOS talks on the first serial port", serial_bios),
    Rule::new("lifecycle-is-possible", "QEMU cannot do everything at a guest's end", lifecycle),
    Rule::new("no-bootloader", "only Xen has boot loaders of the host", bootloader),
    Rule::new("acpi-table-is-one", "QEMU takes tables one by one", acpi_tables),
    Rule::new("secure-boot-is-possible", "variables are protected by SMM of q35", secure_boot),
];

pub(super) const RULES: &[Rule] =
    &[Rule::new("boot-menu-timeout", "the firmware's timer has 16 bits", boot_menu_timeout)];

fn acpi_tables(check: &mut Check<'_>) {
    for table in &check.domain.os.acpi_tables {
        if table.kind == AcpiTableKind::Rawset {
            let message = "only Xen takes several ACPI tables from one file";
            check.refuse(table.origin, attribute("type"), message, "write type='raw' for each");
        }
    }
}

fn uefi_needs_acpi(check: &mut Check<'_>) {
    let os = &check.domain.os;
    let is_x86 = matches!(os.kind.architecture, Some(Architecture::X86_64 | Architecture::I686));
    let pflash = os.loader.as_ref().filter(|loader| loader.kind == Some(LoaderKind::Pflash));
    let is_uefi = os.firmware == Some(FirmwareKind::Efi) || pflash.is_some();
    let has_acpi = check.domain.features.as_ref().is_some_and(|features| features.acpi);
    if is_x86 && is_uefi && !has_acpi {
        let origin = pflash.map_or(os.origin, |loader| loader.origin);
        check.refuse(
            if os.firmware.is_some() { os.origin } else { origin },
            Part::Name,
            "UEFI needs ACPI, which this guest has not",
            "write <features><acpi/></features>",
        );
    }
}

fn serial_bios(check: &mut Check<'_>) {
    if let Some(bios) = &check.domain.os.bios
        && bios.use_serial == Some(YesNo::Yes)
        && check.domain.devices.serials.is_empty()
    {
        check.refuse(
            bios.origin,
            attribute("useserial"),
            "the BIOS has no serial port to talk on",
            "add <serial type='pty'/>",
        );
    }
}

fn lifecycle(check: &mut Check<'_>) {
    let domain = check.domain;
    let actions = [
        ("on_poweroff", domain.on_poweroff),
        ("on_reboot", domain.on_reboot),
        ("on_crash", domain.on_crash),
    ];
    for (name, action) in actions {
        let is_preserved = action == Some(LifecycleAction::Preserve) && name != "on_crash";
        let is_dumped = name != "on_crash"
            && matches!(
                action,
                Some(LifecycleAction::CoredumpDestroy | LifecycleAction::CoredumpRestart)
            );
        if let Some(action) = action
            && (is_preserved || is_dumped || action == LifecycleAction::RenameRestart)
        {
            let message = format!("QEMU cannot '{action}' a guest as <{name}> asks for");
            check.refuse(domain.origin, within(name), message, "write 'destroy' or 'restart'");
        }
    }
    if domain.on_poweroff == Some(LifecycleAction::Restart)
        && domain.on_reboot == Some(LifecycleAction::Destroy)
    {
        check.refuse(
            domain.origin,
            within("on_poweroff"),
            "QEMU cannot restart a guest that powers off and end one that reboots",
            "write 'destroy' in <on_poweroff>, or 'restart' in <on_reboot>",
        );
    }
}

fn bootloader(check: &mut Check<'_>) {
    let domain = check.domain;
    if domain.bootloader.is_some() || domain.bootloader_args.is_some() {
        check.refuse(
            domain.origin,
            within(if domain.bootloader.is_some() { "bootloader" } else { "bootloader_args" }),
            "QEMU has no use for a <bootloader> of the host",
            "leave out <bootloader> and <bootloader_args>",
        );
    }
}

fn secure_boot(check: &mut Check<'_>) {
    let domain = check.domain;
    let Some(loader) = domain.os.loader.as_ref().filter(|l| l.secure == Some(YesNo::Yes)) else {
        return;
    };
    let smm = domain.features.as_ref().and_then(|features| features.smm.as_ref());
    let problem = if check.family != Family::Q35 {
        Some(("only a q35 machine has what secure='yes' needs", "write machine='q35'"))
    } else if domain.os.kind.architecture != Some(Architecture::X86_64) {
        Some(("secure='yes' needs a guest of x86_64", "write arch='x86_64'"))
    } else if domain.os.firmware.is_none() && smm.is_none_or(|smm| smm.state == OnOff::Off) {
        Some(("secure='yes' needs SMM", "write <features><smm state='on'/></features>"))
    } else {
        None
    };
    if let Some((message, help)) = problem {
        check.refuse(loader.origin, attribute("secure"), message, help);
    }
}

fn boot_menu_timeout(check: &mut Check<'_>) {
    if let Some(menu) = &check.domain.os.bootmenu
        && let Some(timeout) = menu.timeout.filter(|timeout| *timeout > 65535)
    {
        let message = format!("the boot menu cannot wait {timeout} ms");
        check.refuse_value(menu.origin, "timeout", message, "a number from 0 to 65535");
    }
}
