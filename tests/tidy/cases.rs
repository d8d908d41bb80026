//! The golden cases: files of one stem in one directory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::Findings;
use crate::tree;

const NOBODY_LOOKS: &str = "a file that no case reads looks like a test and is none";

/// What follows the stem of a case's expected files.
fn stray(directory: &str, endings: &[&str]) -> Vec<PathBuf> {
    let files: BTreeSet<PathBuf> = tree::below(directory).into_iter().collect();
    let belongs = |file: &Path| {
        let name = file.to_string_lossy();
        let is_expected = |ending: &&str| {
            name.strip_suffix(*ending)
                .is_some_and(|stem| files.contains(Path::new(&format!("{stem}.xml"))))
        };
        endings.iter().any(is_expected)
            || (name.ends_with(".xml") && !endings.iter().any(|ending| name.ends_with(ending)))
    };
    files.iter().filter(|file| !belongs(file)).cloned().collect()
}

#[test]
fn every_file_of_xml2xml_belongs_to_a_case() {
    let mut findings = Findings::of(NOBODY_LOOKS);
    for file in stray("tests/xml2xml", &[".out.xml", ".err", ".warnings"]) {
        findings.add(&file, 1, "there is no NAME.xml that it belongs to");
    }
    findings.none();
}

#[test]
fn every_file_of_xml2change_belongs_to_a_case() {
    let mut findings = Findings::of(NOBODY_LOOKS);
    let endings = [
        ".attach.xml",
        ".detach.xml",
        ".update.xml",
        ".images.json",
        ".stored.xml",
        ".change.json",
        ".after.xml",
        ".err",
        ".answers.json",
    ];
    for file in stray("tests/xml2change", &endings) {
        findings.add(&file, 1, "there is no NAME.xml that it belongs to");
    }
    findings.none();
}

#[test]
fn every_file_of_xml2qmp_belongs_to_a_case() {
    let mut findings = Findings::of(NOBODY_LOOKS);
    for file in stray("tests/xml2qmp", &[".plan.json", ".err", ".answers.json"]) {
        findings.add(&file, 1, "there is no NAME.xml that it belongs to");
    }
    findings.none();
}

#[test]
fn every_file_of_hardware_belongs_to_a_case() {
    let mut findings = Findings::of(NOBODY_LOOKS);
    for file in stray("tests/hardware/cases", &[".args"]) {
        findings.add(&file, 1, "there is no NAME.xml that it belongs to");
    }
    findings.none();
}
