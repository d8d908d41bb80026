//! Launching for real: QEMU without a machine, a helper, sockets, an image; and each step failing in
//! turn, after which nothing may be left.

use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use serde_json::json;
use supervisor::launch::{Faults, LaunchError, NoFaults, Step, launch};
use supervisor::state::GuestState;
use sys::lock::{Kind, Lock};
use sys::runtime::block_on;

use crate::machine::{qemu_binary, request};

struct FailAfter(Step);

impl Faults for FailAfter {
    fn after(&self, step: Step) -> Result<(), LaunchError> {
        if step == self.0 {
            return Err(LaunchError::NoDescriptor(format!("{step:?}")));
        }
        Ok(())
    }
}

/// The command lines of all processes that name `text`.
fn processes_naming(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(text) {
            found.push(line);
        }
    }
    found
}

/// Everything below a directory but the image that the test made.
fn left_below(home: &Path) -> Vec<PathBuf> {
    let mut left = Vec::new();
    let mut directories = vec![home.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            if entry.path().is_dir() && entry.file_name() == "run" {
                directories.push(entry.path());
            } else if entry.file_name() != "disk.img" {
                left.push(entry.path());
            }
        }
    }
    left
}

#[test]
fn a_guest_is_launched_and_can_be_asked() {
    let Some(binary) = qemu_binary() else { return };
    let home = tempfile::tempdir().unwrap();
    let request = request(&binary, home.path(), "whole");

    let mut guest = block_on(launch(request, &NoFaults)).unwrap();

    assert_eq!(guest.state.0, GuestState::Paused);
    assert!(guest.status.consoles[0].as_ref().unwrap().starts_with("/dev/pts"));
    let nodes = block_on(guest.client.execute("query-named-block-nodes", &json!({}))).unwrap();
    assert_eq!(nodes[0]["node-name"], "n");
    guest.resources.qemu = Some(guest.qemu);
    guest.resources.clear();
    assert_eq!(left_below(home.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_failing_step_leaves_nothing_whichever_it_is() {
    let Some(binary) = qemu_binary() else { return };
    for step in Step::ALL {
        let home = tempfile::tempdir().unwrap();
        let name = format!("fails-after-{step:?}-{}", std::process::id());
        let request = request(&binary, home.path(), &name);
        let run = request.run_directory().unwrap();

        let error = block_on(launch(request, &FailAfter(*step))).unwrap_err();

        assert!(error.to_string().contains(&format!("{step:?}")), "{error}");
        assert_eq!(left_below(home.path()), Vec::<PathBuf>::new(), "after {step:?}");
        assert_eq!(processes_naming(&name), Vec::<String>::new(), "after {step:?}");
        fs::create_dir_all(home.path().join("run")).unwrap();
        assert!(Lock::try_take(&run.lock(), Kind::Exclusive).unwrap().is_some());
    }
}

#[test]
fn a_refused_command_is_said_with_what_it_was_for() {
    let Some(binary) = qemu_binary() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut request = request(&binary, home.path(), "refused");
    request.plan.qmp[1].arguments = json!({ "driver": "raw", "node-name": "n", "file": "none" });
    request.plan.qmp[1].at = Some("guest.xml:14:7".to_owned());

    let error = block_on(launch(request, &NoFaults)).unwrap_err().to_string();

    assert!(error.starts_with("guest.xml:14:7: disk vda: QEMU refused 'blockdev-add'"), "{error}");
}

#[test]
fn what_qemu_says_when_it_ends_is_passed_on() {
    let Some(binary) = qemu_binary() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut request = request(&binary, home.path(), "ends");
    request.plan.argv.extend(["-machine".to_owned(), "no-such-machine".to_owned()]);

    let error = block_on(launch(request, &NoFaults)).unwrap_err().to_string();

    assert!(error.starts_with("QEMU ended (exit status: 1)"), "{error}");
    // QEMU 10 names the machine, QEMU 7.2 does not.
    assert!(error.contains("unsupported machine type"), "{error}");
}

#[test]
fn a_helper_that_ends_at_once_is_said_and_no_guest_runs_without_it() {
    let Some(binary) = qemu_binary() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut request = request(&binary, home.path(), "helpless");
    let helper = &mut request.plan.helpers[0];
    helper.argv = ["/bin/sh", "-c", "echo no room >&2; exit 3"].map(str::to_owned).to_vec();
    helper.at = Some("guest.xml:20:5".to_owned());

    let error = block_on(launch(request, &NoFaults)).unwrap_err().to_string();

    assert!(error.starts_with("guest.xml:20:5: filesystem: fs0-virtiofsd ended with "), "{error}");
    assert!(error.contains("exit status: 3") && error.contains("no room"), "{error}");
    assert!(!home.path().join("run/helpless").exists());
}

#[test]
fn an_image_that_is_not_there_is_said_with_its_place() {
    let Some(binary) = qemu_binary() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut request = request(&binary, home.path(), "missing");
    request.plan.fds[2].source = "/srv/a.qcow2".to_owned();
    request.plan.fds[2].purpose = "disk vda".to_owned();
    request.plan.fds[2].at = Some("guest.xml:14:7".to_owned());

    let error = block_on(launch(request, &NoFaults)).unwrap_err().to_string();

    assert_eq!(
        error,
        "guest.xml:14:7: disk vda: cannot open '/srv/a.qcow2': no such file or directory"
    );
}
