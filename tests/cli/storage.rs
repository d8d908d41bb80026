//! Disks whose images other programs have opened and hand over, as systemd's tools do.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::common::Home;
use crate::document;

/// Longer than a reply takes.
const LIMIT: Duration = Duration::from_secs(30);

/// Calls a method of `io.systemd.MachineInstance`, with descriptors; the name of the error and what belongs
/// to it, both empty if there is none.
fn call(run: &Path, method: &str, parameters: &Value, fds: &[BorrowedFd<'_>]) -> (String, Value) {
    let mut socket = UnixStream::connect(run.join("control")).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let method = format!("io.systemd.MachineInstance.{method}");
    let call = json!({ "method": method, "parameters": parameters }).to_string() + "\0";
    assert_eq!(sys::fd::send(&socket, call.as_bytes(), fds).unwrap(), call.len());
    let mut reply = Vec::new();
    while reply.last() != Some(&0) {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        reply.extend(byte);
    }
    let reply: Value = serde_json::from_slice(&reply[..reply.len() - 1]).unwrap();
    let error = reply["error"].as_str().unwrap_or_default();
    let error = error.trim_start_matches("io.systemd.MachineInstance.").to_owned();
    (error, reply["parameters"].clone())
}

fn done() -> (String, Value) {
    (String::new(), json!({}))
}

fn errno(name: &str, number: i32) -> (String, Value) {
    let parameters = json!({ "origin": "linux", "errnoName": name, "errno": number });
    ("io.systemd.System".to_owned(), parameters)
}

/// A guest that has places for devices to come, and does not run yet.
fn started(home: &Home, name: &str) -> std::path::PathBuf {
    home.write("guest.xml", document(name, ""));
    home.vdomain(&["define", "--spare-ports", "4", "guest.xml"]).done();
    home.vdomain(&["start", "--paused", name]).done();
    home.path("home/run").join(name)
}

fn image(home: &Home, name: &str) -> (File, File, String) {
    let path = home.write(name, vec![0; 1 << 20]);
    let both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let path = fs::canonicalize(path).unwrap();
    (both, File::open(&path).unwrap(), path.display().to_string())
}

fn disks(home: &Home, name: &str) -> Vec<(String, String)> {
    let list = home.vdomain(&["domblklist", "--json", name]).done().out;
    let list: Value = serde_json::from_str(&list).unwrap();
    let text = |disk: &Value, member: &str| disk[member].as_str().unwrap_or_default().to_owned();
    let disks = list.as_array().unwrap().iter();
    disks.map(|disk| (text(disk, "target"), text(disk, "source"))).collect()
}

/// Waits until a guest has so many disks: whoever takes one away is answered before it is gone.
fn wait_for_disks(home: &Home, name: &str, count: usize) {
    let deadline = Instant::now() + LIMIT;
    while disks(home, name).len() != count {
        assert!(Instant::now() < deadline, "{:?}", disks(home, name));
    }
}

#[test]
fn disks_that_are_handed_over_come_change_and_go() {
    let Some(home) = Home::with_qemu() else { return };
    let run = started(&home, "handed");
    let ((first, _, path), (second, read, other)) = (image(&home, "1.img"), image(&home, "2.img"));
    let add = |name: &str, config: &str| json!({ "fileDescriptorIndex": 0, "name": name, "config": config });
    let one = json!({ "fileDescriptorIndex": 0, "name": "fs:one" });

    assert_eq!(call(&run, "AddStorage", &one, &[first.as_fd()]), done());
    let two = add("two", "virtio-scsi");
    assert_eq!(call(&run, "AddStorage", &two, &[second.as_fd()]), done());
    let row = |target: &str, path: &String| (target.to_owned(), path.clone());
    assert_eq!(disks(&home, "handed"), [row("vda", &path), row("sda", &other)]);
    // QEMU's locks hold although the descriptors are of one opening.
    let again = call(&run, "AddStorage", &add("again", "virtio-scsi"), &[second.as_fd()]);
    assert_eq!(again, errno("EIO", 5));
    let log = fs::read_to_string(run.join("storage.log")).unwrap();
    assert!(log.contains("lock"), "{log}");

    // A supervisor that takes over knows the names.
    let process = Pid::from_raw(supervisor(&run).try_into().unwrap()).unwrap();
    kill_process(process, Signal::KILL).unwrap();
    home.vdomain(&["domstate", "handed"]).done();
    let removed = call(&run, "RemoveStorage", &json!({ "name": "two" }), &[]);
    assert_eq!(removed, done());
    wait_for_disks(&home, "handed", 1);
    let cdrom = call(&run, "AddStorage", &add("cd", "scsi-cd"), &[second.as_fd()]);
    assert_eq!(cdrom, done());
    // What replaces the image of a drive that only reads is only read.
    let replace = |name: &str| json!({ "fileDescriptorIndex": 0, "name": name });
    assert_eq!(call(&run, "ReplaceStorage", &replace("cd"), &[read.as_fd()]), done());
    let refused = call(&run, "ReplaceStorage", &replace("fs:one"), &[read.as_fd()]);
    assert_eq!(refused, errno("EROFS", 30));
    let (third, _, path) = image(&home, "3.img");
    assert_eq!(call(&run, "ReplaceStorage", &replace("fs:one"), &[third.as_fd()]), done());
    assert_eq!(disks(&home, "handed"), [row("vda", &path), row("sda", &other)]);
    assert_eq!(call(&run, "RemoveStorage", &json!({ "name": "cd" }), &[]), done());

    wait_for_disks(&home, "handed", 1);

    // A guest that does not run does not answer.
    assert_eq!(call(&run, "RemoveStorage", &json!({ "name": "fs:one" }), &[]), done());
    assert_eq!(disks(&home, "handed").len(), 1);
    let twice = call(&run, "RemoveStorage", &json!({ "name": "fs:one" }), &[]);
    assert_eq!(twice, errno("EBUSY", 16));
    assert_eq!(call(&run, "ReplaceStorage", &replace("fs:one"), &[first.as_fd()]), twice);
    home.vdomain(&["resume", "handed"]).done();
    // QEMU 10.0 does not heed a reset of a guest that has not run at all.
    let deadline = Instant::now() + LIMIT;
    while !disks(&home, "handed").is_empty() {
        assert!(Instant::now() < deadline, "it stays");
        home.vdomain(&["reset", "handed"]).done();
    }
    let gone = call(&run, "RemoveStorage", &json!({ "name": "fs:one" }), &[]);
    assert_eq!(gone, ("NoSuchStorage".to_owned(), json!({})));
}

#[test]
fn what_cannot_be_a_disk_is_refused_in_systemds_words() {
    let Some(home) = Home::with_qemu() else { return };
    let (used, _, path) = image(&home, "vda.img");
    let disk = format!(
        "<disk type='file' device='disk'><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"
    );
    home.write("guest.xml", document("strict", &disk));
    home.vdomain(&["define", "guest.xml"]).done();
    home.vdomain(&["start", "--paused", "strict"]).done();
    let run = home.path("home/run/strict");
    let (image, _, path) = self::image(&home, "image");
    let write_only = OpenOptions::new().write(true).open(&path).unwrap();
    let directory = File::open("/").unwrap();
    let null = File::open("/dev/null").unwrap();
    let named = |name: &str| json!({ "fileDescriptorIndex": 0, "name": name });
    let with = |config: Value| json!({ "fileDescriptorIndex": 0, "name": "x", "config": config });
    let error = |name: &str| (name.to_owned(), json!({}));
    let wrong = |parameter: &str| {
        let error = "org.varlink.service.InvalidParameter".to_owned();
        (error, json!({ "parameter": parameter }))
    };
    for (parameters, fd, expected) in [
        (named(""), &image, wrong("name")),
        (json!({ "fileDescriptorIndex": 0 }), &image, wrong("name")),
        (with(json!("ide")), &image, error("BadConfig")),
        (with(json!("nvme")), &image, error("ConfigNotSupported")),
        (with(json!(7)), &image, wrong("config")),
        (json!({ "fileDescriptorIndex": 1, "name": "x" }), &image, errno("ENXIO", 6)),
        (json!({ "name": "x" }), &image, wrong("fileDescriptorIndex")),
        (named("x"), &directory, errno("EISDIR", 21)),
        (named("x"), &null, errno("EBADFD", 77)),
        (named("x"), &write_only, errno("EBADF", 9)),
        (named("vda"), &image, error("StorageExists")),
        (named("x"), &used, errno("EIO", 5)),
    ] {
        let refused = call(&run, "AddStorage", &parameters, &[fd.as_fd()]);
        assert_eq!(refused, expected, "{parameters}");
    }
    let log = fs::read_to_string(run.join("storage.log")).unwrap();
    assert!(log.contains("lock"), "{log}");
    for (name, expected) in [("vda", "StorageImmutable"), ("nothing", "NoSuchStorage")] {
        let refused = call(&run, "RemoveStorage", &json!({ "name": name }), &[]);
        assert_eq!(refused, error(expected));
        assert_eq!(call(&run, "ReplaceStorage", &named(name), &[image.as_fd()]), error(expected));
    }
    assert_eq!(call(&run, "Describe", &json!({}), &[image.as_fd(); 3]).0, "");
    let held = fs::read_dir(format!("/proc/{}/fd", supervisor(&run))).unwrap().flatten();
    let held = held.filter(|fd| fs::read_link(fd.path()).is_ok_and(|it| it == Path::new(&path)));
    assert_eq!(held.count(), 0, "descriptors that nobody asked for are closed");
}

/// The process that supervises a guest.
fn supervisor(run: &Path) -> u64 {
    let mut socket = UnixStream::connect(run.join("control")).unwrap();
    sys::fd::send(&socket, b"{\"method\":\"org.vdomain.Domain.Describe\"}\0", &[]).unwrap();
    let mut reply = vec![0; 1 << 16];
    let count = socket.read(&mut reply).unwrap();
    let reply: Value = serde_json::from_slice(&reply[..count - 1]).unwrap();
    reply["parameters"]["description"]["supervisor"]["pid"].as_u64().unwrap()
}
