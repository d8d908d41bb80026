//! Domains that nobody wrote: documents of `tests/xml2xml` with parts of others in them, and with
//! strange values. Whatever is accepted must have what holds of all documents; nothing may take long.
//!
//! They are the same at each run. `VDOMAIN_GENERATED=NUMBER` makes more of them.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

#[path = "../property/mod.rs"]
mod property;

use std::env;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use qemu::{Capabilities, Host};
use qmp::Recording;
use roxmltree::{Document, Node};

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");
/// How many documents are made.
const NUMBER: usize = 1000;
/// How long one may take, on a machine that does other things besides.
const LIMIT: Duration = Duration::from_secs(5);
/// Values that attributes and texts rarely have.
const STRANGE: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "yes",
    "no",
    "on",
    "off",
    "default",
    "none",
    "4294967296",
    "18446744073709551616",
    "0x",
    "0xffffffffffffffff",
    "1.5",
    " ",
    "\u{e4}",
    "a/b",
    "../x",
    "a,b=c",
    "&#10;",
    "&lt;x&gt;",
    "%s",
    "\u{1F600}",
];

#[test]
fn generated_domains_have_what_holds_of_all() {
    let sources = documents();
    let (capabilities, host) = world();
    let number = env::var("VDOMAIN_GENERATED").ok().and_then(|number| number.parse().ok());
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut accepted, mut wrong) = (0, Vec::new());
    for at in 0..number.unwrap_or(NUMBER) {
        let mut text = random.of(&sources).clone();
        for _ in 0..=random.below(3) {
            text = changed(&text, &sources, &mut random).unwrap_or(text);
        }
        let start = Instant::now();
        let outcome = property::holds(&text, &capabilities, &host);
        assert!(start.elapsed() < LIMIT, "document {at} takes {:?}:\n{text}", start.elapsed());
        match outcome {
            Ok(is_accepted) => accepted += usize::from(is_accepted),
            Err(message) => wrong.push((at, message, text)),
        }
    }
    let shown: String =
        wrong.iter().map(|(at, message, _)| format!("document {at}: {message}\n")).collect();
    assert!(wrong.is_empty(), "{shown}the first one:\n{}", wrong[0].2);
    assert!(accepted > number.unwrap_or(NUMBER) / 20, "only {accepted} were accepted");
}

/// The documents that others are made of.
fn documents() -> Vec<String> {
    let mut paths: Vec<_> = fs::read_dir(Path::new(TESTS).join("xml2xml"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .collect();
    paths.sort();
    let texts = paths.into_iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.filter(|text| Document::parse(text).is_ok()).collect()
}

fn world() -> (Capabilities, Host) {
    let replies = Path::new(TESTS).join("capabilities/qemu-10.0.2-x86_64.replies");
    let recording = Recording::parse(&fs::read_to_string(replies).unwrap()).unwrap();
    let host = fs::read_to_string(Path::new(TESTS).join("hosts/usual.json")).unwrap();
    (
        Capabilities::from_recording("/usr/bin/qemu-system-x86_64", &recording).unwrap(),
        serde_json::from_str(&host).unwrap(),
    )
}

/// The document with one change.
fn changed(text: &str, sources: &[String], random: &mut Random) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let elements: Vec<Node<'_, '_>> =
        document.root_element().descendants().filter(Node::is_element).skip(1).collect();
    let element = *random.of(&elements);
    let range = element.range();
    let replaced = |range: std::ops::Range<usize>, new: &str| {
        format!("{}{new}{}", &text[..range.start], &text[range.end..])
    };
    match random.below(5) {
        0 => Some(replaced(range, "")),
        1 => Some(replaced(range.end..range.end, &text[range.clone()])),
        2 => {
            let attributes: Vec<_> = element.attributes().collect();
            let attribute = attributes.get(random.below(attributes.len().max(1)))?;
            Some(replaced(attribute.range_value(), random.word()))
        }
        3 => {
            let inside = element.children().find(Node::is_text)?;
            Some(replaced(inside.range(), random.word()))
        }
        _ => {
            let other = random.of(sources);
            let other = Document::parse(other).ok()?;
            let parent = element.parent_element()?.tag_name().name();
            let siblings: Vec<Node<'_, '_>> = other
                .descendants()
                .filter(|node| node.is_element())
                .filter(|node| node.parent_element().is_some_and(|p| p.has_tag_name(parent)))
                .collect();
            let sibling = siblings.get(random.below(siblings.len().max(1)))?;
            Some(replaced(range.end..range.end, &other.input_text()[sibling.range()]))
        }
    }
}

/// Numbers that look random and are always the same.
struct Random(u64);

impl Random {
    /// A number below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn word(&mut self) -> &'static str {
        STRANGE[self.below(STRANGE.len())]
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
