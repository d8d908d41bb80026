//! Images of a guest that runs: overlays, commits, pulls and copies, and what is left of them when the
//! power goes.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::{Home, run};
use crate::disks::{image, overlay, write_mib};
use crate::machine::{disk, document, home, stays};
use crate::running::{Console, is_alive, qemu};
use crate::supervisor::kill;

/// How long a job may take, on a machine that does other things besides.
const LIMIT: Duration = Duration::from_secs(120);

/// The paths of an image and of those below it, as their headers name them.
fn chain(image: &Path) -> Vec<PathBuf> {
    let mut command = Command::new("qemu-img");
    command.args(["info", "-U", "--backing-chain", "--output=json"]).arg(image);
    let chain: Value = serde_json::from_str(&run(command).done().out).unwrap();
    let images = chain.as_array().unwrap().iter();
    images.map(|image| image["filename"].as_str().unwrap().into()).collect()
}

/// What stands at the beginning of each MiB of what the guest sees of an image.
fn mebibytes(home: &Home, image: &Path, format: &str) -> String {
    let raw = home.path("content");
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-f", format, "-O", "raw"]).arg(image).arg(&raw);
    run(command).done();
    let content = fs::read(raw).unwrap();
    let first = |mebibyte: &[u8]| if mebibyte[0] == 0 { '.' } else { char::from(mebibyte[0]) };
    content.chunks(1 << 20).map(first).collect()
}

/// The images that a document names for a disk.
fn sources(home: &Home, name: &str, options: &[&str]) -> Vec<PathBuf> {
    let text = home.vdomain(&[&["dumpxml", name][..], options].concat()).done().out;
    let sources = text.lines().filter_map(|line| line.trim().strip_prefix("<source file='"));
    sources.map(|line| line.trim_end_matches("'/>").into()).collect()
}

/// How many of something a guest's QEMU has.
pub(crate) fn count(home: &Home, name: &str, query: &str) -> usize {
    let command = format!("{{\"execute\": \"{query}\"}}");
    let answer = home.vdomain(&["qemu-monitor-command", name, &command]).done().out;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["return"].as_array().unwrap().len()
}

/// How many nodes of images it has.
fn nodes(home: &Home, name: &str) -> usize {
    count(home, name, "query-named-block-nodes")
}

/// A guest with one disk whose processors are stopped, which makes no difference to jobs.
fn paused(home: &Home, name: &str, devices: &str) {
    home.define(&document(name, &stays("true"), devices));
    home.vdomain(&["start", "--paused", name]).done();
}

