//! Names: which can be taken, and what is said where there is no domain of that name.

use crate::common::Home;
use crate::document;

#[track_caller]
fn refused(name: &str, reason: &str) {
    let home = Home::new();
    home.write("guest.xml", document(name, ""));

    let said = home.vdomain(&["define", "guest.xml"]).fails(1);

    assert!(said.contains(reason), "{said}");
    assert!(!home.path("home/domains").exists());
}

#[test]
fn a_name_with_a_slash_is_refused() {
    refused("../web", "contains '/'");
}

#[test]
fn a_name_that_would_be_a_hidden_file_is_refused() {
    refused(".web", "begins with '.'");
}

#[test]
fn a_name_with_a_line_end_is_refused() {
    refused("web&#10;two", "name");
}

#[test]
fn a_name_that_is_longer_than_a_file_name_is_refused() {
    refused(&"x".repeat(252), "255 bytes");
}

#[test]
fn a_name_that_makes_a_socket_path_too_long_is_refused() {
    refused(&"x".repeat(100), "at most 107");
}

#[test]
fn a_document_without_a_name_is_refused() {
    let home = Home::new();
    home.write("guest.xml", document("", "").replace("<name></name>", ""));

    let said = home.vdomain(&["define", "guest.xml"]).fails(1);

    assert!(said.contains("guest.xml:1:1: ") && said.contains("name"), "{said}");
}

#[test]
fn a_name_in_any_script_is_taken() {
    let Some(home) = Home::with_qemu() else { return };

    home.define(&document("Größe 1", ""));

    assert_eq!(home.vdomain(&["list", "--all", "--name"]).done().out, "Größe 1\n");
    home.vdomain(&["undefine", "Größe 1"]).done();
}

#[test]
fn a_name_that_is_nearly_right_gets_a_hint() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("webserver", ""));

    let near = home.vdomain(&["dumpxml", "websevrer"]).fails(3);
    let far = home.vdomain(&["dumpxml", "database"]).fails(3);

    assert_eq!(near, "error: no domain 'websevrer'\nhelp: did you mean 'webserver'?\n");
    assert_eq!(far, "error: no domain 'database'\n");
}

const UUID: &str = "f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff";

#[test]
fn a_uuid_names_a_domain_everywhere() {
    let Some(home) = Home::with_qemu() else { return };
    let uuid = format!("</name><uuid>{UUID}</uuid>");
    home.define(&document("webserver", "").replace("</name>", &uuid));

    assert_eq!(home.vdomain(&["domname", UUID]).done().out, "webserver\n");
    assert_eq!(home.vdomain(&["domuuid", "webserver"]).done().out, format!("{UUID}\n"));
    assert_eq!(home.vdomain(&["domid", "webserver"]).done().out, "-\n");
    assert_eq!(home.vdomain(&["list", "--all", "--uuid"]).done().out, format!("{UUID}\n"));
    assert!(home.vdomain(&["suspend", UUID]).fails(4).contains("'webserver' is not running"));
    home.vdomain(&["undefine", &UUID.to_uppercase().replace('-', "")]).done();
}

#[test]
fn the_beginning_of_a_name_is_enough_to_look_and_not_to_change() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("webserver", ""));
    home.define(&document("website", ""));

    assert_eq!(home.vdomain(&["domstate", "webse"]).done().out, "shut off\n");
    let both = home.vdomain(&["domstate", "webs"]).fails(3);
    let change = home.vdomain(&["undefine", "webse"]).fails(3);

    assert!(both.contains("one of: webserver, website"), "{both}");
    assert!(change.contains("no domain 'webse'"), "{change}");
}
