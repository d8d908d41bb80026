//! The firmware and its variables.

use base::YesNo;
use conf::Domain;
use conf::device::disk::driver::{MetadataCache, StorageFormat};
use conf::os::{FirmwareFormat, Loader, LoaderKind, Nvram};
use serde_json::Value;

use super::argument::Argument;
use super::blockdev::{self, Nodes, Style};
use super::chain::{Chain, Layer, Place};
use super::{Builder, Open, network_source};
use crate::answers::{Answers, Question};
use crate::host::Host;

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
    let layer = Layer::found(
        Place::Local { path, block: false },
        image_format(loader.format),
        loader.origin,
    );
    pflash(builder, 0, &layer, readonly);
    let Some(nvram) = variables(builder) else { return };
    builder.cold_part("firmware's variables", nvram.origin);
    let format = image_format(nvram.format);
    let layer = match (&nvram.source, &nvram.path) {
        (Some(source), _) => {
            let mut chain = Chain::default();
            let (host, answers) = (builder.host, builder.answers);
            let cache = MetadataCache::default();
            let layer = Layer::of(source, Some(format), &cache, (host, &mut chain), answers);
            chain.problems.into_iter().for_each(|problem| {
                builder.say(problem);
            });
            layer
        }
        (None, Some(path)) => Some(Layer::found(
            Place::Local { path: path.0.clone(), block: false },
            format,
            nvram.origin,
        )),
        (None, None) => {
            builder.refuse("<nvram> names no file");
            None
        }
    };
    let Some(layer) = layer else { return };
    if let (Some(template), Some(path)) = (&nvram.template, layer.path()) {
        builder.copy_if_missing(path.to_owned(), template.clone());
    }
    pflash(builder, 1, &layer, false);
}

/// What to look at.
pub(super) fn questions(domain: &Domain, host: &Host, answers: &Answers) -> Vec<Question> {
    let source = domain.os.nvram.as_ref().and_then(|nvram| nvram.source.as_ref());
    let mut chain = Chain::default();
    let layer = source.and_then(|source| {
        Layer::of(source, None, &MetadataCache::default(), (host, &mut chain), answers)
    });
    layer.iter().flat_map(|layer| network_source::questions(layer, host)).collect()
}

fn image_format(format: Option<FirmwareFormat>) -> StorageFormat {
    match format {
        Some(FirmwareFormat::Qcow2) => StorageFormat::Qcow2,
        Some(FirmwareFormat::Raw) | None => StorageFormat::Raw,
    }
}

/// The nodes of one flash memory. Variables in a raw file have no node for their format.
fn pflash(builder: &mut Builder<'_>, unit: u32, layer: &Layer<'_>, readonly: bool) {
    let name = if unit == 0 { "firmware" } else { "nvram" };
    let prefix = format!("libvirt-pflash{unit}");
    let has_format = unit == 0;
    let nodes = Nodes { name, prefix: &prefix, top: true, readonly, has_format, create: None };
    blockdev::image(builder, &nodes, layer, (Some(Value::Null), None), Style::default());
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