/// Kills whoever supervises a guest, which is its QEMU's parent only from the start: who holds the lock.
fn kill_supervisor(home: &Home, name: &str) {
    let lock = home.path("home/run").join(format!(".{name}.lock"));
    let holds = |process: &Path| {
        let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let mut targets = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok());
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        line.windows(10).any(|word| word == b"\0supervise") && targets.any(|it| it == lock)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let number = |process: PathBuf| process.file_name()?.to_str()?.parse().ok();
    let found: Vec<u32> = processes.filter(|it| holds(it)).filter_map(number).collect();
    assert_eq!(found.len(), 1, "one supervises '{name}'");
    kill(found[0]);
    until("dead", || !is_alive(found[0]));
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "not {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_a_guest_writes_is_where_overlays_commits_pulls_and_copies_put_it() {
    let Some(home) = home() else { return };
    let base = image(&home, "base.qcow2", "qcow2");
    write_mib(&base, "qcow2", 7, b'b');
    let top = overlay(&home, "top.qcow2", &base, "qcow2");
    let raw = image(&home, "raw.img", "raw");
    let devices = disk(&top, "qcow2", "vda", "") + &disk(&raw, "raw", "vdb", "");
    home.define(&document("images", &stays("modprobe virtio_blk"), &devices));
    let mut console = Console::start(&home, "images");
    console.script();
    let sets = || count(&home, "images", "query-fdsets");
    let before = (nodes(&home, "images"), sets());
    let write = |console: &mut Console<'_>, mib: u32, letter: char| {
        for disk in ["vda", "vdb"] {
            let text = format!(
                "tr '\\0' {letter} </dev/zero | dd of=/dev/{disk} bs=1M seek={mib} count=1 \
                 iflag=fullblock conv=fsync"
            );
            console.types(&text);
        }
        console.types(&format!("echo written {mib}$?"));
        console.wait_for(&format!("written {mib}0"));
    };
    let snapshot = |name: &str| {
        home.vdomain(&["snapshot-create-as", "images", name, "--disk-only", "--atomic"]).done();
    };

    write(&mut console, 0, '0');
    snapshot("one");
    write(&mut console, 1, '1');
    snapshot("two");
    write(&mut console, 2, '2');

    let path = |name: &str| home.path(name);
    let all = [path("top.two"), path("top.one"), path("top.qcow2"), path("base.qcow2")];
    assert_eq!(chain(&path("top.two")), all);
    let disks = [&all[..], &[path("raw.two"), path("raw.one"), path("raw.img")]].concat();
    assert_eq!(sources(&home, "images", &[]), disks);
    // The stored document named no image below the topmost one.
    let stored: Vec<PathBuf> =
        disks.into_iter().filter(|path| !path.ends_with("base.qcow2")).collect();
    assert_eq!(sources(&home, "images", &["--inactive"]), stored);
    assert_eq!(mebibytes(&home, &path("top.one"), "qcow2"), "01.....b");

    // One in the middle, with an image that QEMU had only read and one whose header it changes.
    let (middle, deepest) = (all[1].display().to_string(), base.display().to_string());
    let commit = ["blockcommit", "images", "vda", "--top", &middle, "--base", &deepest, "--wait"];
    home.vdomain(&commit).done();
    assert_eq!(chain(&path("top.two")), [path("top.two"), path("base.qcow2")]);
    write(&mut console, 3, '3');
    home.vdomain(&["blockcommit", "images", "vda", "--active", "--pivot"]).done();
    let active = home.vdomain(&["blockcommit", "images", "vdb"]).fails(1);
    assert!(active.contains("--active commits it nevertheless"), "{active}");
    home.vdomain(&["blockpull", "images", "vdb", "--wait"]).done();
    assert_eq!(chain(&path("raw.two")), [path("raw.two")]);
    let copy = path("copy.img").display().to_string();
    let arguments = ["blockcopy", "images", "vdb", "--dest", &copy, "--format", "raw", "--pivot"];
    home.vdomain(&arguments).done();
    write(&mut console, 4, '4');

    // It goes on like that: what was read and written is read and written again.
    home.vdomain(&["snapshot-create-as", "images", "three", "--disk-only"]).done();
    write(&mut console, 5, '5');
    for disk in ["vda", "vdb"] {
        let commit = ["blockcommit", "images", disk, "--active", "--pivot", "--delete"];
        home.vdomain(&commit).done();
    }
    write(&mut console, 6, '6');
    let images = [base.clone(), path("copy.img")];
    assert_eq!(sources(&home, "images", &[]), images);
    assert_eq!(sources(&home, "images", &["--inactive"]), images);
    // One image less than at the start.
    assert_eq!((nodes(&home, "images"), sets()), (before.0 - 2, before.1 - 1));
    assert!(!path("base.three").exists() && !path("copy.three").exists());
    console.types("poweroff -f");
    console.end();

    assert_eq!(mebibytes(&home, &base, "qcow2"), "0123456b");
    assert_eq!(mebibytes(&home, &path("copy.img"), "raw"), "0123456.");
}

/// Whether an image is sound.
fn is_sound(image: &Path) -> bool {
    let mut command = Command::new("qemu-img");
    command.args(["check", "-q", "-f", "qcow2"]).arg(image);
    // Clusters that nothing refers to any more are lost room, not lost data.
    matches!(run(command).code, 0 | 3)
}

#[test]
fn images_hold_their_data_when_the_power_goes_in_the_middle_of_a_job() {
    let Some(home) = home() else { return };
    for (job, options) in [
        ("blockcommit", &["--active"][..]),
        ("blockcommit", &["--top", "MIDDLE"]),
        ("blockpull", &[]),
        ("blockcopy", &["--dest", "COPY"]),
    ] {
        let base = image(&home, "base.qcow2", "qcow2");
        let middle = overlay(&home, "middle.qcow2", &base, "qcow2");
        let top = overlay(&home, "top.qcow2", &middle, "qcow2");
        for (at, letter) in [b'0', b'1', b'2', b'3', b'4', b'5'].into_iter().enumerate() {
            let image = [&base, &middle, &top][at % 3];
            write_mib(image, "qcow2", at, letter);
        }
        let copy = home.path("copy.qcow2");
        paused(&home, "power", &disk(&top, "qcow2", "vda", ""));
        let said = |word: &&str| match *word {
            "MIDDLE" => middle.display().to_string(),
            "COPY" => copy.display().to_string(),
            word => word.to_owned(),
        };
        let options: Vec<String> = options.iter().map(said).collect();
        let mut command = home.command(&[job, "power", "vda", "--bytes"]);
        // So slow that it is not through before the power goes.
        let speed = "65536";
        match job {
            "blockcopy" => command.args(["--bandwidth", speed]),
            _ => command.arg(speed),
        };
        command.args(&options);
        run(command).done();
        until("under way", || progress(&home, "power")["done"].as_u64() > Some(0));

        let qemu = qemu(&home, "power");
        kill_supervisor(&home, "power");
        kill(qemu);
        // A process that is killed keeps its locks until all of its threads are gone.
        until("sound", || !is_alive(qemu) && [&base, &middle, &top].iter().all(|it| is_sound(it)));
        assert_eq!(chain(&top), [top.as_path(), &middle, &base], "{job} {options:?}");
        assert_eq!(mebibytes(&home, &top, "qcow2"), "012345..", "{job} {options:?}");
        assert_eq!(home.vdomain(&["domstate", "power"]).done().out, "shut off\n");
        assert_eq!(sources(&home, "power", &[]), [top.as_path()]);
        let _ = fs::remove_file(&copy);
    }
}

