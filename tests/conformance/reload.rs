//! What libvirt makes of a document when it reads it back from where it stored it.

use std::sync::Arc;

use qemu::validate::start_problems;

use crate::corpus::{Corpus, Document};
use crate::difference::difference;
use crate::machine::planned;
use crate::world::{Changes, OF_CASES, World};
use crate::{Case, Outcome};

/// One case for each document of which it is known what libvirt makes of it, and for each that it
/// refuses.
pub(crate) fn cases(corpus: &Corpus) -> Result<Vec<Case>, String> {
    let special = corpus.json("libvirt/special.json")?;
    let world = Arc::new(World::read(corpus, OF_CASES)?);
    let reloaded = corpus.inputs().into_iter().map(|document| {
        let changes = special[&document.name].clone();
        let expected = expected(corpus, &document.name, &changes);
        let world = Arc::clone(&world);
        Case::new(format!("reload/{}", document.name), move || {
            reloads(&document, &expected?, &world.changed(&changes))
        })
    });
    let refused = corpus.refused(false).into_iter().map(|document| {
        let world = Arc::clone(&world);
        Case::new(format!("refused/{}", document.name), move || is_refused(&document, &world))
    });
    let not_started = corpus.refused(true).into_iter().map(|document| {
        let changes = special[&document.name].clone();
        let world = Arc::clone(&world);
        // What is started elsewhere is refused for what this host lacks.
        let is_started = corpus.of_case(&document.name, None, "args").is_ok();
        Case::new(format!("refused-at-start/{}", document.name), move || {
            let mut world = world.changed(&changes);
            if is_started {
                world.host.programs.clear();
            }
            is_not_started(&document, &world)
        })
    });
    Ok(reloaded.chain(refused).chain(not_started).collect())
}

/// What libvirt makes of a case in its changed world, where that differs from the usual one.
fn expected(corpus: &Corpus, name: &str, changes: &Changes) -> Result<String, String> {
    corpus.of_case(name, changes["variant"].as_str(), "xml")
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
        Err(said) => has_place(said),
    }
}

/// An error names the line of what is at fault. More errors may follow from it that have none.
fn has_place(said: String) -> Outcome {
    let has_place = |line: &str| line.contains(": error: ") && !line.contains(":0: error: ");
    if said.lines().any(has_place) { Ok(()) } else { Err(said) }
}

fn is_not_started(document: &Document, world: &World) -> Outcome {
    let domain = world.completed(document)?;
    let World { capabilities, host, .. } = world;
    let is_refused = !start_problems(&domain, capabilities, host).is_empty();
    if is_refused || planned(&domain, world).is_err() {
        Ok(())
    } else {
        Err("libvirt does not start this guest".to_owned())
    }
}
