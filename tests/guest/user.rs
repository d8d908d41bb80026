//! A guest of a user who is not root and has said nothing about where things are kept.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::common::{Home, Ran, run};
use crate::machine::{Parts, disk, document, home, runs};

/// The user and group `nobody`, whom root becomes here.
const NOBODY: u32 = 65534;

/// Runs a copy of the program as a user who is not root, at home in `directory`.
fn vdomain(home: &Home, arguments: &[&str]) -> Ran {
    let mut command = Command::new(home.path("vdomain"));
    command.args(arguments).current_dir(home.path("")).env_clear();
    command
        .env("HOME", home.path(""))
        .env("XDG_RUNTIME_DIR", home.path("run"))
        .env("PATH", "/usr/bin");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    run(command)
}

/// Copies a file into the home, where its user can read it.
fn copy(home: &Home, path: impl AsRef<Path>, name: &str) -> String {
    let copy = home.path(name);
    fs::copy(path, &copy).unwrap();
    copy.display().to_string()
}

#[test]
fn a_user_who_is_not_root_starts_a_guest_with_a_disk_and_a_network() {
    let Some(home) = home() else { return };
    let parts = Parts::find().unwrap();
    copy(&home, env!("CARGO_BIN_EXE_vdomain"), "vdomain");
    let image = home.write("disk.raw", vec![0; 1 << 20]);
    let devices = disk(&image, "raw", "vda", "")
        + "    <interface type='user'>\n      <model type='virtio'/>\n    </interface>\n";
    let document = document("mine", &runs("dhcp; fill /dev/vda 1 mine"), &devices)
        .replace(parts.get("kernel"), &copy(&home, parts.get("kernel"), "kernel"))
        .replace(parts.get("initrd"), &copy(&home, parts.get("initrd"), "initrd"));
    home.write("guest.xml", document);
    fs::create_dir(home.path("run")).unwrap();
    if rustix::process::geteuid().is_root() {
        for path in ["", "run", "disk.raw"] {
            chown(home.path(path), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    vdomain(&home, &["define", "guest.xml"]).done();

    let said = vdomain(&home, &["start", "mine", "--console"]).done().out;

    assert!(said.contains("10.0.2.15/24") && said.contains("guest: done 0"), "{said}");
    assert!(fs::read(&image).unwrap().starts_with(b"mine\n"));
    assert!(home.path(".config/vdomain/domains/mine.xml").exists());
    assert!(!home.path("run/vdomain/mine").exists(), "something is left of the guest");
}
