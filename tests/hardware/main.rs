//! The hardware of a guest, as its QEMU tells of it: that of a guest which `vdomain` starts is that of
//! a QEMU with the arguments which libvirt 11.3 gives it for the same document.
//!
//! `cases/NAME.xml` is a document, `cases/NAME.args` what libvirt logged when it started it: an option
//! a line, without what only the host sees of it (its name, its monitor, its sandbox), with `pc` or
//! `q35` in place of one version. `{DIR}` is a directory of files. What libvirt adds over QMP stands
//! behind it as the option that does the same. A comment on the first line of a document says what it
//! needs: `device:NAME` of this QEMU, `file:PATH`, `program:NAME`.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]
#![allow(clippy::print_stdout, reason = "a test says what it lacks")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "other tests define guests and see refusals")]
mod common;
mod peer;
mod seen;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use store::{Directories, Name};
use supervisor::client::Client;

use common::{Home, QEMU, not_installed, not_tested, run};
use peer::Peer;
use seen::Seen;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/hardware/cases");

/// Images that the documents name, with sizes in KiB, and files that are nothing but memory.
const IMAGES: &[(&str, u64)] = &[
    ("disk.qcow2", 64 << 10),
    ("other.qcow2", 16 << 10),
    ("third.qcow2", 16 << 10),
    ("fourth.qcow2", 16 << 10),
    ("media.qcow2", 1 << 10),
    ("floppy.qcow2", 1440),
    ("disk.raw", 16 << 10),
    ("media.raw", 1 << 10),
    ("floppy.raw", 1440),
    ("nvdimm", 64 << 10),
    ("pmem", 64 << 10),
    ("erst", 64),
];

/// Memory that a document names.
const SHARED: &str = "/dev/shm/vdomain-tests-hardware";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut names: Vec<String> = fs::read_dir(CASES)
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".xml").map(str::to_owned))
        .collect();
    names.sort();
    let trial = |name: String| Trial::test(name.clone(), move || is_same(&name));
    libtest_mimic::run(&arguments, names.into_iter().map(trial).collect()).exit_code()
}

fn is_same(name: &str) -> Result<(), Failed> {
    let Some(home) = Home::with_qemu() else { return Ok(()) };
    let text = |ending| fs::read_to_string(Path::new(CASES).join(format!("{name}.{ending}")));
    let (document, arguments) = (text("xml")?, text("args")?);
    if let Some(missing) = missing(&document) {
        missing.say(name);
        return Ok(());
    }
    make_files(&home);
    let directory = home.path("").display().to_string();
    let directory = directory.trim_end_matches('/');
    home.write("guest.xml", document.replace("{DIR}", directory));

    home.vdomain(&["create", "guest.xml", "--paused"]).done();
    let directories = Directories::below(&home.path("home"));
    let (qemu, _) = Client::connect(&directories.run_of(&Name::new(name)?)?)?.qmp()?;
    let ours = Seen::of(&qemu)?;
    home.vdomain(&["destroy", name]).done();

    let peer = Peer::start(&home, &arguments.replace("{DIR}", directory));
    let libvirts = Seen::of(&peer.qmp)?;

    drop(peer);
    // It outlives who shares it.
    let _ = fs::remove_file(SHARED);
    let differences = libvirts.differences(&ours);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}

/// What a case needs and does not find here.
enum Missing {
    OfQemu(String),
    OfHost(String),
}

impl Missing {
    fn say(&self, name: &str) {
        match self {
            Self::OfQemu(device) => not_tested(&format!("{name}: this QEMU has no {device}")),
            Self::OfHost(what) => not_installed(&format!("{name}: there is no {what}")),
        }
    }
}

fn missing(document: &str) -> Option<Missing> {
    let needs = document.lines().next()?.strip_prefix("<!-- needs: ")?.strip_suffix(" -->")?;
    needs.split(' ').find_map(|need| {
        let (kind, what) = need.split_once(':').unwrap();
        let what = what.to_owned();
        match kind {
            "device" => {
                let mut help = Command::new(QEMU);
                help.args(["-device", "help"]);
                let has = run(help).done().out.contains(&format!("name \"{what}\""));
                (!has).then_some(Missing::OfQemu(what))
            }
            "file" => (!Path::new(&what).exists()).then_some(Missing::OfHost(what)),
            _ => {
                let mut which = Command::new("sh");
                which.args(["-c", "command -v \"$1\"", "sh", &what]);
                (run(which).code != 0).then_some(Missing::OfHost(what))
            }
        }
    })
}

fn make_files(home: &Home) {
    fs::create_dir(home.path("share")).unwrap();
    for (name, size) in IMAGES {
        let mut image = Command::new("qemu-img");
        let format = if name.ends_with(".qcow2") { "qcow2" } else { "raw" };
        image.args(["create", "-q", "-f", format]).arg(home.path(name)).arg(format!("{size}K"));
        run(image).done();
    }
}
