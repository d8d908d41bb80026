//! How guests are started: from a kernel, from a disk by SeaBIOS, from a CD-ROM by UEFI.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use pretty_assertions::assert_eq;

use crate::common::{Home, not_installed, run};
use crate::machine::{Parts, disk, document, home, runs};
use crate::running::{Console, is_alive, qemu, state};

const OVMF: &str = "/usr/share/OVMF";

/// `<boot order='1'/>`, as part of a device.
const FIRST: &str = "      <boot order='1'/>\n";

#[test]
fn a_guest_is_started_from_a_kernel_and_leaves_nothing() {
    let Some(home) = home() else { return };
    home.define(&document("kernel", &runs("firmware; pci"), ""));
    let mut console = Console::start(&home, "kernel");
    console.wait_for("guest: up");
    let qemu = qemu(&home, "kernel");
    assert!(is_alive(qemu));

    let said = console.run();

    assert!(said.starts_with("firmware bios\n"), "{said}");
    assert!(said.contains("pci 0000:00:1f.2 id=8086:2922"), "q35 has an AHCI controller: {said}");
    assert_eq!(state(&home, "kernel"), "shut off");
    assert_eq!(home.vdomain(&["list", "--name"]).done().out, "");
    assert!(!is_alive(qemu));
    let left: Vec<_> = fs::read_dir(home.path("home/run")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_guest_is_started_from_a_disk_by_seabios() {
    let Some(home) = home() else { return };
    let overlay = overlay(&home, Path::new(Parts::find().unwrap().get("boot")));
    let other = home.write("other.img", vec![0; 1 << 20]);
    let os = "    <type arch='x86_64' machine='pc'>hvm</type>\n";
    let disks = [
        disk(&other, "raw", "vda", "      <boot order='2'/>\n"),
        disk(&overlay, "qcow2", "hda", FIRST).replace("'sata'", "'ide'"),
    ];
    home.define(&document("seabios", os, &disks.concat()));

    let said = Console::start(&home, "seabios").run();

    assert!(said.starts_with("firmware bios\n"), "{said}");
    assert!(said.contains("disk sda") && said.contains("driver=ata_piix"), "{said}");
    assert!(said.contains("disk vda size=1048576"), "{said}");
}

#[test]
fn a_guest_is_started_from_a_cdrom_by_uefi() {
    let Some(home) = home() else { return };
    let Some((document, nvram)) = by_uefi(&home, "uefi") else { return };
    let before = fs::read(&nvram).unwrap();
    home.define(&document);

    let said = Console::start(&home, "uefi").run();

    assert!(said.starts_with("firmware uefi\n"), "{said}");
    assert!(said.contains("disk sr0") && said.contains("ro=1"), "{said}");
    assert!(fs::read(&nvram).unwrap() != before, "the firmware has written nothing");
}

#[test]
fn firmware_is_found_and_its_variables_are_made_and_kept() {
    let Some(home) = home() else { return };
    if by_uefi(&home, "found").is_none() {
        return;
    }
    let os = "    <type arch='x86_64' machine='q35'>hvm</type>\n";
    let with = |devices| document("found", os, devices).replace("<os>", "<os firmware='efi'>");
    home.define(&with(""));
    let stored = home.vdomain(&["dumpxml", "--inactive", "found"]).done().out;
    let variables = home.path("home/state/nvram/found_VARS.fd");
    assert!(stored.contains(&format!(">{}</nvram>", variables.display())), "{stored}");

    // A start that fails leaves nothing.
    let channel = "    <channel type='unix'>
      <source mode='bind' path='/proc/nowhere/socket'/>
      <target type='virtio' name='org.vdomain.test'/>
    </channel>";
    home.define(&with(channel));
    let said = home.vdomain(&["start", "--paused", "found"]).fails(1);
    assert!(said.contains("/proc/nowhere/socket"), "{said}");
    assert!(!variables.exists());

    home.define(&with(""));
    for written in [None, Some("by the guest")] {
        home.vdomain(&["start", "--paused", "found"]).done();
        home.vdomain(&["destroy", "found"]).done();
        if let Some(text) = written {
            assert!(fs::read(&variables).unwrap().ends_with(text.as_bytes()));
        } else {
            let mut file = fs::OpenOptions::new().write(true).open(&variables).unwrap();
            file.seek(SeekFrom::End(-12)).unwrap();
            file.write_all(b"by the guest").unwrap();
        }
    }
}

/// A guest that UEFI starts from a CD-ROM, and its variables, where there is such firmware.
pub(crate) fn by_uefi(home: &Home, name: &str) -> Option<(String, PathBuf)> {
    let code = Path::new(OVMF).join("OVMF_CODE_4M.fd");
    if !code.exists() {
        not_installed(&format!("{} is not installed", code.display()));
        return None;
    }
    let nvram = home.path("nvram.fd");
    fs::copy(Path::new(OVMF).join("OVMF_VARS_4M.fd"), &nvram).unwrap();
    let os = format!(
        "    <type arch='x86_64' machine='q35'>hvm</type>
    <loader readonly='yes' type='pflash'>{}</loader>
    <nvram>{}</nvram>
",
        code.display(),
        nvram.display()
    );
    let boot = Path::new(Parts::find().unwrap().get("boot"));
    let cdrom = disk(boot, "raw", "sda", FIRST).replace("device='disk'", "device='cdrom'");
    // The boot loader does not find the memory it takes in the 256 MiB of other guests.
    Some((document(name, &os, &cdrom).replace("'>256", "'>512"), nvram))
}

/// A qcow2 image on top of a raw one, which stays as it is.
pub(crate) fn overlay(home: &Home, base: &Path) -> PathBuf {
    let overlay = home.path("overlay.qcow2");
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).args([base, &overlay]);
    run(command).done();
    overlay
}
