//! Which firmware a guest gets, and where its variables are kept.
//!
//! libvirt: `qemuFirmwareFillDomain` in `src/qemu/qemu_firmware.c`.

use base::{NonEmpty, OnOff, YesNo};
use conf::Domain;
use conf::architecture::Architecture;
use conf::device::disk::source::Source;
use conf::launch_security::LaunchSecurity;
use conf::os::{
    FirmwareFeatureName, FirmwareFeatures, FirmwareFormat, FirmwareKind, Loader, LoaderKind, Nvram,
};
use xml::{Origin, Part, Problem};

use super::context::Context;
use super::{Mode, features};
use crate::firmware::{Firmware, FlashFile, FlashMode, Mapping};
use crate::host::Host;
use crate::validate;

/// Chooses the first firmware of the host that is as the document wants it, or recognises the one
/// that the document names.
pub(super) fn select(domain: &mut Domain, context: &mut Context<'_>) {
    let is_automatic = domain.os.firmware.is_some();
    if domain.os.loader.is_none()
        && let Some(format) = domain.os.nvram.as_ref().and_then(|nvram| nvram.format)
    {
        domain.os.loader = Some(Loader { format: Some(format), ..added_loader() });
    }
    if context.mode == Mode::Reload {
        if is_automatic {
            let loader = domain.os.loader.get_or_insert_with(added_loader);
            loader.format.get_or_insert(FirmwareFormat::Raw);
        } else {
            domain.os.firmware_features = None;
        }
    }
    if !validate::firmware_problems(domain).is_empty() {
        return;
    }
    let is_rom = domain.os.loader.as_ref().is_none_or(|l| l.kind == Some(LoaderKind::Rom));
    if !is_automatic && is_rom {
        return;
    }
    match find(domain, context.host) {
        Some(found) => apply(domain, &found),
        None if is_automatic => {
            if context.mode == Mode::Define {
                context.problems.push(none_found(domain));
            }
            return;
        }
        None => {
            if let Some(loader) = &mut domain.os.loader {
                recognise_legacy(loader, &mut domain.os.nvram);
                loader.format.get_or_insert(FirmwareFormat::Raw);
            }
        }
    }
    name_nvram(domain, context);
}

/// The first firmware of the host that is as the document wants it.
pub(crate) fn find(domain: &Domain, host: &Host) -> Option<Firmware> {
    let wanted = Wanted::of(domain);
    host.firmware.iter().filter_map(Firmware::of).find(|found| wanted.accepts(found))
}

/// The document asks for a firmware that the host has not.
pub(crate) fn none_found(domain: &Domain) -> Problem {
    let kind = domain.os.firmware.map_or_else(String::new, |kind| format!("'{kind}' "));
    Problem::error(
        domain.os.origin,
        Part::Attribute("firmware".to_owned()),
        format!("there is no {kind}firmware on this host that is as <os> wants it"),
    )
    .help("install one (Debian: ovmf), ask for less in <firmware>, or name one in <loader>")
}

/// The bit of SEV's policy that asks for SEV-ES: registers are encrypted, too.
const SEV_POLICY_ENCRYPTED_STATE: u64 = 1 << 2;

fn added_loader() -> Loader {
    Loader { origin: Origin::Step("firmware"), ..Loader::default() }
}

/// What a firmware must be like.
struct Wanted<'a> {
    domain: &'a Domain,
    loader: Loader,
    template: Option<&'a str>,
    interface: Option<&'static str>,
}

impl<'a> Wanted<'a> {
    fn of(domain: &'a Domain) -> Self {
        let loader = domain.os.loader.clone().unwrap_or_default();
        let interface = match (domain.os.firmware, loader.kind) {
            (Some(FirmwareKind::Bios), _) | (None, Some(LoaderKind::Rom)) => Some("bios"),
            (Some(FirmwareKind::Efi), _) | (None, Some(LoaderKind::Pflash)) => Some("uefi"),
            (None, None) => None,
        };
        let template = domain.os.nvram.as_ref().and_then(|nvram| nvram.template.as_deref());
        Self { domain, loader, template, interface }
    }

