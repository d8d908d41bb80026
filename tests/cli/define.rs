//! `define` and `undefine`: what is stored, and what is said about it.

use pretty_assertions::assert_eq;

use crate::common::Home;
use crate::document;

const TWO_INTERFACES: &str = "    <interface type='user'/>\n    <interface type='user'/>";

/// The text between the first `before` and the next `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let start = text.find(before).unwrap_or_else(|| panic!("no {before} in {text}")) + before.len();
    let length = text[start..].find(after).unwrap();
    &text[start..start + length]
}

fn macs(document: &str) -> Vec<&str> {
    let behind = document.split("<mac address='").skip(1);
    behind.filter_map(|rest| rest.split('\'').next()).collect()
}

#[test]
fn define_says_what_became_of_the_definition() {
    let Some(home) = Home::with_qemu() else { return };

    let created = home.define(&document("web", ""));
    let unchanged = home.define(&document("web", ""));
    let changed = home.define(&document("web", "").replace("'>64", "'>65"));

    assert_eq!(created.out, "Domain 'web' created from guest.xml\n");
    assert_eq!(unchanged.out, "Domain 'web' unchanged from guest.xml\n");
    assert_eq!(changed.out, "Domain 'web' changed from guest.xml\n");
}

#[test]
fn define_says_which_identifiers_it_made_and_keeps_them() {
    let Some(home) = Home::with_qemu() else { return };

    let said = home.define(&document("web", TWO_INTERFACES)).err;
    let stored = home.vdomain(&["dumpxml", "web"]).done().out;
    let again = home.define(&document("web", TWO_INTERFACES));

    assert!(said.contains(&format!("made UUID {}\n", between(&stored, "<uuid>", "</uuid>"))));
    let made = macs(&stored);
    assert_eq!(made.len(), 2);
    for (pos, mac) in made.iter().enumerate() {
        assert!(said.contains(&format!("made MAC address {mac} of interface {pos}\n")), "{said}");
    }
    assert_eq!(again.out, "Domain 'web' unchanged from guest.xml\n");
    assert_eq!(home.vdomain(&["dumpxml", "web"]).done().out, stored);
}

#[test]
fn what_is_given_is_not_said_to_be_made() {
    let Some(home) = Home::with_qemu() else { return };
    let given =
        document("web", "    <interface type='user'><mac address='52:54:00:1:2:3'/></interface>")
            .replace("</name>", "</name><uuid>f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff</uuid>");

    let said = home.define(&given).err;

    assert_eq!(said, "");
}

#[test]
fn a_uuid_that_another_domain_has_is_refused() {
    let Some(home) = Home::with_qemu() else { return };
    let uuid = "<uuid>f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff</uuid>";
    let with_uuid = |name| document(name, "").replace("</name>", &["</name>", uuid].concat());
    home.define(&with_uuid("one"));
    home.write("guest.xml", with_uuid("two"));

    let said = home.vdomain(&["define", "guest.xml"]).fails(1);

    assert!(said.contains("domain 'one' has the UUID f0f1f2f3"), "{said}");
    assert_eq!(home.vdomain(&["list", "--all", "--name"]).done().out, "one\n");
}

#[test]
fn what_is_dumped_can_be_defined_again_unchanged() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", TWO_INTERFACES));
    let stored = home.vdomain(&["dumpxml", "--inactive", "web"]).done().out;

    let again = home.define(&stored);

    assert_eq!(again.out, "Domain 'web' unchanged from guest.xml\n");
    assert_eq!(again.err, "");
}

#[test]
fn format_prints_what_define_stores() {
    let Some(home) = Home::with_qemu() else { return };
    let given =
        document("web", "    <interface type='user'><mac address='52:54:00:1:2:3'/></interface>")
            .replace("</name>", "</name><uuid>f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff</uuid>");
    home.define(&given);

    let formatted = home.vdomain(&["format", "guest.xml"]).done().out;

    assert_eq!(formatted, home.vdomain(&["dumpxml", "web"]).done().out);
}

#[test]
fn a_definition_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let Some(home) = Home::with_qemu() else { return };

    home.define(&document("web", ""));

    let mode = home.path("home/domains/web.xml").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_undefined_domain_is_gone() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));

    let undefined = home.vdomain(&["undefine", "web"]).done();

    assert_eq!(undefined.out, "Domain 'web' has been undefined\n");
    home.vdomain(&["dumpxml", "web"]).fails(3);
    home.vdomain(&["undefine", "web"]).fails(3);
}

#[test]
fn ports_are_kept_free_for_devices_to_come() {
    let Some(home) = Home::with_qemu() else { return };
    let ports = |arguments: &[&str]| {
        let machine =
            document("web", "    <interface type='user'><model type='virtio'/></interface>");
        home.write("guest.xml", machine);
        home.vdomain(&[&["define", "guest.xml"], arguments].concat()).done();
        let stored = home.vdomain(&["dumpxml", "web"]).done().out;
        stored.matches("model='pcie-root-port'").count()
    };
    let usual = ports(&[]);
    assert_eq!(ports(&["--spare-ports", "1"]), usual);
    assert_eq!(ports(&["--spare-ports", "10"]), usual + 9);
}

#[test]
fn what_a_guest_keeps_is_removed_only_if_that_is_said() {
    let home = Home::new();
    let nvram = home.write("VARS.fd", "variables");
    let firmware = format!(
        "</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
    <nvram>{}</nvram>
  </os>
  <features>
    <acpi/>
  </features>",
        nvram.display()
    );
    let text = document("kept", "").replace("</type>\n  </os>", &firmware);
    home.define(&text);
    let uuid = home.vdomain(&["domuuid", "kept"]).done().out;
    let state = home.path("home/state/tpm").join(uuid.trim());
    std::fs::create_dir_all(state.join("tpm2")).unwrap();

    let refusal = home.vdomain(&["undefine", "kept"]).fails(4);
    assert!(refusal.contains("--nvram") && refusal.contains("--keep-nvram"), "{refusal}");
    let said = home.vdomain(&["undefine", "kept", "--keep-nvram"]).done().err;
    assert!(said.contains("The state of its TPM is kept in"), "{said}");
    assert!(nvram.exists() && state.exists());

    home.define(&text.replace("<memory", &format!("<uuid>{}</uuid>\n  <memory", uuid.trim())));
    home.vdomain(&["undefine", "kept", "--nvram", "--tpm"]).done();
    assert!(!nvram.exists() && !state.exists());
}
