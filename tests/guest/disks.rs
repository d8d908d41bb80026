//! Disks on every bus, in every kind of image: written in the guest, read on the host.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pretty_assertions::assert_eq;

use crate::common::{Home, not_tested, run};
use crate::machine::{disk, document, home, is_root, runs, stays};
use crate::running::Console;

const MIB: usize = 1 << 20;

fn qemu_img<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) {
    let mut command = Command::new("qemu-img");
    command.args(arguments);
    run(command).done();
}

/// An empty image of 8 MiB.
pub(crate) fn image(home: &Home, name: &str, format: &str) -> PathBuf {
    let path = home.path(name);
    qemu_img([
        OsStr::new("create"),
        "-q".as_ref(),
        "-f".as_ref(),
        format.as_ref(),
        path.as_ref(),
        "8M".as_ref(),
    ]);
    path
}

/// An image on top of another.
pub(crate) fn overlay(home: &Home, name: &str, base: &Path, format: &str) -> PathBuf {
    let path = home.path(name);
    let options = ["create", "-q", "-f", "qcow2", "-F", format, "-b"].map(OsStr::new);
    qemu_img(options.into_iter().chain([base.as_ref(), path.as_ref()]));
    path
}

/// Writes a letter all over a MiB of an image.
pub(crate) fn write_mib(path: &Path, format: &str, mib: usize, letter: u8) {
    let mut command = Command::new("qemu-io");
    let write = format!("write -P {letter} {mib}M 1M");
    command.args(["-f", format, "-c", &write]).arg(path);
    run(command).done();
}

/// What a guest sees of an image.
fn content(home: &Home, path: &Path, format: &str) -> Vec<u8> {
    let raw = home.path("content");
    let options = ["convert", "-f", format, "-O", "raw"].map(OsStr::new);
    qemu_img(options.into_iter().chain([path.as_ref(), raw.as_ref()]));
    fs::read(raw).unwrap()
}

/// The line about a disk in what the guest said.
#[track_caller]
fn line<'a>(said: &'a str, disk: &str) -> &'a str {
    let start = format!("disk {disk} ");
    said.lines()
        .find(|line| line.starts_with(&start))
        .unwrap_or_else(|| panic!("no {disk}: {said}"))
}

/// Whether files here can be opened past the host's cache.
fn bypasses_cache(path: &Path) -> bool {
    const O_DIRECT: i32 = 0o40000;
    OpenOptions::new().read(true).custom_flags(O_DIRECT).open(path).is_ok()
}

/// A block device over a file, as long as this lives.
struct Loop(PathBuf);

