//! What libvirt stores of a new definition, and that it stays so.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use conf::Domain;
use qemu::complete::keep_identity;
use qemu::{Capabilities, Host, Mode};
use xml::Source;

use crate::Case;
use crate::corpus::{Corpus, Document, Stored};
use crate::difference::difference;
use crate::fixed_point::shown;

/// The machine that the definitions were stored on.
struct World {
    capabilities: Capabilities,
    host: Host,
}

/// One case for each document that a libvirt has stored, and for what it stored.
pub(crate) fn cases(corpus: &Corpus) -> Result<Vec<Case>, String> {
    let recording = corpus.text("real/caps_11.1.3_x86_64.replies")?;
    let recording = qmp::Recording::parse(&recording).map_err(|error| error.to_string())?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/real-host.json");
    let host = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let world = Arc::new(World {
        capabilities: Capabilities::from_recording("/usr/bin/qemu-system-x86_64", &recording)?,
        host: serde_json::from_str(&host).map_err(|error| error.to_string())?,
    });
    let mut cases = Vec::new();
    for document in corpus.stored() {
        if !document.text.contains("arch='x86_64'") {
            continue;
        }
        let world = Arc::clone(&world);
        let name = format!("stays/{}", document.name);
        cases.push(Case::new(name, move || {
            let text = document.text.clone();
            becomes(document, Mode::Reload, &world, |_| ())
                .and_then(|found| difference(&text, &found).map_or(Ok(()), Err))
        }));
    }
    for Stored { given, stored, without_emulator, generic_machine } in corpus.definitions()? {
        if !stored.text.contains("arch='x86_64'") {
            continue;
        }
        let world = Arc::clone(&world);
        cases.push(Case::new(format!("define/{}", given.name), move || {
            let expected = Source::new(stored.name, stored.text.clone());
            let old = conf::parse(&expected).map_err(|problems| shown(&expected, &problems))?.0;
            let text = given.text.clone();
            let found = becomes(given, Mode::Define, &world, |domain| {
                keep_identity(domain, &old);
                if let (Some(genid), Some(old)) = (&mut domain.genid, &old.genid) {
                    genid.id = genid.id.or(old.id);
                }
                let interfaces = domain.devices.interfaces.iter_mut();
                for (interface, old) in interfaces.zip(&old.devices.interfaces) {
                    interface.virtualport = old.virtualport.clone();
                }
                if without_emulator {
                    domain.devices.emulator = None;
                }
                let machine = &mut domain.os.kind.machine;
                if generic_machine && let Some(name) = machine.take() {
                    let kind = if name.contains("q35") { "q35" } else { "pc" };
                    *machine = Some(base::NonEmpty(kind.to_owned()));
                }
            })?;
            let [expected, found] =
                [stored.text, found].map(|stored| without_additions(&text, stored));
            difference(&expected, &found).map_or(Ok(()), Err)
        }));
    }
    Ok(cases)
}

/// What libvirt 12 fills in and 11.3 does not, or not always.
const ADDITIONS: &[&str] = &[
    " device='virtio-vga'",
    " device='virtio-vga-gl'",
    " templateFormat='raw'",
    "<loader type='rom' format='raw'>",
];

/// A stored document without what a newer libvirt filled in.
fn without_additions(given: &str, mut stored: String) -> String {
    for addition in ADDITIONS {
        let plain = if addition.starts_with('<') { "<loader type='rom'>" } else { "" };
        if !given.replace('"', "'").contains(addition) {
            stored = stored.replace(addition, plain);
        }
    }
    stored
}

fn becomes(
    Document { name, text }: Document,
    mode: Mode,
    world: &World,
    change: impl FnOnce(&mut Domain),
) -> Result<String, String> {
    let source = Source::new(name, text);
    let say = |problems: Vec<_>| shown(&source, &problems);
    let (mut domain, _) = conf::parse(&source).map_err(say)?;
    change(&mut domain);
    qemu::complete(domain, &world.capabilities, &world.host, mode)
        .map(|completion| conf::print(&completion.domain))
        .map_err(say)
}
