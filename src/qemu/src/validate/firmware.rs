//! Firmware: what goes together.
//!
//! libvirt: `virDomainDefOSValidate` in `src/conf/domain_validate.c`.

use super::within;
use base::YesNo;
use conf::Domain;
use conf::os::{FirmwareFeatureName, FirmwareKind, LoaderKind};
use xml::{Part, Problem};

use super::Rule;

pub(super) const RULES: &[Rule] = &[Rule::new(
    "firmware-is-consistent",
    "firmware is either looked for on the host or named in full, and only UEFI keeps variables",
    |check| check.problems.extend(self::problems(check.domain)),
)];

/// What is wrong with the firmware of a domain, before or after it was chosen.
pub(crate) fn problems(domain: &Domain) -> Vec<Problem> {
    let mut problems = Vec::new();
    match domain.os.firmware {
        Some(kind) => chosen(domain, kind, &mut problems),
        None => named(domain, &mut problems),
    }
    stateless(domain, &mut problems);
    problems
}

/// Rules where firmware is looked for.
fn chosen(domain: &Domain, kind: FirmwareKind, problems: &mut Vec<Problem>) {
    let os = &domain.os;
    if kind == FirmwareKind::Bios {
        if let Some(loader) = &os.loader
            && loader.stateless == Some(YesNo::No)
        {
            problems.push(
                Problem::error(loader.origin, attribute("stateless"), "a BIOS keeps no variables")
                    .help("leave out stateless='no', or ask for firmware='efi'"),
            );
        }
        if let Some(nvram) = &os.nvram {
            problems.push(
                Problem::error(nvram.origin, Part::Name, "a BIOS keeps no variables in <nvram>")
                    .help("leave out <nvram>, or ask for firmware='efi'"),
            );
        }
    }
    let feature = |name| os.firmware_features.as_ref().and_then(|features| features.get(name));
    if feature(FirmwareFeatureName::EnrolledKeys) == Some(YesNo::Yes)
        && feature(FirmwareFeatureName::SecureBoot) == Some(YesNo::No)
    {
        let message = "a firmware with 'enrolled-keys' has 'secure-boot', which is asked not to be";
        problems.push(
            Problem::error(os.origin, within("firmware/feature=enrolled-keys@enabled"), message)
                .help("write enabled='yes' for 'secure-boot', or 'no' for 'enrolled-keys'"),
        );
    }
}

/// Rules where the document names the firmware.
fn named(domain: &Domain, problems: &mut Vec<Problem>) {
    let os = &domain.os;
    if os.firmware_features.as_ref().is_some_and(|features| !features.features.is_empty()) {
        let message = "features of a firmware are asked for, but none is looked for";
        problems.push(
            Problem::error(os.origin, Part::Name, message)
                .help("write <os firmware='efi'>, or leave out <firmware>"),
        );
    }
    let has_path = os.loader.as_ref().is_some_and(|loader| loader.path.is_some());
    let origin = os.loader.as_ref().map(|loader| loader.origin);
    if let Some(origin) = origin.or(os.nvram.as_ref().map(|nvram| nvram.origin))
        && !has_path
    {
        let message = "no firmware is looked for, and <loader> names none";
        problems.push(
            Problem::error(origin, Part::Name, message)
                .help("write <os firmware='efi'>, or the path of an image in <loader>"),
        );
    }
    if let Some(loader) = &os.loader
        && loader.stateless == Some(YesNo::No)
        && loader.kind != Some(LoaderKind::Pflash)
    {
        problems.push(
            Problem::error(
                loader.origin,
                attribute("stateless"),
                "firmware in a read-only memory keeps no variables",
            )
            .help("leave out stateless='no', or write type='pflash'"),
        );
    }
}

fn stateless(domain: &Domain, problems: &mut Vec<Problem>) {
    let Some(loader) = &domain.os.loader else { return };
    let Some(nvram) = &domain.os.nvram else { return };
    if loader.stateless == Some(YesNo::Yes) {
        let what = if nvram.template.is_some() { "template of <nvram>" } else { "<nvram>" };
        let message = format!("a stateless firmware has no variables to keep: no {what}");
        problems.push(
            Problem::error(nvram.origin, Part::Name, message)
                .help("leave out <nvram>, or stateless='yes'"),
        );
    }
}

fn attribute(name: &str) -> Part {
    Part::Attribute(name.to_owned())
}