impl Loop {
    fn over(file: &Path) -> Self {
        let mut command = Command::new("losetup");
        command.args(["--find", "--show"]).arg(file);
        Self(PathBuf::from(run(command).done().out.trim_end()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let mut command = Command::new("losetup");
        command.arg("--detach").arg(&self.0);
        run(command);
    }
}

#[test]
fn disks_on_every_bus_are_written_in_the_guest_and_read_on_the_host() {
    let Some(home) = home() else { return };
    let formats =
        [("vda", "raw"), ("vdb", "qcow2"), ("sda", "raw"), ("sdb", "qcow2"), ("nvme0n1", "raw")];
    let images = formats.map(|(target, format)| image(&home, &format!("{target}.img"), format));
    let cdrom = home.write("cdrom.iso", vec![b'c'; MIB]);
    let fixed = home.write("fixed.img", vec![b'f'; MIB]);
    let floppy = home.write("floppy.img", vec![b'd'; 1440 << 10]);
    let [vda, vdb, sda, sdb, nvme] = &images;
    let uncached =
        if bypasses_cache(vda) { "cache='none' io='native'" } else { "cache='directsync'" };
    let serial = |serial: &str| format!("      <serial>{serial}</serial>\n");
    let options = |disk: String, options: &str| {
        disk.replace("name='qemu'", &format!("name='qemu' {options}"))
    };
    let devices = [
        options(
            disk(vda, "raw", "vda", &serial("first")),
            &format!("{uncached} discard='unmap' detect_zeroes='unmap'"),
        ),
        options(
            disk(vdb, "qcow2", "vdb", &serial("second")),
            "cache='writethrough' io='threads' discard='ignore'",
        ),
        disk(&fixed, "raw", "vdc", "      <readonly/>\n"),
        disk(&fixed, "raw", "vdd", "      <readonly/>\n      <shareable/>\n"),
        disk(sda, "raw", "sda", &serial("third")).replace("'sata'", "'scsi'"),
        disk(sdb, "qcow2", "sdb", &serial("fourth")),
        disk(nvme, "raw", "nvme0n1", &serial("fifth")),
        disk(&cdrom, "raw", "sdc", "").replace("device='disk'", "device='cdrom'"),
        disk(&floppy, "raw", "fda", "")
            .replace("device='disk'", "device='floppy'")
            .replace("'sata'", "'fdc'"),
        "    <controller type='scsi' index='0' model='virtio-scsi'/>\n".to_owned(),
    ];
    let script = "disks
        for disk in vda vdb nvme0n1; do fill /dev/$disk 1 $disk; done
        for disk in /sys/block/sd*; do
            disk=${disk##*/}; fill /dev/$disk 1 $(disks | grep -o \"$disk .*serial=[a-z]*\" | sed 's/.*=//')
        done
        head -c 3 /dev/sr0; head -c 3 /dev/fd0; head -c 3 /dev/vdc; echo
        ! echo x 2>/dev/null >/dev/vdc && echo refused";
    home.define(&document("disks", &runs(script), &devices.concat()));

    let said = Console::start(&home, "disks").run();

    let vda_line = line(&said, "vda");
    assert!(vda_line.contains("size=8388608 serial=first driver=virtio-pci"), "{said}");
    assert!(!vda_line.contains("discard=0"), "{said}");
    assert!(vda_line.contains("cache=write-back"), "{said}");
    assert!(line(&said, "vdb").contains("serial=second"), "{said}");
    assert!(line(&said, "vdb").contains("cache=write-through"), "{said}");
    assert!(
        line(&said, "vdc").contains("size=1048576") && line(&said, "vdc").contains("ro=1"),
        "{said}"
    );
    assert!(line(&said, "vdd").contains("ro=1"), "{said}");
    assert!(said.contains("serial=third driver=virtio-pci"), "{said}");
    assert!(said.contains("serial=fourth driver=ahci"), "{said}");
    assert!(line(&said, "nvme0n1").contains("serial=fifth driver=nvme"), "{said}");
    assert!(line(&said, "sr0").contains("driver=ahci"), "{said}");
    assert!(line(&said, "fd0").contains("driver=floppy"), "{said}");
    assert!(said.ends_with("cccdddfff\nrefused\n"), "{said}");
    let words = ["vda", "vdb", "third", "fourth", "nvme0n1"];
    for ((path, (_, format)), word) in images.iter().zip(formats).zip(words) {
        let expected = format!("{word}\n").repeat(MIB / (word.len() + 1));
        assert!(
            content(&home, path, format).starts_with(expected.as_bytes()),
            "{}",
            path.display()
        );
    }
    assert_eq!(fs::read(&fixed).unwrap(), vec![b'f'; MIB]);
}

#[test]
fn a_chain_of_three_images_is_read_through_and_written_at_its_top() {
    let Some(home) = home() else { return };
    let base = image(&home, "base.img", "raw");
    write_mib(&base, "raw", 1, b'a');
    let middle = overlay(&home, "middle.qcow2", &base, "raw");
    write_mib(&middle, "qcow2", 2, b'b');
    let found = overlay(&home, "found.qcow2", &middle, "qcow2");
    write_mib(&found, "qcow2", 3, b'c');
    let told = overlay(&home, "told.qcow2", &middle, "qcow2");
    let chain = format!(
        "      <backingStore type='file'>
        <format type='qcow2'/>
        <source file='{}'/>
        <backingStore type='file'>
          <format type='raw'/>
          <source file='{}'/>
          <backingStore/>
        </backingStore>
      </backingStore>
",
        middle.display(),
        base.display()
    );
    let before = [&base, &middle].map(|path| fs::read(path).unwrap());
    let devices = [disk(&found, "qcow2", "vda", ""), disk(&told, "qcow2", "vdb", &chain)];
    let script = "for disk in vda vdb; do
            for mib in 1 2 3; do dd if=/dev/$disk bs=1M skip=$mib count=1 2>/dev/null | tail -c 2 | tr '\\0' -; done
            echo; fill /dev/$disk 1 $disk
        done";
    home.define(&document("chain", &runs(script), &devices.concat()));

    let said = Console::start(&home, "chain").run();

    assert_eq!(said, "aabbcc\naabb--\n");
    assert!(content(&home, &found, "qcow2").starts_with(b"vda\n"));
    assert!(content(&home, &told, "qcow2").starts_with(b"vdb\n"));
    assert!([&base, &middle].map(|path| fs::read(path).unwrap()) == before, "the base was written");
}

#[test]
fn a_block_device_holds_raw_and_qcow2_images() {
    let Some(home) = home() else { return };
    if !is_root("making block devices") {
        return;
    }
    if !Path::new("/dev/loop-control").exists() {
        return not_tested("block devices take the kernel's loop devices");
    }
    let devices = ["raw", "qcow2"].map(|format| {
        let file = home.write(&format!("{format}.img"), vec![0; 16 * MIB]);
        let device = Loop::over(&file);
        qemu_img(["create", "-q", "-f", format, &device.0.display().to_string(), "8M"]);
        device
    });
    let [raw, qcow2] = &devices;
    let block = |device: &Loop, format, target| {
        disk(&device.0, format, target, "")
            .replace("type='file'", "type='block'")
            .replace("source file", "source dev")
    };
    let disks = [block(raw, "raw", "vda"), block(qcow2, "qcow2", "vdb")].concat();
    home.define(&document(
        "block",
        &runs("disks; for d in vda vdb; do fill /dev/$d 1 $d; done"),
        &disks,
    ));

    let said = Console::start(&home, "block").run();

    assert!(line(&said, "vda").contains("size=16777216"), "{said}");
    assert!(line(&said, "vdb").contains("size=8388608"), "{said}");
    assert!(content(&home, &raw.0, "raw").starts_with(b"vda\n"));
    assert!(content(&home, &qcow2.0, "qcow2").starts_with(b"vdb\n"));
}

#[test]
fn two_guests_run_on_one_image_and_keep_nothing() {
    let Some(home) = home() else { return };
    let base = image(&home, "base.img", "raw");
    write_mib(&base, "raw", 0, b'b');
    let top = overlay(&home, "top.qcow2", &base, "raw");
    let before = (fs::read(&base).unwrap(), fs::read(&top).unwrap());
    let disks = disk(&top, "qcow2", "vda", "");
    let start = |name: &'static str| {
        let script =
            format!("head -c 3 /dev/vda; fill /dev/vda 1 {name}; sync; head -c 3 /dev/vda");
        home.define(&document(name, &stays(&script), &disks));
        Console::started_with(&home, name, &["--ephemeral"])
    };

    let mut one = start("one");
    assert_eq!(one.script(), "bbbone\n");
    let mut two = start("two");
    assert_eq!(two.script(), "bbbtwo\n");
    for console in [&mut one, &mut two] {
        console.types("poweroff -f");
        console.end();
    }

    assert_eq!((fs::read(&base).unwrap(), fs::read(&top).unwrap()), before);
}

#[test]
fn two_guests_never_write_one_image() {
    let Some(home) = home() else { return };
    let image = image(&home, "disk.img", "raw");
    let controller = "    <controller type='scsi' model='virtio-scsi'/>\n";
    let disks = controller.to_owned() + &disk(&image, "raw", "vda", "");
    for name in ["one", "two"] {
        home.define(&document(name, &runs("true"), &disks));
    }
    home.define(&document("three", &runs("true"), controller));
    home.vdomain(&["start", "one", "--paused"]).done();
    home.vdomain(&["start", "three", "--paused"]).done();

    let second = home.vdomain(&["start", "two", "--paused"]).fails(1);
    let path = image.display().to_string();
    let added =
        home.vdomain(&["attach-disk", "three", &path, "sda", "--targetbus", "scsi"]).fails(1);

    let twice = home.vdomain(&["attach-disk", "one", &path, "sda", "--targetbus", "scsi"]).fails(1);

    let already = format!("the guest has '{path}' already, as its disk vda");
    assert!(twice.contains(&already), "{twice}");
    for said in [&second, &added] {
        assert!(said.contains(&format!("domain 'one' has '{path}' as its disk vda")), "{said}");
    }
    home.vdomain(&["start", "two", "--paused", "--ephemeral"]).fails(1);
    home.vdomain(&["destroy", "one", "three"]).done();
}
