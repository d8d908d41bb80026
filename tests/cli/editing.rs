//! `edit` and `domrename`: documents that change after they were defined.

use std::fs;

use pretty_assertions::assert_eq;

use crate::common::{Home, Ran, run};
use crate::document;

/// Edits a domain with a `sed` script.
fn edit(home: &Home, name: &str, script: &str) -> Ran {
    let mut command = home.command(&["edit", name]);
    command.env("EDITOR", format!("sed -i -e '{script}'")).env_remove("VISUAL");
    command.env("TMPDIR", home.path(""));
    run(command)
}

fn drafts(home: &Home) -> Vec<String> {
    let names = fs::read_dir(home.path("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("vdomain-")).collect()
}

#[test]
fn what_is_edited_is_completed_and_stored() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));

    let edited = edit(&home, "web", "s,<vcpu .*,<vcpu>3</vcpu>,").done();

    assert_eq!(edited.err, "Domain 'web' XML configuration edited\n");
    let stored = home.vdomain(&["dumpxml", "web"]).done().out;
    assert!(stored.contains("<vcpu placement='static'>3</vcpu>"), "{stored}");
    assert_eq!(drafts(&home), [""; 0]);
}

#[test]
fn what_is_not_edited_is_left_alone() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));

    let edited = edit(&home, "web", "").done();

    assert_eq!(edited.err, "Domain 'web' XML configuration not changed\n");
    assert_eq!(drafts(&home), [""; 0]);
}

#[test]
fn a_mistake_is_shown_with_its_place_and_the_text_is_kept() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));
    let before = home.vdomain(&["dumpxml", "web"]).done().out;

    let said = edit(&home, "web", "s,static,dynamic,").fails(1);

    let [draft] = &drafts(&home)[..] else { panic!("{said}") };
    assert!(said.contains("'dynamic' is not a value of 'placement'"), "{said}");
    assert!(said.contains(&format!("{draft}:6:")), "{said}");
    assert!(said.contains("The text is kept in "), "{said}");
    assert!(fs::read_to_string(home.path(draft)).unwrap().contains("dynamic"));
    assert_eq!(home.vdomain(&["dumpxml", "web"]).done().out, before);
}

#[test]
fn neither_the_name_nor_the_uuid_is_changed_by_editing() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));

    let name = edit(&home, "web", "s,<name>web,<name>site,").fails(1);
    let uuid = edit(&home, "web", "s,<uuid>.*,<uuid>f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff</uuid>,");

    assert!(name.contains("`vdomain domrename web site`"), "{name}");
    assert!(uuid.fails(1).contains("the UUID was changed"));
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));

    let said = edit(&home, "web", "nonsense(").fails(1);

    assert!(
        said.contains("the editor 'sed -i -e 'nonsense('' ended with exit status: 1"),
        "{said}"
    );
}

#[test]
fn a_renamed_domain_is_the_same_but_for_its_name() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", "    <interface type='user'/>"));
    home.define(&document("database", ""));
    let before = home.vdomain(&["dumpxml", "web"]).done().out;

    home.vdomain(&["domrename", "web", "site"]).done();
    let taken = home.vdomain(&["rename", "site", "database"]).fails(1);

    let after = home.vdomain(&["dumpxml", "site"]).done().out;
    assert_eq!(after, before.replace("<name>web</name>", "<name>site</name>"));
    assert_eq!(home.vdomain(&["list", "--all", "--name"]).done().out, "database\nsite\n");
    assert!(taken.contains("there is a domain 'database' already"), "{taken}");
    home.vdomain(&["rename", "site", "a/b"]).fails(1);
}
