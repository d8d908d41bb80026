//! What the documents show works: their domains are accepted, their commands exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::Home;

/// A fenced block of a document.
struct Block {
    /// The word behind the fence.
    kind: String,
    /// The document, and the line of the fence.
    place: String,
    text: String,
}

/// The blocks of the documents that users read.
fn blocks() -> Vec<Block> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_dir(top.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let documents = docs.chain(["README.md", "CONTRIBUTING.md"].map(|name| top.join(name)));
    let documents = documents.filter(|path| path.extension().is_some_and(|found| found == "md"));
    documents.flat_map(|path| blocks_of(&path)).collect()
}

fn blocks_of(path: &PathBuf) -> Vec<Block> {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().display();
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (line.trim().strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => found.push(block),
            (Some(kind), None) => {
                let place = format!("{name}:{}", at + 1);
                open = Some(Block { kind: kind.to_owned(), place, text: String::new() });
            }
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    found
}

#[test]
fn every_domain_that_the_documents_show_is_accepted() {
    let Some(home) = Home::with_qemu() else { return };
    let domains: Vec<Block> = blocks()
        .into_iter()
        .filter(|block| block.kind == "xml" && block.text.starts_with("<domain"))
        .collect();

    assert!(!domains.is_empty(), "the README shows a domain");
    for Block { place, text, .. } in domains {
        home.write("shown.xml", text);
        let validated = home.vdomain(&["validate", "--strict", "shown.xml"]);
        let formatted = home.vdomain(&["format", "shown.xml"]);
        assert_eq!((validated.code, formatted.code), (0, 0), "{place}: {}", validated.err);
    }
}

#[test]
fn every_command_that_the_documents_show_exists() {
    let home = Home::new();
    let shown: BTreeSet<(String, String)> = blocks()
        .iter()
        .filter(|block| matches!(block.kind.as_str(), "sh" | "console" | ""))
        .flat_map(|block| block.text.lines().map(|line| (line, block.place.clone())))
        .filter_map(|(line, place)| {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            Some((line.strip_prefix("vdomain ")?.split(' ').next()?.to_owned(), place))
        })
        .collect();

    assert!(!shown.is_empty(), "the README shows commands");
    for (command, place) in shown {
        let help = home.vdomain(&[&command, "--help"]);
        assert_eq!(help.code, 0, "{place}: vdomain {command}: {}", help.err);
    }
}

#[test]
fn the_readme_names_every_command() {
    let help = Home::new().vdomain(&["--help"]).done().out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.map_while(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands: Vec<&str> = commands.filter(|command| !["", "help"].contains(command)).collect();
    assert!(commands.contains(&"start"), "{help}");

    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, table) = readme.split_once("### All commands").unwrap();
    let (table, _) = table.split_once("###").unwrap();
    let has =
        |command: &str| [" ", "`"].iter().any(|end| table.contains(&format!("`{command}{end}")));
    let missing: Vec<&str> = commands.into_iter().filter(|command| !has(command)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}
