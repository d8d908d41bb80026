//! What every file has, and how long it may be.

use std::path::{Path, PathBuf};

use crate::Findings;
use crate::tree;

/// The most lines of a source file, its tests included.
const MAX_LINES: usize = 700;

/// What is not finished. Written apart, so that this file does not find itself.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

fn rust_files() -> Vec<PathBuf> {
    tree::files().into_iter().filter(|file| tree::is(file, "rs")).collect()
}

#[test]
fn every_source_file_begins_by_saying_what_it_is() {
    let mut findings = Findings::of("a reader who opens a file is told first what it is for");
    for file in rust_files() {
        if !tree::read(&file).starts_with("//! ") {
            findings.add(&file, 1, "does not begin with `//! `");
        }
    }
    findings.none();
}

#[test]
fn no_source_file_is_too_long_to_read_through() {
    let mut findings = Findings::of(
        "a file is one thing that can be read in one go; split it by what it is about",
    );
    for file in rust_files() {
        let lines = tree::read(&file).lines().count();
        if lines > MAX_LINES {
            findings.add(&file, lines, format!("{lines} lines, more than {MAX_LINES}"));
        }
    }
    findings.none();
}

#[test]
fn nothing_is_marked_as_unfinished() {
    let mut findings = Findings::of("what is missing is an issue, or is said in the documentation");
    for file in tree::files() {
        for (at, line) in tree::read(&file).lines().enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric());
            for word in words.filter(|word| UNFINISHED.contains(word)) {
                findings.add(&file, at + 1, word);
            }
        }
    }
    findings.none();
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut findings = Findings::of("a document that names a file which has moved misleads");
    for file in tree::files().into_iter().filter(|file| tree::is(file, "md")) {
        let directory = file.parent().unwrap_or(Path::new(""));
        for (at, line) in tree::read(&file).lines().enumerate() {
            for target in links(line) {
                let path = target.split('#').next().unwrap_or_default();
                if !path.is_empty() && !path.contains("://") && !tree::exists(&directory.join(path))
                {
                    findings.add(&file, at + 1, format!("there is no {path}"));
                }
            }
        }
    }
    findings.none();
}

/// The targets of a line's Markdown links.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}
