//! Units of systemd for a guest, with a stand-in for `busctl`: what it is told, and what comes of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use supervisor::units::Units;

use crate::control::Watched;

/// A `busctl` that writes down what it is told, a line each, and then does `end`.
fn busctl(directory: &Path, end: &str) -> Units {
    let path = directory.join("busctl");
    let told = directory.join("told");
    let script = format!("#!/bin/sh\necho \"$@\" >> '{}'\n{end}\n", told.display());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Units { busctl: path, program: "/usr/bin/vdomain".into(), user: Some(PathBuf::from("/run/u")) }
}

#[test]
fn a_guest_and_its_supervisor_get_units_before_the_start_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let units = busctl(directory.path(), "test \"$XDG_RUNTIME_DIR\" = /run/u");
    let started = Watched::start_with("in-units", |request| request.units = Some(units.clone()));
    let Some(guest) = started else { return };

    let said = guest.client().describe().unwrap();

    assert_eq!(said.units.as_deref(), Some("kept"));
    let told = fs::read_to_string(directory.path().join("told")).unwrap();
    let calls: Vec<&str> = told.lines().collect();
    let manager =
        "org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager";
    let call = format!("--user call {manager} StartTransientUnit ssa(sv)a(sa(sv))");
    let helper = said.helpers["fs0-virtiofsd"];
    let scope =
        format!("{call} vdomain-in\\x2dunits.scope fail 4 PIDs au 2 {} {helper} ", said.pid);
    assert!(calls[0].starts_with(&scope), "{told}");
    let this = std::process::id();
    let scope = format!("{call} vdomain-supervisor-in\\x2dunits.scope fail 5 PIDs au 1 {this} ");
    assert!(calls[1].starts_with(&scope), "{told}");
    let (run, state) = (guest.run.path().parent().unwrap().display(), guest.run.state().display());
    for part in [
        " OnSuccess as 1 vdomain-supervisor-in\\x2dunits.service 1 ".to_owned(),
        format!(" /usr/bin/vdomain 5 /usr/bin/vdomain supervise in-units {run} {state} false "),
        " Restart s on-failure ".to_owned(),
        " Before as 1 vdomain-autostart@in\\x2dunits.service".to_owned(),
    ] {
        assert!(calls[1].contains(&part), "{part}\n{told}");
    }
    assert_eq!(calls.len(), 2, "{told}");
    guest.destroy();
}

#[test]
fn a_guest_runs_without_units_and_says_why_it_has_none() {
    let directory = tempfile::tempdir().unwrap();
    let units = busctl(directory.path(), "echo 'Call failed: no' >&2; exit 1");
    let started = Watched::start_with("alone", |request| request.units = Some(units.clone()));
    let Some(guest) = started else { return };

    assert_eq!(guest.client().describe().unwrap().units.as_deref(), Some("Call failed: no"));
    guest.client().call("Resume", json!({})).unwrap();
    guest.destroy();

    fs::remove_file(directory.path().join("busctl")).unwrap();
    let guest =
        Watched::start_with("lonely", |request| request.units = Some(units.clone())).unwrap();
    let said = guest.client().describe().unwrap().units.unwrap();
    assert!(said.contains("no such file"), "{said}");
    guest.destroy();
}
