//! The firmware and its variables.

use base::YesNo;
use conf::os::{FirmwareFormat, Loader, LoaderKind, Nvram};
use serde_json::{Value, json};

use super::argument::Argument;
use super::blockdev::object;
use super::{Access, Builder, Open};

/// The loader of a firmware that is put into flash memory.
fn flash<'a>(builder: &Builder<'a>) -> Option<&'a Loader> {
    let loader = builder.domain.os.loader.as_ref()?;
    (loader.kind == Some(LoaderKind::Pflash) && loader.path.is_some()).then_some(loader)
}

/// The image of the firmware's variables.
fn variables<'a>(builder: &Builder<'a>) -> Option<&'a Nvram> {
    flash(builder).and(builder.domain.os.nvram.as_ref())
}

/// What `-machine` says about flash memory.
pub(super) fn of_machine(machine: &mut Argument, builder: &Builder<'_>) {
    if flash(builder).is_some() {
        machine.add("pflash0", "libvirt-pflash0-format");
    }
    if let Some(nvram) = variables(builder) {
        let is_qcow2 = nvram.format == Some(FirmwareFormat::Qcow2);
        let node = if is_qcow2 { "libvirt-pflash1-format" } else { "libvirt-pflash1-storage" };
        machine.add("pflash1", node);
    }
}

/// The nodes of flash memory, which must be there before the machine.
///
/// libvirt: `qemuBuildPflashBlockdevCommandLine`.
pub(super) fn nodes(builder: &mut Builder<'_>) {
    let Some(loader) = flash(builder) else { return };
    builder.cold_part("firmware", loader.origin);
    let readonly = loader.readonly == Some(YesNo::Yes);
    let path = loader.path.as_ref().map(|path| path.0.clone()).unwrap_or_default();
    let format = loader.format.unwrap_or(FirmwareFormat::Raw);
    pflash(builder, 0, path, format, readonly);
    let Some(nvram) = variables(builder) else { return };
    builder.cold_part("firmware's variables", nvram.origin);
    if nvram.source.is_some() {
        builder.refuse("cannot start a guest with <source> of <nvram> yet");
        return;
    }
    let Some(path) = nvram.path.as_ref().map(|path| path.0.clone()) else {
        builder.refuse("<nvram> names no file");
        return;
    };
    if let Some(template) = &nvram.template {
        builder.copy_if_missing(path.clone(), template.clone());
    }
    pflash(builder, 1, path, nvram.format.unwrap_or(FirmwareFormat::Raw), false);
}

/// The nodes of one flash memory. Variables in a raw file have no node for their format.
fn pflash(
    builder: &mut Builder<'_>,
    unit: u32,
    path: String,
    format: FirmwareFormat,
    readonly: bool,
) {
    let name = if unit == 0 { "firmware" } else { "nvram" };
    let has_format = unit == 0 || format == FirmwareFormat::Qcow2;
    let accesses: &[Access] = match (readonly, has_format) {
        (true, _) => &[Access::Ro],
        (false, true) => &[Access::Rw, Access::Ro],
        (false, false) => &[Access::Rw],
    };
    let fds = accesses
        .iter()
        .enumerate()
        .map(|(at, access)| {
            let name = if at == 0 { name.to_owned() } else { format!("{name}-ro") };
            builder.fd(name, path.clone(), Open::File { access: *access, direct: false })
        })
        .collect();
    let filename = builder.fdset(fds);
    let storage = format!("libvirt-pflash{unit}-storage");
    if !has_format {
        builder.blockdev(json!({
            "driver": "file", "filename": filename, "node-name": storage, "read-only": readonly,
        }));
        return;
    }
    builder.blockdev(json!({
        "driver": "file", "filename": filename, "node-name": storage,
        "auto-read-only": true, "discard": "unmap",
    }));
    let mut node = object(json!({
        "node-name": format!("libvirt-pflash{unit}-format"), "read-only": readonly,
        "driver": format.to_string(), "file": storage,
    }));
    if format == FirmwareFormat::Qcow2 {
        node.insert("backing".to_owned(), Value::Null);
    }
    builder.blockdev(node.into());
}

/// A firmware in read-only memory, or what flash memory needs besides its nodes.
pub(super) fn loader(builder: &mut Builder<'_>) {
    let Some(loader) = &builder.domain.os.loader else { return };
    let Some(path) = loader.path.as_deref() else { return };
    builder.part("firmware", loader.origin);
    match loader.kind {
        Some(LoaderKind::Pflash) => {
            if loader.secure == Some(YesNo::Yes) {
                builder.argument("global", "driver=cfi.pflash01,property=secure,value=on");
            }
        }
        None | Some(LoaderKind::Rom) => {
            let fd = builder.fd("firmware", path, Open::MemfdCopy);
            let path = builder.inherited_path(fd);
            builder.argument("bios", path);
        }
    }
}
