//! What is said about a document: places, warnings, `--strict`, `--adapt`, `validate`.

use pretty_assertions::assert_eq;

use crate::common::Home;
use crate::document;

const WRONG_BUS: &str = "    <disk type='file' device='disk'>
      <source file='/srv/a.img'/>
      <target dev='vda' bus='vertio'/>
    </disk>";

const VIRTIOFS: &str = "    <filesystem type='mount'>
      <driver type='virtiofs'/>
      <source dir='/srv'/>
      <target dir='share'/>
    </filesystem>";

const NETWORK: &str = "    <interface type='network'>
      <source network='no-such-network'/>
    </interface>";

#[test]
fn an_error_has_its_place_the_line_and_what_was_expected() {
    let Some(home) = Home::with_qemu() else { return };
    home.write("guest.xml", document("web", WRONG_BUS));

    let said = home.vdomain(&["define", "guest.xml"]).fails(1);

    assert!(said.starts_with("error: guest.xml:10:30: "), "{said}");
    assert!(said.contains("10 |       <target dev='vda' bus='vertio'/>"), "{said}");
    assert!(said.contains("did you mean 'virtio'?"), "{said}");
    home.vdomain(&["dumpxml", "web"]).fails(3);
}

#[test]
fn what_is_not_known_is_a_warning_with_its_place() {
    let Some(home) = Home::with_qemu() else { return };

    let said = home.define(&document("web", "    <frob/>")).err;

    assert!(said.starts_with("warning: guest.xml:8:5: unknown element <frob>"), "{said}");
}

#[test]
fn strict_makes_errors_of_warnings() {
    let Some(home) = Home::with_qemu() else { return };
    home.write("guest.xml", document("web", "    <frob/>"));

    let said = home.vdomain(&["define", "--strict", "guest.xml"]).fails(1);

    assert!(said.starts_with("error: guest.xml:8:5: unknown element <frob>"), "{said}");
    home.vdomain(&["dumpxml", "web"]).fails(3);
}

#[test]
fn adapt_shares_the_memory_that_virtiofs_needs_and_says_so() {
    let Some(home) = Home::with_qemu() else { return };
    home.write("guest.xml", document("web", VIRTIOFS));

    let said = home.vdomain(&["define", "--adapt", "guest.xml"]).done().err;

    assert!(said.contains("adapted: the memory is shared, which virtiofs needs"), "{said}");
    let stored = home.vdomain(&["dumpxml", "web"]).done().out;
    assert!(stored.contains("<access mode='shared'/>"), "{stored}");
}

#[test]
fn adapt_makes_user_networking_of_a_network_that_is_not_there() {
    let Some(home) = Home::with_qemu() else { return };
    home.write("guest.xml", document("web", NETWORK));

    let said = home.vdomain(&["define", "--adapt", "guest.xml"]).done().err;

    assert!(said.contains("this host has no network 'no-such-network'"), "{said}");
    let stored = home.vdomain(&["dumpxml", "web"]).done().out;
    assert!(stored.contains("<interface type='user'>"), "{stored}");
}

#[test]
fn adapt_changes_nothing_where_nothing_has_to_be_changed() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));

    let again = home.vdomain(&["define", "--adapt", "guest.xml"]).done();

    assert_eq!(again.out, "Domain 'web' unchanged from guest.xml\n");
    assert_eq!(again.err, "");
}

#[test]
fn validate_says_all_problems_of_all_documents() {
    let Some(home) = Home::with_qemu() else { return };
    home.write("good.xml", document("web", ""));
    home.write("bad.xml", document("web", &[WRONG_BUS, &WRONG_BUS.replace("ve", "va")].concat()));

    let ran = home.vdomain(&["validate", "good.xml", "bad.xml"]);

    assert!(ran.out.contains("good.xml: nothing wrong\n"), "{}", ran.out);
    let said = ran.fails(1);
    assert!(said.contains("bad.xml:10:30: ") && said.contains("bad.xml:13:30: "), "{said}");
}

#[test]
fn validate_says_the_same_to_programs() {
    let Some(home) = Home::with_qemu() else { return };
    home.write("good.xml", document("web", ""));
    home.write("bad.xml", document("web", WRONG_BUS));

    let good = home.vdomain(&["validate", "--json", "good.xml"]).done();
    let bad = home.vdomain(&["validate", "--json", "good.xml", "bad.xml", "none.xml"]);

    assert_eq!((good.out.as_str(), good.err.as_str()), ("[]\n", ""));
    assert_eq!((bad.code, bad.err.as_str()), (1, ""));
    let list: serde_json::Value = serde_json::from_str(&bad.out).unwrap();
    let said = |at: usize, key: &str| list[at][key].to_string();
    assert_eq!([said(0, "file"), said(0, "line"), said(0, "column")], ["\"bad.xml\"", "10", "30"]);
    assert_eq!(said(0, "help"), "\"did you mean 'virtio'?\"");
    assert_eq!([said(1, "file"), said(1, "line")], ["\"none.xml\"", "null"]);
}

#[test]
fn what_only_this_host_makes_a_problem_is_said_by_validate_plan_and_start() {
    let Some(home) = Home::with_qemu() else { return };
    let image = home.write("a.img", [0; 512]);
    let disk = |bus: &str, serial: &str| {
        format!(
            "    <disk type='file' device='disk'>
      <source file='{}'/>
      <target dev='sda' bus='{bus}'/>
      <serial>{serial}</serial>
    </disk>",
            image.display()
        )
    };
    let cut = "the guest sees only the first 20 characters of the serial number";
    home.write("cut.xml", document("cut", &disk("virtio", &"7".repeat(21))));
    home.write("long.xml", document("long", &disk("scsi", &"7".repeat(37))));

    assert!(home.vdomain(&["validate", "cut.xml"]).fails(1).contains(cut));
    assert!(home.vdomain(&["plan", "cut.xml"]).done().err.contains(cut));
    assert!(home.vdomain(&["plan", "--strict", "cut.xml"]).fails(1).contains(cut));
    let said = home.vdomain(&["validate", "long.xml"]).fails(1);
    assert!(said.contains("the serial number has 37 characters, but QEMU takes 36"), "{said}");
    home.vdomain(&["define", "cut.xml"]).done();
    assert!(home.vdomain(&["start", "--paused", "cut"]).done().err.contains(cut));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let home = Home::new();
    let said = home.vdomain(&["define", "none.xml"]).fails(1);
    assert_eq!(said, "error: cannot read 'none.xml': no such file or directory\n");
}