    /// libvirt: `qemuFirmwareMatchDomain`.
    fn accepts(&self, firmware: &Firmware) -> bool {
        let architecture = match self.domain.os.kind.architecture {
            Some(Architecture::I686) => "i386".to_owned(),
            Some(architecture) => architecture.to_string(),
            None => return false,
        };
        let machine = self.domain.os.kind.machine.as_deref().unwrap_or_default();
        self.interface.is_some_and(|wanted| firmware.interface_types.iter().any(|i| i == wanted))
            && self.accepts_mapping(&firmware.mapping)
            && firmware.fits(&architecture, machine)
            && self.accepts_features(firmware)
    }

    fn accepts_mapping(&self, mapping: &Mapping) -> bool {
        let Loader { readonly, kind, stateless, format, path, .. } = &self.loader;
        let is_path = |file: &str| path.as_deref().is_none_or(|path| path == file);
        match mapping {
            Mapping::Flash { mode, executable, nvram_template } => {
                let is_template = self.template.is_none_or(|template| {
                    *mode == FlashMode::Split
                        && nvram_template.as_ref().is_some_and(|file| file.filename == template)
                });
                let is_mode = match stateless {
                    Some(YesNo::Yes) => *mode == FlashMode::Stateless,
                    _ => *mode == FlashMode::Split,
                };
                is_path(&executable.filename)
                    && is_template
                    && is_mode
                    && (*readonly != Some(YesNo::No) || *mode == FlashMode::Combined)
                    && *kind != Some(LoaderKind::Rom)
                    && (format.is_none() || *format == executable.format())
                    && executable.format().is_some()
            }
            Mapping::Memory { filename } => {
                is_path(filename)
                    && *kind != Some(LoaderKind::Pflash)
                    && *readonly != Some(YesNo::No)
            }
            Mapping::Kernel { .. } => false,
        }
    }

    fn accepts_features(&self, firmware: &Firmware) -> bool {
        let asked = |name| self.domain.os.firmware_features.as_ref().and_then(|all| all.get(name));
        let is_as_asked = |name: FirmwareFeatureName| {
            asked(name).is_none_or(|wanted| bool::from(wanted) == firmware.has(&name.to_string()))
        };
        let smm = self.domain.features.as_ref().and_then(|features| features.smm.as_ref());
        let smm_is_fine = if firmware.has("requires-smm") {
            smm.is_none_or(|smm| smm.state == OnOff::On) && self.loader.secure != Some(YesNo::No)
        } else {
            self.loader.secure != Some(YesNo::Yes)
        };
        is_as_asked(FirmwareFeatureName::SecureBoot)
            && is_as_asked(FirmwareFeatureName::EnrolledKeys)
            && smm_is_fine
            && self.accepts_sleep_states(firmware)
            && self.accepts_encryption(firmware)
    }

    fn accepts_sleep_states(&self, firmware: &Firmware) -> bool {
        let Some(pm) = &self.domain.pm else { return true };
        let yes = Some(YesNo::Yes);
        (pm.suspend_to_mem != yes || firmware.has("acpi-s3"))
            && (pm.suspend_to_disk != yes || firmware.has("acpi-s4"))
    }

    fn accepts_encryption(&self, firmware: &Firmware) -> bool {
        match &self.domain.launch_security {
            Some(LaunchSecurity::Sev(sev)) => {
                let needs_es = sev.policy.0 & SEV_POLICY_ENCRYPTED_STATE != 0;
                firmware.has("amd-sev") && (!needs_es || firmware.has("amd-sev-es"))
            }
            Some(LaunchSecurity::SevSnp(_)) => firmware.has("amd-sev-snp"),
            Some(LaunchSecurity::S390Pv) | None => true,
        }
    }
}

