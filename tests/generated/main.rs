//! Domains that nobody wrote: documents of `tests/xml2xml` with parts of others in them, and with
//! strange values. Whatever is accepted must have what holds of all documents; nothing may take long.
//!
//! They are the same at each run. `VDOMAIN_GENERATED=NUMBER` makes more of them.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

mod mutation;
#[path = "../property/mod.rs"]
mod property;

use std::env;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use mutation::{Random, changed};
use qemu::{Capabilities, Host};
use qmp::Recording;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");
/// How many documents are made.
const NUMBER: usize = 1000;
/// How long one may take, on a machine that does other things besides.
const LIMIT: Duration = Duration::from_secs(5);

#[test]
fn generated_domains_have_what_holds_of_all() {
    let sources = mutation::documents(&Path::new(TESTS).join("xml2xml"));
    let (capabilities, host) = world();
    let number = env::var("VDOMAIN_GENERATED").ok().and_then(|number| number.parse().ok());
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut accepted, mut wrong) = (0, Vec::new());
    for at in 0..number.unwrap_or(NUMBER) {
        let mut text = random.of(&sources).unwrap().clone();
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

fn world() -> (Capabilities, Host) {
    let replies = Path::new(TESTS).join("capabilities/qemu-10.0.2-x86_64.replies");
    let recording = Recording::parse(&fs::read_to_string(replies).unwrap()).unwrap();
    let host = fs::read_to_string(Path::new(TESTS).join("hosts/usual.json")).unwrap();
    (
        Capabilities::from_recording("/usr/bin/qemu-system-x86_64", &recording).unwrap(),
        serde_json::from_str(&host).unwrap(),
    )
}