/// What `blockjob` says of the disk of a guest.
fn progress(home: &Home, name: &str) -> Value {
    let said = home.vdomain(&["blockjob", name, "vda", "--json"]).done().out;
    serde_json::from_str(&said).unwrap()
}

#[test]
fn a_job_goes_on_without_a_supervisor_and_the_next_one_finishes_it() {
    let Some(home) = home() else { return };
    let base = image(&home, "base.qcow2", "qcow2");
    let top = overlay(&home, "top.qcow2", &base, "qcow2");
    (0..6).for_each(|at| write_mib(&top, "qcow2", at, b'a' + at as u8));
    paused(&home, "orphans", &disk(&top, "qcow2", "vda", ""));
    let before = nodes(&home, "orphans");
    let snapshot = ["snapshot-create-as", "orphans", "over", "--disk-only"];

    // It is found under way, goes on, and is ended by the next supervisor.
    home.vdomain(&snapshot).done();
    let over = home.path("top.over");
    let arguments = ["blockpull", "orphans", "vda", "65536", "--bytes"];
    home.vdomain(&arguments).done();
    kill_supervisor(&home, "orphans");
    assert_eq!(progress(&home, "orphans")["kind"], "pull");
    let busy = home.vdomain(&["blockcommit", "orphans", "vda", "--active"]).fails(1);
    assert!(busy.contains("disk 'vda' has a block job: Block Pull"), "{busy}");
    let stays = home.vdomain(&["detach-disk", "orphans", "vda", "--live"]).fails(1);
    assert!(stays.contains("disk 'vda' has a block job: Block Pull"), "{stays}");
    home.vdomain(&["blockjob", "orphans", "vda", "0"]).done();
    until("pulled", || sources(&home, "orphans", &[]) == [over.as_path()]);
    assert_eq!(sources(&home, "orphans", &["--inactive"]), [over.as_path()]);
    assert_eq!(chain(&over), [over.as_path()]);
    assert_eq!(nodes(&home, "orphans"), before - 2);

    // It ends while there is none.
    let copy = home.path("copy.qcow2");
    let dest = copy.display().to_string();
    home.vdomain(&["blockcopy", "orphans", "vda", "--dest", &dest, "--wait"]).done();
    home.vdomain(&["blockjob", "orphans", "vda", "--pivot", "--async"]).done();
    kill_supervisor(&home, "orphans");
    until("gone over", || sources(&home, "orphans", &[]) == [copy.as_path()]);
    assert_eq!(sources(&home, "orphans", &["--inactive"]), [copy.as_path()]);
    home.vdomain(&["destroy", "orphans"]).done();
    assert_eq!(mebibytes(&home, &copy, "qcow2"), "abcdef..");
}

