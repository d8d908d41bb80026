//! The emulator, the architecture and the machine.

use base::{NonEmpty, Value};
use conf::Domain;
use conf::architecture::Architecture;

use super::context::Context;
use crate::host::MachineAliases;

/// A guest that names no architecture has the host's.
///
/// libvirt: `virDomainDefParseCaps`.
pub(super) fn default_architecture(domain: &mut Domain, context: &mut Context<'_>) {
    if domain.os.kind.architecture.is_none() {
        match Architecture::parse(&context.host.architecture) {
            Ok(found) => domain.os.kind.architecture = found,
            Err(_) => {
                let message = format!(
                    "<type> names no architecture, and that of the host, '{}', is not known",
                    context.host.architecture
                );
                context.error(domain.os.origin, message);
            }
        }
    }
}

/// A guest that names no emulator gets the one for its architecture.
///
/// libvirt: `qemuDomainDefPostParseBasic`.
pub(super) fn default_emulator(domain: &mut Domain, context: &mut Context<'_>) {
    if domain.devices.emulator.is_some() {
        return;
    }
    let Some(architecture) = domain.os.kind.architecture else { return };
    domain.devices.emulator = context.host.emulators.get(&architecture.to_string()).cloned();
    if domain.devices.emulator.is_none() {
        let message =
            format!("there is no QEMU for guests of the architecture '{architecture}' here");
        context.error(domain.devices.origin, message);
    }
}

/// A guest that names no machine gets QEMU's default one; one that names an alias gets the machine
/// that it stands for today, so that it keeps it.
///
/// libvirt: `qemuDomainDefMachinePostParse`, `qemuCanonicalizeMachine`.
pub(super) fn machine(domain: &mut Domain, context: &mut Context<'_>) {
    let keeps_aliases = context.host.settings.machine_aliases == MachineAliases::Keep;
    let capabilities = context.capabilities;
    let found = match &domain.os.kind.machine {
        None => {
            let default = capabilities.default_machine();
            if default.is_none() {
                let message = "<type> names no machine, and QEMU has no default one";
                context.error(domain.os.origin, message);
            }
            default
        }
        Some(name) => capabilities
            .machines
            .iter()
            .find(|machine| machine.alias.as_deref() == Some(&**name))
            .filter(|_| !keeps_aliases),
    };
    if let Some(machine) = found {
        let alias = machine.alias.as_ref().filter(|_| keeps_aliases);
        domain.os.kind.machine = Some(NonEmpty(alias.unwrap_or(&machine.name).clone()));
    }
}
