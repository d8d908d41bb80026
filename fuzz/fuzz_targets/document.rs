//! Any bytes as a document: read, completed, printed, read again, planned.

#![no_main]

#[path = "../../tests/property/mod.rs"]
mod property;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
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

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::decode("document", bytes.to_vec()) else { return };
    let (capabilities, host) = &*WORLD;
    if let Err(message) = property::holds(&source.text, capabilities, host) {
        panic!("{message}");
    }
});