#[test]
fn a_job_that_is_waited_for_ends_with_the_one_who_waits() {
    let Some(home) = home() else { return };
    let top = image(&home, "top.qcow2", "qcow2");
    (0..6).for_each(|at| write_mib(&top, "qcow2", at, b'a'));
    paused(&home, "waiting", &disk(&top, "qcow2", "vda", ""));
    let document = home.vdomain(&["dumpxml", "waiting"]).done().out;
    let before = nodes(&home, "waiting");
    let copy = home.path("copy.qcow2").display().to_string();
    let arguments = ["blockcopy", "waiting", "vda", "--dest", &copy, "--wait", "--verbose"];
    let mut command = home.command(&arguments);
    command.args(["--bandwidth", "65536", "--bytes"]);
    let mut waits = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("under way", || progress(&home, "waiting")["done"].as_u64() > Some(0));

    kill_process(Pid::from_child(&waits), Signal::INT).unwrap();
    let status = waits.wait().unwrap();

    let mut said = String::new();
    waits.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(1));
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["state"], "cancelled");
    assert_eq!(lines.first().unwrap()["kind"], "copy");
    assert_eq!(progress(&home, "waiting"), Value::Null);
    assert_eq!(home.vdomain(&["dumpxml", "waiting"]).done().out, document);
    assert_eq!(nodes(&home, "waiting"), before);
    // A file that is there is nobody's to write over.
    let there = home.vdomain(&["blockcopy", "waiting", "vda", "--dest", &copy]).fails(1);
    assert!(there.contains("file exists"), "{there}");
}

#[test]
fn a_supervisor_that_dies_in_the_middle_of_a_snapshot_is_followed_by_one_that_knows() {
    let Some(home) = home() else { return };
    let top = image(&home, "top.qcow2", "qcow2");
    paused(&home, "middle", &disk(&top, "qcow2", "vda", ""));
    let run = home.path("home/run/middle");
    let files =
        [run.join("inventory.json"), run.join("domain.xml"), home.path("home/domains/middle.xml")];
    let before = files.each_ref().map(|file| fs::read(file).unwrap());
    let snapshot = ["snapshot-create-as", "middle", "over", "--disk-only"];
    let plan = home.vdomain(&[&snapshot[..], &["--print-plan", "--json"]].concat()).done().out;
    let change: Value = serde_json::from_str(&plan).unwrap();
    // What is written down before QEMU is told anything; the rest is as it was.
    let dies = || {
        kill_supervisor(&home, "middle");
        for (file, content) in files.iter().zip(&before) {
            fs::write(file, content).unwrap();
        }
        let mut record: Value = serde_json::from_slice(&before[0]).unwrap();
        let steps = change["steps"].as_array().unwrap();
        let undo = steps.iter().rev().filter_map(|step| step.get("undo")).cloned();
        record["undo"] = undo.collect();
        record["beginning"]["told"] = steps.clone().into();
        record["beginning"]["begun"] = serde_json::json!({
            "job": change["job"],
            "definitions": home.path("home/domains"),
            "outcome": "completed",
        });
        fs::write(&files[0], record.to_string()).unwrap();
    };

    // QEMU was told nothing yet: all is as before, and the snapshot can be made.
    dies();
    assert_eq!(sources(&home, "middle", &[]), [top.as_path()]);
    assert_eq!(nodes(&home, "middle"), 2);
    let over = home.path("top.over");
    home.vdomain(&snapshot).done();
    assert_eq!(sources(&home, "middle", &[]), [over.as_path(), &top]);

    // QEMU had done all of it: the documents say so.
    dies();
    assert_eq!(home.vdomain(&["domstate", "middle"]).done().out, "paused\n");
    assert_eq!(sources(&home, "middle", &[]), [over.as_path(), &top]);
    assert_eq!(sources(&home, "middle", &["--inactive"]), [over.as_path(), &top]);
    let commit = ["blockcommit", "middle", "vda", "--active", "--pivot"];
    home.vdomain(&commit).done();
    assert_eq!(sources(&home, "middle", &[]), [top.as_path()]);
    assert_eq!(nodes(&home, "middle"), 2);
}

#[test]
fn a_disk_grows_and_shrinks_only_when_told_twice() {
    let Some(home) = home() else { return };
    let top = image(&home, "top.qcow2", "qcow2");
    paused(&home, "sized", &disk(&top, "qcow2", "vda", ""));
    let resize = |size: &str, more: &[&str]| {
        home.vdomain(&[&["blockresize", "sized", "vda", size][..], more].concat())
    };
    let content = || mebibytes(&home, &top, "qcow2").len();

    resize("16M", &[]).done();
    let less = resize("4096", &[]).fails(1);
    assert!(less.contains("disk vda has 16777216 bytes, and 4194304 are less"), "{less}");
    assert!(less.contains("--shrink"), "{less}");
    home.vdomain(&["destroy", "sized"]).done();
    assert_eq!(content(), 16);

    home.vdomain(&["start", "--paused", "sized"]).done();
    resize("4096", &["--shrink"]).done();
    resize("18446744073709551615B", &[]).fails(1);
    home.vdomain(&["destroy", "sized"]).done();
    assert_eq!(content(), 4);
}
