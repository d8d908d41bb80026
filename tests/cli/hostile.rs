//! Documents that are broken, or made to harm: a clear error in bounded time and memory, and
//! nothing stored.

use std::process::Command;

use crate::common::{Home, run};
use crate::document;

/// The most memory that the program may map, in KiB: what it maps for any document, and a few times
/// the largest one that is read.
const MEMORY: u32 = 400 << 10;

/// The most processor time it may take, in seconds.
const TIME: u32 = 20;

/// Defines a document within the bounds; what was said. Nothing is stored.
#[track_caller]
fn refused(document: impl AsRef<[u8]>) -> String {
    let home = Home::new();
    home.write("guest.xml", document);
    let script = format!("ulimit -v {MEMORY}; ulimit -t {TIME}; exec \"$0\" define guest.xml");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_vdomain")]);
    home.inside(&mut command);

    let said = run(command).fails(1);

    assert!(!home.path("home/domains").exists(), "something was stored");
    assert!(said.contains("guest.xml"), "which document? {said}");
    assert!(said.len() < 64 << 10, "{} bytes are said", said.len());
    said
}

#[test]
fn a_document_that_ends_too_early_is_refused() {
    let whole = document("web", "");
    let said = refused(&whole[..whole.len() / 2]);
    assert!(said.contains("guest.xml:1:1: "), "{said}");
}

#[test]
fn an_empty_document_is_refused() {
    refused("");
}

#[test]
fn a_document_of_another_kind_is_refused() {
    let said = refused("<network>\n  <name>web</name>\n</network>\n");
    assert!(said.contains("network") && said.contains("domain"), "{said}");
}

#[test]
fn a_document_with_a_zero_byte_is_refused() {
    refused(document("web\0", ""));
}

#[test]
fn a_document_that_is_not_utf_8_is_refused() {
    let mut bytes = document("web", "").into_bytes();
    bytes[30] = 0xff;
    let said = refused(bytes);
    assert!(said.contains("UTF-8"), "{said}");
}

#[test]
fn a_document_of_100_mb_is_refused() {
    let said = refused(document("web", &"x".repeat(100_000_000)));
    assert!(said.contains("more than 8 MiB"), "{said}");
}

#[test]
fn a_file_without_an_end_is_refused() {
    let home = Home::new();
    let said = home.vdomain(&["define", "/dev/zero"]).fails(1);
    assert!(said.contains("more than 8 MiB"), "{said}");
}

#[test]
fn an_element_with_100_000_attributes_is_refused() {
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=''")).collect();
    let said = refused(document("web", &format!("<disk{attributes}/>")));
    assert!(said.contains("guest.xml:8:1: "), "{said}");
}

#[test]
fn entities_that_expand_to_very_much_are_refused() {
    let mut entities = "<!ENTITY a0 'x'>".to_owned();
    for number in 1..30 {
        let inner = format!("&a{};", number - 1).repeat(10);
        entities.push_str(&format!("<!ENTITY a{number} '{inner}'>"));
    }
    let bomb = document("&a29;", "");
    let said = refused(format!("<!DOCTYPE domain [{entities}]>\n{bomb}"));
    assert!(said.contains("entities"), "{said}");
}

#[test]
fn entities_from_files_are_refused() {
    let bomb = document("&file;", "");
    let said =
        refused(format!("<!DOCTYPE domain [<!ENTITY file SYSTEM '/etc/hostname'>]>\n{bomb}"));
    assert!(said.contains("entities"), "{said}");
}

#[test]
fn elements_that_nest_very_deep_are_refused() {
    let deep = ["<a>".repeat(1_000_000), "</a>".repeat(1_000_000)].concat();
    let said = refused(
        document("web", "").replace("<devices>", &format!("<metadata>{deep}</metadata><devices>")),
    );
    assert!(said.contains("guest.xml:7:"), "{said}");
}

#[test]
fn very_many_problems_are_said_in_bounded_time() {
    let many = "<frob/>\n".repeat(20_000);
    let said = refused(document("web", &format!("<disk typ='file'/>{many}")));
    assert!(said.contains("more"), "{said}");
}

#[test]
fn numbers_beyond_all_bounds_are_refused() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));
    home.write("guest.xml", document("web", ""));
    for arguments in [
        &["define", "--spare-ports", "4000000000", "guest.xml"][..],
        &["setvcpus", "web", "4000000000", "--maximum", "--config"],
        &["setvcpu", "web", "0-4000000000", "--enable", "--config"],
        &["setmem", "web", "99999999999T", "--config"],
    ] {
        let said = home.vdomain(arguments).fails(2);
        assert!(said.contains("invalid value"), "{said}");
    }
}