/// Writes down which firmware was chosen, in full, so that the guest keeps it.
///
/// libvirt: `qemuFirmwareEnableFeaturesModern`.
fn apply(domain: &mut Domain, firmware: &Firmware) {
    let os = &mut domain.os;
    let loader = os.loader.get_or_insert_with(added_loader);
    match &firmware.mapping {
        Mapping::Flash { mode, executable, nvram_template } => {
            loader.kind = Some(LoaderKind::Pflash);
            loader.readonly = Some(YesNo::Yes);
            loader.format = executable.format();
            loader.path = Some(NonEmpty(executable.filename.clone()));
            if let (FlashMode::Split, Some(template)) = (mode, nvram_template) {
                use_template(&mut os.nvram, template);
            }
        }
        Mapping::Memory { filename } | Mapping::Kernel { filename } => {
            loader.kind = Some(LoaderKind::Rom);
            loader.path = Some(NonEmpty(filename.clone()));
        }
    }
    let has_variables =
        loader.kind == Some(LoaderKind::Pflash) && loader.stateless != Some(YesNo::Yes);
    let has_template = os.nvram.as_ref().is_some_and(|nvram| nvram.template.is_some());
    let requires_smm = firmware.has("requires-smm");
    if requires_smm {
        loader.secure = Some(YesNo::Yes);
    }
    if os.firmware.is_none() {
        os.firmware = match firmware.interface_types.first().map(String::as_str) {
            Some("bios") => Some(FirmwareKind::Bios),
            Some("uefi") => Some(FirmwareKind::Efi),
            _ => None,
        };
    }
    let features = os.firmware_features.get_or_insert_with(FirmwareFeatures::default);
    let has = |name: FirmwareFeatureName| Some(YesNo::from(firmware.has(&name.to_string())));
    let keys = FirmwareFeatureName::EnrolledKeys;
    features.set(keys, has(keys).filter(|_| !has_variables || has_template));
    features.set(FirmwareFeatureName::SecureBoot, has(FirmwareFeatureName::SecureBoot));
    if requires_smm {
        features::require_smm(domain);
    }
}

fn use_template(nvram: &mut Option<Nvram>, file: &FlashFile) {
    let nvram = nvram.get_or_insert_with(added_nvram);
    let is_local = nvram.source.as_ref().is_none_or(Source::is_local);
    nvram.template = Some(file.filename.clone()).filter(|_| is_local);
    nvram.template_format = file.format().filter(|_| is_local);
}

fn added_nvram() -> Nvram {
    Nvram { origin: Origin::Step("firmware"), ..Nvram::default() }
}

/// Images that were known before there were descriptors, with the templates of their variables.
const LEGACY: &[(&str, &str)] = &[
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ("/usr/share/AAVMF/AAVMF32_CODE.fd", "/usr/share/AAVMF/AAVMF32_VARS.fd"),
];

/// libvirt: `qemuFirmwareFillDomainLegacy`.
fn recognise_legacy(loader: &mut Loader, nvram: &mut Option<Nvram>) {
    let is_raw = loader.format.is_none_or(|format| format == FirmwareFormat::Raw);
    if loader.kind != Some(LoaderKind::Pflash)
        || loader.readonly == Some(YesNo::No)
        || loader.stateless == Some(YesNo::Yes)
        || !is_raw
    {
        return;
    }
    let Some(path) = loader.path.as_deref() else { return };
    let Some((_, template)) = LEGACY.iter().find(|(image, _)| *image == path) else { return };
    loader.readonly = Some(YesNo::Yes);
    loader.format = Some(FirmwareFormat::Raw);
    let nvram = nvram.get_or_insert_with(added_nvram);
    nvram.template.get_or_insert_with(|| (*template).to_owned());
    nvram.template_format = Some(FirmwareFormat::Raw);
}

/// A firmware that has variables gets a file to keep them in.
///
/// libvirt: `qemuFirmwareEnsureNVRAM`.
fn name_nvram(domain: &mut Domain, context: &Context<'_>) {
    let Some(loader) = &domain.os.loader else { return };
    if loader.kind != Some(LoaderKind::Pflash)
        || loader.readonly != Some(YesNo::Yes)
        || loader.stateless == Some(YesNo::Yes)
    {
        return;
    }
    let nvram = domain.os.nvram.get_or_insert_with(added_nvram);
    nvram.format = nvram.format.or(loader.format);
    if nvram.path.is_some() || nvram.source.is_some() {
        return;
    }
    nvram.format = nvram.template_format.or(loader.format);
    let template = nvram.template.as_deref().unwrap_or_default();
    let extension = match nvram.format {
        Some(FirmwareFormat::Qcow2) => "qcow2",
        _ if context.mode == Mode::Define && template.ends_with(".raw") => "raw",
        _ => "fd",
    };
    let path = format!("{}/{}_VARS.{extension}", context.host.directories.nvram, domain.name);
    nvram.path = Some(NonEmpty(path));
}
