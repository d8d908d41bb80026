//! Devices that come to a guest that runs, and go: used in it meanwhile, and gone from QEMU after.

use std::fs;
use std::path::Path;
use std::process::Command;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::blocks::count;
use crate::common::{Home, run};
use crate::machine::{document, home, stays, with_shared_memory};
use crate::running::{Console, describe, parent, qemu};
use crate::supervisor::kill;

/// The controllers of a guest that has places for devices to come.
fn places() -> String {
    let port =
        |index| format!("    <controller type='pci' index='{index}' model='pcie-root-port'/>\n");
    let ports: String = (1..=6).map(port).collect();
    format!(
        "    <controller type='pci' index='0' model='pcie-root'/>\n{ports}    \
         <controller type='usb' model='qemu-xhci'/>\n"
    )
}

/// A guest that waits for commands on its console, with the drivers of what will come.
fn started<'a>(home: &'a Home, name: &str) -> Console<'a> {
    let script = "modprobe -a virtio_blk virtio_net virtio_scsi sd_mod sr_mod virtiofs";
    let document = document(name, &stays(script), &places());
    home.define(&with_shared_memory(&document));
    let mut console = Console::start(home, name);
    console.wait_for("guest: done");
    console
}

/// What a guest's QEMU has: open descriptors, what it was told to have, nodes and sets of descriptors.
fn held(home: &Home, name: &str) -> Vec<usize> {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", qemu(home, name))).unwrap().count();
    let inventory = home.path("home/run").join(name).join("inventory.json");
    let inventory: Value = serde_json::from_slice(&fs::read(inventory).unwrap()).unwrap();
    let told = inventory["told"].as_array().unwrap().len();
    let [nodes, sets] = ["query-named-block-nodes", "query-fdsets"].map(|it| count(home, name, it));
    vec![descriptors, told, nodes, sets]
}

/// An image of 8 MiB.
fn image(path: &Path, format: &str) -> String {
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", format]).arg(path).arg("8M");
    run(command).done();
    path.display().to_string()
}

/// What the guest wrote at the beginning of an image.
fn beginning(home: &Home, image: &str, format: &str) -> String {
    let raw = home.path("content");
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-f", format, "-O", "raw", image]).arg(&raw);
    run(command).done();
    String::from_utf8_lossy(&fs::read(raw).unwrap()[..5]).into_owned()
}

#[test]
fn devices_come_are_used_and_go() {
    let Some(home) = home() else { return };
    let images =
        [("vdb", "virtio", "qcow2"), ("sda", "scsi", "raw")].map(|(target, bus, format)| {
            (target, bus, format, image(&home.path(format!("{target}.img")), format))
        });
    let shared = home.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("word"), "from the host\n").unwrap();
    let share = home.write(
        "share.xml",
        format!(
            "<filesystem type='mount'>\n  <driver type='virtiofs'/>\n  <source dir='{}'/>\n  \
             <target dir='later'/>\n</filesystem>\n",
            shared.display()
        ),
    );
    let share = share.display().to_string();
    let mut console = started(&home, "changes");
    // The controller of the SCSI disk stays.
    home.vdomain(&["attach-disk", "changes", &images[1].3, "sda", "--targetbus", "scsi"]).done();
    home.vdomain(&["detach-disk", "changes", "sda"]).done();
    let before = held(&home, "changes");
    let document = home.vdomain(&["dumpxml", "changes"]).done().out;

    for (target, bus, format, image) in &images {
        let disk = ["attach-disk", "changes", image, target];
        home.vdomain(&[&disk[..], &["--targetbus", bus, "--subdriver", format]].concat()).done();
    }
    // An option ROM goes to QEMU by the number that a descriptor has there.
    let rom = home.write("empty.rom", [&b"\x55\xaa\x01"[..], &[0; 509]].concat());
    let interface = home.write(
        "interface.xml",
        format!(
            "<interface type='user'>\n  <model type='virtio'/>\n  <rom file='{}'/>\n\
             </interface>\n",
            rom.display()
        ),
    );
    home.vdomain(&["attach-device", "changes", &interface.display().to_string()]).done();
    home.vdomain(&["attach-device", "changes", &share]).done();
    console.types("until [ -b /dev/vda ] && [ -b /dev/sda ] ; do sleep 1; done");
    console.types("for d in vda sda; do echo used! | dd of=/dev/$d conv=fsync; done");
    console
        .types("dhcp; share virtiofs later; cat /mnt/later/word; umount /mnt/later; echo 'al''l'");
    let address = console.wait_for("address ");
    console.wait_for("from the host");
    console.wait_for("all");

    assert!(!address.contains("none"), "{address}");
    home.vdomain(&["detach-device", "changes", &share]).done();
    home.vdomain(&["detach-interface", "changes", "user"]).done();
    for (target, _, format, image) in &images {
        home.vdomain(&["detach-disk", "changes", target]).done();
        assert_eq!(beginning(&home, image, format), "used!");
    }
    console.types("ls -d /sys/block/[vs]d* /sys/class/net/eth*; echo 'no''ne'");
    console.wait_for("none");

    assert_eq!(home.vdomain(&["dumpxml", "changes"]).done().out, document);
    // QEMU closes the last descriptors of a device when nothing of it runs any more.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while held(&home, "changes") != before && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(held(&home, "changes"), before);
    console.types("poweroff -f");
    console.end();
}

