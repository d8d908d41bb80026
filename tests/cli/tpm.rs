//! The state of a TPM that swtpm emulates: made at the first start, and kept until it is asked to go.

use std::fs;
use std::path::Path;

use pretty_assertions::assert_eq;

use crate::common::{Home, not_installed};
use crate::document;

const UUID: &str = "c7a5fdbd-edaf-9455-926a-d65c16db1877";

#[test]
fn the_state_of_a_tpm_is_the_guests_from_start_to_start() {
    let Some(home) = Home::with_qemu() else { return };
    if !Path::new("/usr/bin/swtpm").exists() {
        return not_installed("swtpm");
    }
    let tpm = "<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>";
    let text =
        document("sealed", tpm).replace("<memory", &format!("<uuid>{UUID}</uuid>\n  <memory"));
    home.define(&text);
    let directory = home.path("home/state/tpm").join(UUID);
    // Keys and NVRAM of the TPM. It is written anew only when the guest speaks to it.
    let state = || fs::read(directory.join("tpm2/tpm2-00.permall")).unwrap();
    let start_and_end = || {
        home.vdomain(&["start", "sealed", "--paused"]).done();
        home.vdomain(&["destroy", "sealed"]).done();
    };

    start_and_end();
    let made = state();
    start_and_end();
    assert_eq!(state(), made);

    let said = home.vdomain(&["undefine", "sealed"]).done().err;
    assert!(said.contains("The state of its TPM is kept in"), "{said}");
    home.define(&text);
    start_and_end();
    assert_eq!(state(), made);

    home.vdomain(&["undefine", "sealed", "--tpm"]).done();
    assert!(!directory.exists());
    home.write("sealed.xml", &text);
    home.vdomain(&["create", "sealed.xml", "--paused"]).done();
    home.vdomain(&["destroy", "sealed"]).done();
    assert_ne!(state(), made);
}
