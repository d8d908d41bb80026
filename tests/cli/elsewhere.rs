//! Other machines than this one: recorded capabilities and described hosts.

use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::common::{Home, QEMU};
use crate::document;

#[test]
fn a_recorded_binary_can_do_what_the_binary_can() {
    let Some(home) = Home::with_qemu() else { return };
    let live =
        home.vdomain(&["capabilities", "--emulator", QEMU, "--record", "qemu.replies", "--json"]);

    let replayed = home.vdomain(&["capabilities", "--replay", "qemu.replies", "--json"]).done().out;

    let read = |text: &str| {
        let mut json: Value = serde_json::from_str(text).unwrap();
        let fields = json.as_object_mut().unwrap();
        // A recording does not say where the binary lay, nor what machine it ran on.
        for field in ["binary", "kvm"] {
            fields.remove(field);
        }
        json
    };
    assert_eq!(read(&replayed), read(&live.done().out));
}

#[test]
fn what_qemu_interprets_is_known_where_it_uses_kvm_too() {
    let Some(home) = Home::with_qemu() else { return };
    let json = home.vdomain(&["capabilities", "--emulator", QEMU, "--json"]).done().out;
    let found: Value = serde_json::from_str(&json).unwrap();
    let interpreted = found["tcg-processor"]["features"].as_array().unwrap();
    // QEMU's TCG has never had it, and every processor with KVM has.
    let has_it = |features: &[Value]| features.iter().any(|name| name == "tsc-deadline");
    assert!(!has_it(interpreted), "{interpreted:?}");
    assert_eq!(found["kvm"] == true, found["kvm-processor"].is_object());

    let cpu = "<cpu mode='host-model'/>";
    home.write("guest.xml", document("web", "").replace("<devices>", &format!("{cpu}<devices>")));
    let plan = home.vdomain(&["plan", "guest.xml"]).done().out;

    let model = plan.lines().find_map(|line| line.strip_prefix("argv    -cpu ")).unwrap();
    for feature in model.split(',').filter_map(|part| part.strip_suffix("=on")) {
        assert!(interpreted.iter().any(|name| name == feature), "{feature} of {model}");
    }
}

#[test]
fn capabilities_are_found_out_once() {
    let Some(home) = Home::with_qemu() else { return };
    let first = home.vdomain(&["capabilities", "--json"]).done().out;
    let cached: Vec<_> = std::fs::read_dir(home.path("home/cache/capabilities"))
        .unwrap()
        .map(|entry| {
            (entry.as_ref().unwrap().path(), entry.unwrap().metadata().unwrap().modified().unwrap())
        })
        .collect();

    let second = home.vdomain(&["capabilities", "--json"]).done().out;

    assert_eq!(second, first);
    assert_eq!(cached.len(), 1);
    assert_eq!(cached[0].0.metadata().unwrap().modified().unwrap(), cached[0].1);
}

#[test]
fn a_document_is_formatted_for_a_host_that_is_described() {
    let Some(home) = Home::with_qemu() else { return };
    home.vdomain(&["capabilities", "--record", "qemu.replies"]).done();
    home.write(
        "host.json",
        r#"{"architecture": "x86_64", "emulators": {"x86_64": "/opt/qemu/bin/qemu"},
            "settings": {"machine-aliases": "keep"}}"#,
    );
    home.write("guest.xml", document("web", ""));

    let arguments =
        ["format", "--capabilities", "qemu.replies", "--host", "host.json", "guest.xml"];
    let formatted = home.vdomain(&arguments).done().out;

    assert!(formatted.contains("<emulator>/opt/qemu/bin/qemu</emulator>"), "{formatted}");
    assert!(formatted.contains("machine='q35'"), "{formatted}");
}

#[test]
fn what_describes_no_host_is_refused_by_name() {
    let home = Home::new();
    home.write("host.json", r#"{"architektur": "x86_64"}"#);
    home.write("guest.xml", document("web", ""));

    let said = home.vdomain(&["format", "--host", "host.json", "guest.xml"]).fails(1);

    assert!(said.contains("'host.json' does not describe a host"), "{said}");
    assert!(said.contains("architektur"), "{said}");
}

#[test]
fn what_is_no_conversation_is_refused_by_name() {
    let home = Home::new();
    home.write("qemu.replies", "hello");

    let said = home.vdomain(&["capabilities", "--replay", "qemu.replies"]).fails(1);

    assert!(said.contains("'qemu.replies'"), "{said}");
}

#[test]
fn a_binary_that_is_no_qemu_is_said_to_be_none() {
    let home = Home::new();
    assert!(Path::new("/bin/true").exists());

    let said = home.vdomain(&["capabilities", "--emulator", "/bin/true"]).fails(1);

    assert!(said.contains("/bin/true"), "{said}");
}
