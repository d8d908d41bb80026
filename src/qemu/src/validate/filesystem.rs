//! Folders shared with the guest.
//!
//! libvirt: `virDomainFSDefValidate`, `qemuValidateDomainDeviceDefFS`.

use conf::device::Filesystem;
use conf::device::filesystem::{AccessMode, DriverKind, Source};
use xml::Part;

use super::{Check, Rule, attribute};

pub(super) const RULES: &[Rule] = &[
    Rule::new("filesystem-is-a-folder", "QEMU shares folders, nothing else", folder),
    Rule::new("filesystem-tag-once", "the guest mounts a share by its tag", tags),
    Rule::new("modes-need-mapped", "otherwise files have the modes that the guest gives", modes),
    Rule::new("virtiofs-fits", "virtiofsd has other knobs than QEMU's 9p", virtiofs),
    Rule::new("virtiofs-needs-shared-memory", "virtiofsd reads the requests", shared_memory),
];

fn folder(check: &mut Check<'_>) {
    for filesystem in &check.domain.devices.filesystems {
        let origin = filesystem.origin;
        if !matches!(filesystem.source, Source::Mount(_)) {
            let message = "QEMU shares only filesystems of type='mount'";
            check.refuse(origin, attribute("type"), message, "write type='mount'");
        }
        if filesystem.space_hard_limit.is_some() || filesystem.space_soft_limit.is_some() {
            let message = "QEMU limits no space of a shared folder";
            let help = "leave out <space_hard_limit> and <space_soft_limit>";
            check.refuse(origin, Part::Name, message, help);
        }
        let kind = filesystem.driver.kind;
        if let Some(kind @ (DriverKind::Loop | DriverKind::Nbd | DriverKind::Ploop)) = kind {
            let message = format!("QEMU has no filesystem driver '{kind}'");
            let expected = "path or virtiofs";
            check.refuse_value(filesystem.driver.origin, "type", message, expected);
        }
        if filesystem.info.boot.is_some() && !filesystem.is_virtiofs() {
            let message = "a guest boots only from virtiofs";
            check.refuse(origin, Part::Name, message, "leave out <boot>");
        }
    }
}

fn tags(check: &mut Check<'_>) {
    let filesystems = &check.domain.devices.filesystems;
    for (at, filesystem) in filesystems.iter().enumerate() {
        let is_twin = |other: &Filesystem| {
            other.tag() == filesystem.tag() && (other.is_virtiofs() || filesystem.is_virtiofs())
        };
        if let Some(tag) = filesystem.tag()
            && filesystems[..at].iter().any(is_twin)
        {
            let message = format!("another filesystem has the tag '{tag}', too");
            let help = "write another <target dir='…'/>";
            check.refuse(filesystem.origin, Part::Name, message, help);
        }
    }
}

fn modes(check: &mut Check<'_>) {
    for filesystem in &check.domain.devices.filesystems {
        let has_modes = filesystem.fmode.is_some() || filesystem.dmode.is_some();
        if has_modes && filesystem.accessmode != Some(AccessMode::Mapped) {
            let message = "'fmode' and 'dmode' need accessmode='mapped'";
            let help = "write accessmode='mapped', or leave them out";
            check.refuse(filesystem.origin, attribute("fmode"), message, help);
        }
    }
}

fn virtiofs(check: &mut Check<'_>) {
    for filesystem in check.domain.devices.filesystems.iter().filter(|fs| fs.is_virtiofs()) {
        let origin = filesystem.origin;
        let accessmode = filesystem.accessmode;
        if !matches!(accessmode, None | Some(AccessMode::Passthrough)) {
            let message = "virtiofs has no other access mode than 'passthrough'";
            check.refuse(origin, attribute("accessmode"), message, "leave it out");
        }
        let given = [
            ("model", filesystem.model.is_some()),
            ("multidevs", filesystem.multidevs.is_some()),
            ("fmode", filesystem.fmode.is_some()),
            ("dmode", filesystem.dmode.is_some()),
        ];
        for (name, _) in given.into_iter().filter(|(_, given)| *given) {
            let message = format!("virtiofs has no '{name}'");
            check.refuse(origin, attribute(name), message, "leave it out");
        }
        let driver = &filesystem.driver;
        let given = [("wrpolicy", driver.wrpolicy.is_some()), ("format", driver.format.is_some())];
        for (name, _) in given.into_iter().filter(|(_, given)| *given) {
            let message = format!("virtiofs has no '{name}'");
            check.refuse(driver.origin, attribute(name), message, "leave it out");
        }
    }
}

fn shared_memory(check: &mut Check<'_>) {
    for filesystem in check.domain.devices.filesystems.iter().filter(|fs| fs.is_virtiofs()) {
        check.need_shared_memory(filesystem.origin, "virtiofs");
    }
}
