//! `schemas/domain.rng` describes what is read without a warning, and what is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use xml::Source;

use crate::corpus::{Corpus, Document};
use crate::relaxng::Validator;
use crate::silence::checks::{self as silence, Changed, Tried};
use crate::{Case, Outcome};

/// The schema.
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/domain.rng");

/// What xmllint says of each document that it finds invalid, found out once for all.
type Verdicts = Arc<OnceLock<Result<BTreeMap<String, String>, String>>>;

/// One case for each document that is read without a warning, and for what is printed of each.
pub(crate) fn cases(corpus: &Corpus) -> Vec<Case> {
    let given = corpus.inputs().into_iter().chain(corpus.accepted());
    let stored = corpus.expected().into_iter().chain(corpus.stored());
    let mut documents: BTreeMap<String, String> = BTreeMap::new();
    for Document { name, text } in given.chain(stored) {
        let source = Source::new(name.clone(), text);
        let Ok((domain, problems)) = conf::parse(&source) else { continue };
        documents.insert(format!("{name}.printed"), conf::print(&domain));
        if problems.is_empty() {
            documents.insert(name, source.text);
        }
    }
    let (broken, lists) = (broken(documents.values()), lists(documents.values()));
    let names: Vec<String> = documents.keys().cloned().collect();
    let documents = Arc::new(documents);
    let verdicts = Verdicts::default();
    let broken = Arc::new(broken);
    let (valid, invalid) = (Arc::clone(&documents), Arc::clone(&broken));
    let others = [
        Case::new("schema/refuses".to_owned(), move || are_invalid(&broken, &lists)),
        Case::new("schema/relax-ng".to_owned(), move || agree(&valid, &invalid)),
    ];
    names
        .into_iter()
        .map(|name| {
            let (documents, verdicts) = (Arc::clone(&documents), Arc::clone(&verdicts));
            Case::new(format!("schema/{name}"), move || is_valid(&name, &documents, &verdicts))
        })
        .chain(others)
        .collect()
}

/// Documents that are not read without a warning, each with what is wrong with it as its name.
fn broken<'a>(documents: impl Iterator<Item = &'a String>) -> BTreeMap<String, String> {
    let mut tried = Tried::default();
    let changed = documents.flat_map(|text| silence::changed(text, &mut tried));
    changed
        .filter(|changed| match conf::parse(&Source::new("changed", changed.text.clone())) {
            Ok((_, problems)) => !problems.is_empty(),
            Err(_) => true,
        })
        .enumerate()
        .map(|(at, Changed { what, text, .. })| (format!("{at} {}", what.replace('/', " ")), text))
        .collect()
}

/// What the schema cannot say, and why.
const BEYOND: &[(&str, &str)] = &[
    ("os nvram: a strange text", "an attribute says whether the text is a path"),
    ("smartcard database: a strange text", "the path must be absolute"),
];

/// Each of them is invalid, but for a second element where there can be several: that two must
/// differ is beyond the schema.
fn are_invalid(documents: &BTreeMap<String, String>, lists: &BTreeSet<String>) -> Outcome {
    let invalid = xmllint(documents)?;
    let mut valid: Vec<&str> = documents.keys().map(String::as_str).collect();
    valid.retain(|name| {
        let is_in_list = || {
            name.strip_suffix(": twice")
                .and_then(|name| name.split_once(' '))
                .is_some_and(|(_, path)| lists.contains(path))
        };
        let is_beyond = || BEYOND.iter().any(|(beyond, _)| name.ends_with(beyond));
        !invalid.contains_key(*name) && !is_in_list() && !is_beyond()
    });
    if valid.is_empty() {
        return Ok(());
    }
    Err(format!("of {}, these are valid:\n{}", documents.len(), valid.join("\n")))
}

/// The paths of elements of which a document has several beside each other.
fn lists<'a>(documents: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    let mut lists = BTreeSet::new();
    for text in documents {
        let Ok(document) = roxmltree::Document::parse(text) else { continue };
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let name = node.tag_name().name();
            if node.prev_siblings().skip(1).any(|other| other.has_tag_name(name)) {
                lists.insert(silence::path(node).replace('/', " "));
            }
        }
    }
    lists
}

fn is_valid(name: &str, documents: &BTreeMap<String, String>, verdicts: &Verdicts) -> Outcome {
    match verdicts.get_or_init(|| xmllint(documents)).as_ref()?.get(name) {
        Some(verdict) => Err(verdict.clone()),
        None => Ok(()),
    }
}

/// Every `EACH`th document is looked at with another validator, too.
const EACH: usize = 32;

/// Both validators come to the same verdict; the other one takes its time.
fn agree(valid: &BTreeMap<String, String>, invalid: &BTreeMap<String, String>) -> Outcome {
    let schema = Validator::new(&fs::read_to_string(SCHEMA).map_err(|error| error.to_string())?)?;
    let sample = |all: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        all.iter().step_by(EACH).map(|(name, text)| (name.clone(), text.clone())).collect()
    };
    for documents in [sample(valid), sample(invalid)] {
        let theirs = xmllint(&documents)?;
        for (name, text) in &documents {
            let ours = schema.validate(text);
            if ours.is_ok() == theirs.contains_key(name) {
                return Err(format!("{name}: xmllint disagrees: {ours:?}"));
            }
        }
    }
    Ok(())
}

/// Validates all documents in one run, since each run reads the schema.
fn xmllint(documents: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    for (name, text) in documents {
        fs::write(directory.path().join(name), text).map_err(|error| error.to_string())?;
    }
    let mut invalid: BTreeMap<String, String> = BTreeMap::new();
    let output = Command::new("xmllint")
        .args(["--noout", "--relaxng", SCHEMA])
        .args(documents.keys().map(Path::new))
        .current_dir(directory.path())
        .output()
        .map_err(|error| format!("xmllint: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let mut reasons = String::new();
    let mut seen = 0;
    for line in said.lines() {
        if let Some(name) = line.strip_suffix(" fails to validate") {
            invalid.insert(name.to_owned(), std::mem::take(&mut reasons));
        } else if line.ends_with(" validates") {
            reasons.clear();
        } else {
            reasons.push_str(line);
            reasons.push('\n');
            continue;
        }
        seen += 1;
    }
    if seen == documents.len() { Ok(invalid) } else { Err(format!("xmllint: {said}")) }
}
