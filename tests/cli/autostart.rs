//! `autostart`: units of systemd that come and go.

use std::fs;
use std::path::Path;
use std::process::Command;

use pretty_assertions::assert_eq;

use crate::common::{Home, not_tested, run};
use crate::document;

/// All files below a directory, by their paths from there.
fn files(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.extend(files(&entry.path()).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            names.push(name);
        }
    }
    names.sort();
    names
}

#[test]
fn a_domain_that_starts_with_the_host_has_a_unit() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));
    home.define(&document("database", ""));

    let said = home.vdomain(&["autostart", "web"]).done().err;

    assert!(said.starts_with("Domain 'web' marked as autostarted\n"), "{said}");
    let unit = "vdomain-autostart@web.service";
    let found = files(&home.path("home/units"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[1], unit);
    assert!(found[0].ends_with(&format!(".target.wants/{unit}")), "{found:?}");
    assert_eq!(home.vdomain(&["list", "--all", "--autostart", "--name"]).done().out, "web\n");
    assert_eq!(
        home.vdomain(&["list", "--all", "--no-autostart", "--name"]).done().out,
        "database\n"
    );
    assert!(home.vdomain(&["dominfo", "web"]).done().out.contains("Autostart:      enable\n"));

    home.vdomain(&["domrename", "web", "site"]).done();
    assert_eq!(home.vdomain(&["list", "--all", "--autostart", "--name"]).done().out, "site\n");
    home.vdomain(&["autostart", "--disable", "site"]).done();
    assert_eq!(files(&home.path("home/units")), [""; 0]);
}

#[test]
fn a_domain_that_is_undefined_starts_no_more() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));
    home.vdomain(&["autostart", "web"]).done();

    home.vdomain(&["undefine", "web"]).done();

    assert_eq!(files(&home.path("home/units")), [""; 0]);
}

#[test]
fn systemd_understands_the_unit() {
    let Some(home) = Home::with_qemu() else { return };
    let name = "a guest 100%";
    home.define(&document(name, ""));
    home.vdomain(&["autostart", name]).done();
    let unit = home.path("home/units/vdomain-autostart@a\\x20guest\\x20100\\x25.service");
    assert!(unit.exists(), "{:?}", files(&home.path("home/units")));
    verify(&unit);
}

#[test]
fn systemd_understands_the_example() {
    let home = Home::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/guest@.service");
    let text = fs::read_to_string(example).unwrap();
    let here = text.replace("/usr/bin/vdomain", env!("CARGO_BIN_EXE_vdomain"));
    assert_ne!(here, text);

    verify(&home.write("guest@web1.service", here));
}

/// systemd has nothing to say against a unit.
#[track_caller]
fn verify(unit: &Path) {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        return not_tested("systemd-analyze is not installed");
    }

    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]).arg(unit);

    let said = run(verify).done().err;
    assert_eq!(said, "");
}
