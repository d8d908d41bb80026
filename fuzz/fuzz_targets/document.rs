//! Any bytes as a document: read, completed, printed, read again, planned.
//!
//! Bytes are changed by libFuzzer, documents mostly by what knows XML; which changes lead anywhere is
//! seen by the code that they reach.

#![no_main]

#[path = "../../tests/generated/mutation.rs"]
mod mutation;
#[path = "../../tests/property/mod.rs"]
mod property;

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mutation::Random;
use qemu::{Capabilities, Host};
use xml::Source;

/// The machine that the documents are for.
static WORLD: LazyLock<(Capabilities, Host)> = LazyLock::new(|| {
    let replies = include_str!("../../tests/capabilities/qemu-10.0.2-x86_64.replies");
    let recording = qmp::Recording::parse(replies).expect("the recording is part of the project");
    let host = serde_json::from_str(include_str!("../../tests/hosts/usual.json"))
        .expect("the host is part of the project");
    let capabilities = Capabilities::from_recording("/usr/bin/qemu-system-x86_64", &recording)
        .expect("the recording is of a QEMU");
    (capabilities, host)
});

/// The documents whose parts are put into others.
static SOURCES: LazyLock<Vec<String>> = LazyLock::new(|| {
    mutation::documents(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/xml2xml"))
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::decode("document", bytes.to_vec()) else { return };
    let (capabilities, host) = &*WORLD;
    if let Err(message) = property::holds(&source.text, capabilities, host) {
        panic!("{message}");
    }
});

fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random(u64::from(seed) << 32 | 0x9e37_79b9);
    let changed = std::str::from_utf8(&bytes[..size])
        .ok()
        .filter(|_| random.below(8) > 0)
        .and_then(|text| mutation::changed(text, &SOURCES, &mut random))
        .filter(|text| text.len() <= max_size);
    match changed {
        Some(text) => {
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        }
        None => fuzzer_mutate(bytes, size, max_size),
    }
});
