//! What libvirt makes of a document when it reads it back from where it stored it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use qemu::validate::start_problems;
use qemu::{Capabilities, CompleteDomain, Host, Mode};
use serde_json::Value;
use xml::Source;

use crate::corpus::{Corpus, Document};
use crate::difference::difference;
use crate::fixed_point::shown;
use crate::{Case, Outcome};

/// The world that a case takes place in.
struct World {
    capabilities: Capabilities,
    host: Host,
}

/// What the corpus says of a case that takes place in a changed world: the words are those of
/// libvirt's own tests.
type Changes = Value;

/// One case for each document of which it is known what libvirt makes of it, and for each that it
/// refuses.
pub(crate) fn cases(corpus: &Corpus) -> Result<Vec<Case>, String> {
    let special = corpus.json("libvirt/special.json")?;
    let world = Arc::new(world(corpus)?);
    let reloaded = corpus.inputs().into_iter().map(|document| {
        let changes = special[&document.name].clone();
        let expected = expected(corpus, &document.name, &changes);
        let world = Arc::clone(&world);
        Case::new(format!("reload/{}", document.name), move || {
            reloads(&document, &expected?, &world.changed(&changes)?)
        })
    });
    let refused = corpus.refused(false).into_iter().map(|document| {
        let world = Arc::clone(&world);
        Case::new(format!("refused/{}", document.name), move || is_refused(&document, &world))
    });
    let not_started = corpus.refused(true).into_iter().map(|document| {
        let changes = special[&document.name].clone();
        let world = Arc::clone(&world);
        Case::new(format!("refused-at-start/{}", document.name), move || {
            is_not_started(&document, &world.changed(&changes)?)
        })
    });
    Ok(reloaded.chain(refused).chain(not_started).collect())
}

/// What libvirt makes of a case in its changed world, where that differs from the usual one.
fn expected(corpus: &Corpus, name: &str, changes: &Changes) -> Result<String, String> {
    let text = |variant| corpus.text(&format!("libvirt/cases/{name}.x86_64-latest{variant}.xml"));
    changes["variant"].as_str().and_then(|variant| text(variant).ok()).map_or_else(|| text(""), Ok)
}

fn world(corpus: &Corpus) -> Result<World, String> {
    let recording = corpus.text("libvirt/caps_10.0.0_x86_64.replies")?;
    let recording = qmp::Recording::parse(&recording).map_err(|error| error.to_string())?;
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/libvirt-host.json");
    let host = fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok(World {
        capabilities: Capabilities::from_recording("/usr/bin/qemu-system-x86_64", &recording)?,
        host: serde_json::from_str(&host).map_err(|error| error.to_string())?,
    })
}

/// The types of QEMU behind libvirt's names of capabilities.
const TYPES: &[(&str, &str)] = &[
    ("QEMU_CAPS_DEVICE_QEMU_XHCI", "qemu-xhci"),
    ("QEMU_CAPS_NEC_USB_XHCI", "nec-usb-xhci"),
    ("QEMU_CAPS_ICH9_USB_EHCI1", "ich9-usb-ehci1"),
    ("QEMU_CAPS_PIIX3_USB_UHCI", "piix3-usb-uhci"),
    ("QEMU_CAPS_SEV_GUEST", "sev-guest"),
    ("QEMU_CAPS_SEV_SNP_GUEST", "sev-snp-guest"),
];

impl World {
    fn completed(&self, document: &Document) -> Result<CompleteDomain, String> {
        let source = Source::new(document.name.clone(), document.text.clone());
        let say = |problems: Vec<_>| shown(&source, &problems);
        let (domain, _) = conf::parse(&source).map_err(say)?;
        qemu::complete(domain, &self.capabilities, &self.host, Mode::Reload)
            .map(|completion| completion.domain)
            .map_err(say)
    }

    fn changed(&self, changes: &Changes) -> Result<Self, String> {
        let mut world = Self { capabilities: self.capabilities.clone(), host: self.host.clone() };
        let names = |key: &str| -> Vec<String> {
            let list = changes[key].as_array();
            list.into_iter().flatten().filter_map(|v| Some(v.as_str()?.to_owned())).collect()
        };
        let types = &mut world.capabilities.types;
        for (word, name) in TYPES {
            if names("without").iter().any(|without| without == word) {
                types.remove(*name);
            }
            let is_amd = changes["variant"] == "+amdsev";
            if names("with").iter().any(|with| with == word) || (is_amd && name.starts_with("sev"))
            {
                types.insert((*name).to_owned());
            }
        }
        for (name, value) in objects(changes, "environment") {
            world.host.environment.insert(name, value);
        }
        for (name, value) in objects(changes, "driver_config") {
            let settings = &mut world.host.settings;
            match name.as_str() {
                "vncAllowHostAudio" => settings.vnc_host_audio = value == "true",
                "nogfxAllowHostAudio" => settings.no_graphics_host_audio = value == "true",
                "dumpGuestCore" => settings.dump_guest_core = value == "true",
                _ => {}
            }
        }
        Ok(world)
    }
}

fn objects(changes: &Changes, key: &str) -> Vec<(String, String)> {
    changes[key]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn reloads(document: &Document, expected: &str, world: &World) -> Outcome {
    let domain = world.completed(document)?;
    match difference(expected, &conf::print(&domain)) {
        Some(difference) => Err(difference),
        None => Ok(()),
    }
}

fn is_refused(document: &Document, world: &World) -> Outcome {
    match world.completed(document) {
        Ok(_) => Err("libvirt refuses this document".to_owned()),
        Err(_) => Ok(()),
    }
}

fn is_not_started(document: &Document, world: &World) -> Outcome {
    let domain = world.completed(document)?;
    match &start_problems(&domain, &world.capabilities, &world.host)[..] {
        [] => Err("libvirt does not start this guest".to_owned()),
        _ => Ok(()),
    }
}
