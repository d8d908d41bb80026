//! Who may name whom.

use std::collections::BTreeSet;
use std::path::Path;

use crate::Findings;
use crate::rust::sources;
use crate::tree::{self, crates};

/// What of `qmp` is data and not a connection.
const QMP_DATA: &[&str] = &[
    "message",
    "replies",
    "schema",
    "ErrorClass",
    "Event",
    "Greeting",
    "Recording",
    "Refusal",
    "Schema",
];

/// The crates of the asynchronous runtime.
const RUNTIME: &[&str] = &[
    "async_channel",
    "async_global_executor",
    "async_io",
    "async_signal",
    "async_std",
    "futures_lite",
];

#[test]
fn every_directory_of_src_is_a_member_of_the_workspace() {
    let mut findings = Findings::of("Cargo.toml is the list of layers, so it must be whole");
    let listed: BTreeSet<_> = crates().into_iter().map(|member| member.directory).collect();
    let mut there = BTreeSet::new();
    for file in tree::below("src") {
        there.insert(file.components().take(2).collect());
    }
    for directory in listed.symmetric_difference(&there) {
        findings.add(directory, 1, "is not both listed in Cargo.toml and there");
    }
    findings.none();
}

#[test]
fn a_crate_names_only_crates_that_come_before_it() {
    let mut findings = Findings::of(
        "the members in Cargo.toml stand lowest first; a crate that needs a higher one is in the \
         wrong place, or holds what belongs into the higher one",
    );
    let crates = crates();
    for (level, member) in crates.iter().enumerate() {
        let manifest = member.directory.join("Cargo.toml");
        for Dependency { line, name, .. } in dependencies(&manifest) {
            if crates[level..].iter().any(|other| other.name == name) {
                findings.add(&manifest, line, format!("{} names {name}", member.name));
            }
        }
    }
    findings.none();
}

#[test]
fn a_dependency_is_the_one_of_the_workspace() {
    let mut findings =
        Findings::of("versions and features stand once, in the top-level Cargo.toml");
    for member in crates() {
        let manifest = member.directory.join("Cargo.toml");
        let text = tree::read(&manifest);
        for Dependency { line, name, .. } in dependencies(&manifest) {
            if !text.lines().nth(line - 1).unwrap_or_default().contains("workspace = true") {
                findings.add(&manifest, line, format!("{name} has no `workspace = true`"));
            }
        }
    }
    findings.none();
}

#[test]
fn qemu_takes_the_data_of_qmp_and_not_its_client() {
    let mut findings = Findings::of("the crate qemu decides; talking to QEMU is the supervisor's");
    for source in sources(Path::new("src/qemu")) {
        for (line, name) in &source.names {
            let Some(part) = name.strip_prefix("qmp::") else { continue };
            let part = part.split("::").next().unwrap_or_default();
            if !QMP_DATA.contains(&part) {
                findings.add(&source.file, *line, name);
            }
        }
    }
    findings.none();
}

#[test]
fn only_the_runtime_module_names_the_runtime() {
    let mut findings = Findings::of(
        "async-std is unmaintained; replacing it must not touch more than src/sys/src/runtime",
    );
    for member in crates() {
        for source in sources(&member.directory) {
            if source.file.starts_with("src/sys/src/runtime") {
                continue;
            }
            for (line, name) in &source.names {
                if RUNTIME.contains(&name.split("::").next().unwrap_or_default()) {
                    findings.add(&source.file, *line, name);
                }
            }
        }
    }
    findings.none();
}

#[test]
fn unsafe_code_is_in_sys_only() {
    let mut findings =
        Findings::of("what the compiler cannot check is kept together, where it is reviewed");
    for member in crates().iter().filter(|member| member.name != "sys") {
        for source in sources(&member.directory) {
            for (line, _) in source.names.iter().filter(|(_, name)| name == "unsafe") {
                findings.add(&source.file, *line, "unsafe");
            }
        }
    }
    findings.none();
}

#[test]
fn a_dependency_is_named_by_a_source() {
    let mut findings = Findings::of("a dependency that nothing names is built for nothing");
    for member in crates() {
        let manifest = member.directory.join("Cargo.toml");
        let named: BTreeSet<String> = sources(&member.directory)
            .iter()
            .flat_map(|source| &source.names)
            .filter_map(|(_, name)| name.split("::").next().map(str::to_owned))
            .collect();
        for dependency in
            dependencies(&manifest).iter().filter(|found| found.section == "dependencies")
        {
            if !named.contains(&dependency.name.replace('-', "_")) {
                findings.add(&manifest, dependency.line, &dependency.name);
            }
        }
    }
    findings.none();
}

/// A line of a manifest that names a dependency.
struct Dependency {
    /// `dependencies` or `dev-dependencies`.
    section: String,
    line: usize,
    name: String,
}

/// The dependencies that a manifest lists.
fn dependencies(manifest: &Path) -> Vec<Dependency> {
    let mut found = Vec::new();
    let text = tree::read(manifest);
    let mut section = "";
    for (at, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if section.ends_with("dependencies")
            && let Some((name, _)) = line.split_once(['.', ' ', '='])
        {
            let (section, name) = (section.to_owned(), name.to_owned());
            found.push(Dependency { section, line: at + 1, name });
        }
    }
    found
}