#[test]
fn fifty_disks_come_and_go_and_leave_nothing() {
    let Some(home) = home() else { return };
    let image = image(&home.path("disk.img"), "qcow2");
    let mut console = started(&home, "cycles");
    let before = held(&home, "cycles");

    for _ in 0..50 {
        home.vdomain(&["attach-disk", "cycles", &image, "vdb", "--subdriver", "qcow2"]).done();
        home.vdomain(&["detach-disk", "cycles", "vdb"]).done();
    }

    assert_eq!(held(&home, "cycles"), before);
    console.types("poweroff -f");
    console.end();
}

#[test]
fn what_cannot_be_added_changes_nothing() {
    let Some(home) = home() else { return };
    let image = image(&home.path("disk.img"), "raw");
    let mut console = started(&home, "refused");
    let before = (held(&home, "refused"), home.vdomain(&["dumpxml", "refused"]).done().out);

    let sata =
        home.vdomain(&["attach-disk", "refused", &image, "sda", "--targetbus", "sata"]).fails(1);
    // It is raw, which only QEMU finds out, when other things have been done.
    let cut = home.write("cut.qcow2", b"QFI\xfb\0\0\0\x03").display().to_string();
    let broken =
        home.vdomain(&["attach-disk", "refused", &cut, "vdb", "--subdriver", "qcow2"]).fails(1);

    assert!(sata.contains("cannot add 'ide-hd' to a running machine"), "{}", sata);
    assert!(broken.contains("disk vdb"), "{}", broken);
    let after = (held(&home, "refused"), home.vdomain(&["dumpxml", "refused"]).done().out);
    assert_eq!(after, before);
    console.types("poweroff -f");
    console.end();
}

#[test]
fn a_medium_is_changed_and_a_guest_that_does_not_answer_is_waited_for() {
    let Some(home) = home() else { return };
    let one = home.write("one.iso", vec![b'1'; 1 << 20]).display().to_string();
    let two = home.write("two.iso", vec![b'2'; 1 << 20]).display().to_string();
    let image = image(&home.path("disk.img"), "raw");
    let drive = format!(
        "    <disk type='file' device='cdrom'>\n      <driver name='qemu' type='raw'/>\n      \
         <source file='{one}'/>\n      <target dev='sda' bus='sata'/>\n    </disk>\n"
    );
    let script = "modprobe -a virtio_blk sr_mod; head -c 3 /dev/sr0; echo";
    let os = stays(script);
    home.define(&document("media", &os, &(places() + &drive)));
    let mut console = Console::start(&home, "media");
    assert_eq!(console.script(), "111\n");

    home.vdomain(&["change-media", "media", "sda", &two]).done();
    // The drive says first that its medium has changed.
    console.types("until head -c 3 /dev/sr0 2>/dev/null; do sleep 1; done; echo ' changed'");
    console.wait_for("222 changed");
    home.vdomain(&["change-media", "media", "sda", "--eject"]).done();
    home.vdomain(&["change-media", "media", "sda", "--eject"]).fails(4);
    home.vdomain(&["change-media", "media", "sda", "--insert", &one]).done();
    let live = home.vdomain(&["dumpxml", "media"]).done().out;
    assert!(live.contains(&format!("<source file='{one}'/>")), "{live}");

    // A guest whose processors are stopped lets go of nothing, whoever supervises it.
    home.vdomain(&["attach-disk", "media", &image, "vdb"]).done();
    home.vdomain(&["suspend", "media"]).done();
    // Whoever asks again waits beside the first one.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let waits = home.vdomain(&["detach-disk", "media", "vdb"]).fails(5);
                assert!(waits.contains("has not let go of disk vdb yet"), "{waits}");
            });
        }
    });
    assert!(home.vdomain(&["dumpxml", "media"]).done().out.contains("vdb"));
    assert_eq!(describe(&home, "media")["removals"], json!(["virtio-disk1"]));
    let supervisor = parent(qemu(&home, "media"));
    kill(supervisor);
    home.vdomain(&["resume", "media"]).done();
    let gone = || !home.vdomain(&["dumpxml", "media"]).done().out.contains("vdb");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !gone() {
        assert!(std::time::Instant::now() < deadline, "the disk is still there");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    home.vdomain(&["attach-disk", "media", &image, "vdb"]).done();
    home.vdomain(&["detach-disk", "media", "vdb"]).done();
    console.types("poweroff -f");
    console.end();
}

#[test]
fn a_balloon_takes_memory_and_gives_it_back() {
    let Some(home) = home() else { return };
    let os = stays("modprobe -a virtio_blk virtio_balloon");
    home.define(&document("balloon", &os, ""));
    let mut console = Console::start(&home, "balloon");
    console.script();
    let has = |size: &str| {
        let line = format!("<currentMemory unit='KiB'>{size}</currentMemory>");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !home.vdomain(&["dumpxml", "balloon"]).done().out.contains(&line) {
            assert!(std::time::Instant::now() < deadline, "the guest never has {size} KiB");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    };

    home.vdomain(&["setmem", "balloon", "200M"]).done();
    has("204800");
    console.types("awk '/MemTotal/ {print \"total \" ($2 < 205000)}' /proc/meminfo");
    console.wait_for("total 1");
    home.vdomain(&["setmem", "balloon", "262144", "--persistent"]).done();
    has("262144");
    let more = home.vdomain(&["setmem", "balloon", "1G"]).fails(1);
    assert!(more.contains("at most 262144 KiB, not 1048576"), "{more}");
    home.vdomain(&["setmaxmem", "balloon", "1G"]).fails(1);
    home.vdomain(&["setmaxmem", "balloon", "1G", "--config"]).done();
    let stored = home.vdomain(&["dumpxml", "balloon", "--inactive"]).done().out;
    assert!(stored.contains("<memory unit='KiB'>1048576</memory>"), "{stored}");
    console.types("poweroff -f");
    console.end();
}
