//! What the documents say of the code, beside the code.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Findings;
use crate::tree::{self, crates};

#[test]
fn the_architecture_describes_every_crate_in_order() {
    let described: Vec<String> = tree::read("ARCHITECTURE.md")
        .lines()
        .filter_map(|line| line.strip_prefix("### `src/")?.strip_suffix('`'))
        .map(str::to_owned)
        .collect();
    let there: Vec<String> = crates().into_iter().map(|member| member.name).collect();

    assert_eq!(described, there, "ARCHITECTURE.md has a heading for each crate, in order");
}

#[test]
fn the_architecture_names_every_dependency() {
    let mut findings =
        Findings::of("each dependency is named with what it is for, or is not needed");
    let architecture = tree::read("ARCHITECTURE.md");
    let manifest = tree::read("Cargo.toml");
    let ours: Vec<String> = crates().into_iter().map(|member| member.name).collect();
    let dependencies = manifest
        .lines()
        .enumerate()
        .skip_while(|(_, line)| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['));
    for (at, line) in dependencies {
        let Some((name, _)) = line.split_once(" = ") else { continue };
        if !ours.iter().any(|own| own == name) && !architecture.contains(&format!("`{name}`")) {
            findings.add(Path::new("Cargo.toml"), at + 1, format!("ARCHITECTURE.md lacks {name}"));
        }
    }
    findings.none();
}

#[test]
fn the_readme_names_the_rust_that_is_needed() {
    let manifest = tree::read("Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
        .expect("the workspace says which Rust it needs");

    assert!(tree::read("README.md").contains(&format!("Rust {version} ")), "README.md: {version}");
}

#[test]
fn the_control_interface_is_documented() {
    let mut findings = Findings::of("docs/control.md is all that a program of others has");
    let document = tree::read("docs/control.md");
    for file in tree::below("schemas").into_iter().filter(|file| tree::is(file, "varlink")) {
        for (at, line) in tree::read(&file).lines().enumerate() {
            let Some(("method" | "error", rest)) = line.split_once(' ') else { continue };
            let name = rest.split(['(', ' ']).next().unwrap_or_default();
            if !document.contains(&format!("`{name}`")) {
                findings.add(&file, at + 1, format!("docs/control.md lacks {name}"));
            }
        }
    }
    findings.none();
}

#[test]
fn the_members_of_a_plan_are_documented() {
    let mut findings =
        Findings::of("the plan's JSON form is public, and docs/plan.md describes it");
    undocumented(&mut findings, "src/qemu/src/plan/mod.rs", "docs/plan.md", str::to_owned);
    findings.none();
}

#[test]
fn the_facts_of_a_host_are_documented() {
    let mut findings = Findings::of("hosts are described by users, and docs/host.md says how");
    let kebab_case = |name: &str| name.replace('_', "-");
    undocumented(&mut findings, "src/qemu/src/host.rs", "docs/host.md", kebab_case);
    findings.none();
}

/// The members and variants of a source's types that a document does not name, spelled as in JSON.
fn undocumented(
    findings: &mut Findings,
    source: &str,
    document: &str,
    spelled: impl Fn(&str) -> String,
) {
    let text = tree::read(document);
    let mut skipped = false;
    for (at, line) in tree::read(source).lines().enumerate() {
        let word = member(line).map(|name| spelled(&name)).or_else(|| variant(line));
        if let Some(word) = word
            && !skipped
            && !["`", "\""].iter().any(|quote| text.contains(&format!("{quote}{word}{quote}")))
        {
            findings.add(Path::new(source), at + 1, format!("{document} lacks {word}"));
        }
        skipped = line.trim() == "#[serde(skip)]";
    }
}

/// The member of a struct, or of a variant, that a line declares.
fn member(line: &str) -> Option<String> {
    let indent = line.len() - line.trim_start().len();
    let declaration = match indent {
        4 => line.trim().strip_prefix("pub ")?,
        8 => line.trim().strip_suffix(',')?,
        _ => return None,
    };
    let (name, _) = declaration.split_once(": ")?;
    name.chars().all(|c| c.is_ascii_lowercase() || c == '_').then(|| name.to_owned())
}

/// The variant of an enum that a line declares, as JSON has it.
fn variant(line: &str) -> Option<String> {
    let name = line.strip_prefix("    ")?.trim_end_matches(|c: char| !c.is_alphanumeric());
    let name = name.split('(').next()?;
    if !name.starts_with(|c: char| c.is_ascii_uppercase())
        || !name.chars().all(char::is_alphanumeric)
    {
        return None;
    }
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    Some(word)
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let source = tree::read("src/vdomain/src/exit.rs");
    let in_code: BTreeMap<String, String> = source
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "))
        .map(|(name, number)| (number.to_owned(), name.to_owned()))
        .collect();
    let in_document: BTreeMap<String, String> = tree::read("docs/exit-codes.md")
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            Some((cells.next()?.to_owned(), cells.next()?.trim_matches('`').to_owned()))
        })
        .filter(|(number, _)| number.parse::<u8>().is_ok())
        .collect();

    assert!(!in_code.is_empty(), "src/vdomain/src/exit.rs lists `Name = number,` a line");
    assert_eq!(in_document, in_code, "docs/exit-codes.md against src/vdomain/src/exit.rs");
}
