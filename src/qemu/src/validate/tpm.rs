//! Trusted platform modules.
//!
//! libvirt: `virDomainTPMDevValidate`, `qemuValidateDomainDeviceDefTPM`, `qemuValidateDomainDefTPMs`.

use conf::device::tpm::{TpmBackend, TpmModel, TpmVersion};
use xml::Part;

use super::{Check, Rule, attribute};

pub(super) const RULES: &[Rule] = &[
    Rule::new("one-tpm", "a guest talks to one TPM", one),
    Rule::new("tpm-model-is-there", "each interface is a device of QEMU", there),
    Rule::new("tpm-version-fits", "the newer interface came with TPM 2.0", version),
];

fn one(check: &mut Check<'_>) {
    for tpm in check.domain.devices.tpms.iter().skip(1) {
        check.refuse(tpm.origin, Part::Name, "there is another <tpm>", "leave one of them out");
    }
}

fn there(check: &mut Check<'_>) {
    for tpm in &check.domain.devices.tpms {
        let model = tpm.model.unwrap_or(TpmModel::TpmTis);
        let has = |name: &str| check.capabilities.tpm.contains(name);
        let has_model = match model {
            TpmModel::TpmTis => has("tpm-tis"),
            TpmModel::TpmCrb => has("tpm-crb"),
            TpmModel::TpmSpapr | TpmModel::SpaprTpmProxy => false,
        };
        let has_backend = match tpm.backend {
            TpmBackend::Passthrough(_) => has("passthrough"),
            TpmBackend::Emulator(_) | TpmBackend::External(_) => has("emulator"),
        };
        if !has_model {
            let message = format!("this QEMU has no TPM of model '{model}'");
            let help = "write model='tpm-crb' or 'tpm-tis'";
            check.refuse(tpm.origin, attribute("model"), message, help);
        }
        if !has_backend {
            let message = "this QEMU has no such <backend> of a TPM";
            check.refuse(tpm.origin, Part::Name, message, "use another QEMU");
        }
    }
}

fn version(check: &mut Check<'_>) {
    for tpm in &check.domain.devices.tpms {
        let Some(emulator) = tpm.emulator() else { continue };
        if emulator.version != Some(TpmVersion::V1_2) {
            continue;
        }
        if tpm.model == Some(TpmModel::TpmCrb) {
            let message = "a TPM of version 1.2 has no interface 'tpm-crb'";
            check.refuse(tpm.origin, attribute("model"), message, "write version='2.0'");
        }
        if emulator.active_pcr_banks.as_ref().is_some_and(|banks| banks.names().next().is_some()) {
            let message = "a TPM of version 1.2 has no banks to choose";
            check.refuse(tpm.origin, Part::Name, message, "write version='2.0'");
        }
    }
}
