//! Reading, completing and printing documents, without a look at the host: one, step by step; and many,
//! beside libvirt.

use std::fmt::Write as _;
use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use qemu::{Capabilities, Host, Mode};
use xml::Source;

use crate::{Times, compare};

const ROUNDS: usize = 200;
/// How often all documents are defined.
const PASSES: usize = 7;
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");

pub(super) fn measure() {
    let (capabilities, host) = world();
    one(&capabilities, &host);
    many(&capabilities, &host);
}

fn world() -> (Capabilities, Host) {
    let read = |name: &str| fs::read_to_string(Path::new(TESTS).join(name)).unwrap();
    let recording = read("capabilities/qemu-10.0.2-x86_64.replies");
    let recording = qmp::replies::Recording::parse(&recording).unwrap();
    let capabilities =
        Capabilities::from_recording("/usr/bin/qemu-system-x86_64", &recording).unwrap();
    (capabilities, serde_json::from_str(&read("hosts/usual.json")).unwrap())
}

/// What would be stored of a document.
fn stored(source: &Source, capabilities: &Capabilities, host: &Host) -> Option<String> {
    let (domain, _) = conf::parse(source).ok()?;
    let completion = qemu::complete(domain, capabilities, host, Mode::Define).ok()?;
    Some(conf::print(&completion.domain))
}

/// One document, step by step.
fn one(capabilities: &Capabilities, host: &Host) {
    let text = crate::start::guest("kvm", "/srv/guests/disk.qcow2").into_bytes();
    let mut steps = ["read", "complete", "print"].map(|peer| Times { peer, times: Vec::new() });
    let mut whole = Times { peer: "read, complete, print", times: Vec::new() };
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let source = Source::decode("guest.xml", text.clone()).unwrap();
        let (domain, _) = conf::parse(&source).unwrap();
        let read = began.elapsed();
        let completion = qemu::complete(domain, capabilities, host, Mode::Define).unwrap();
        let completed = began.elapsed();
        let printed = conf::print(&completion.domain);
        let all = began.elapsed();
        assert!(printed.len() > text.len());
        let taken: [Duration; 3] = [read, completed - read, all - completed];
        for (step, time) in steps.iter_mut().zip(taken) {
            step.times.push(time);
        }
        whole.times.push(all);
    }
    let [read, complete, print] = steps;
    compare(&format!("one document of {} bytes", text.len()), &[whole, read, complete, print]);
}

/// The golden cases that both take, beside libvirt's test driver, which completes and prints in the
/// process of virsh, but less than the QEMU driver does.
fn many(capabilities: &Capabilities, host: &Host) {
    let directory = tempfile::tempdir().unwrap();
    let mut paths: Vec<PathBuf> = fs::read_dir(Path::new(TESTS).join("xml2xml"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .collect();
    paths.sort();
    let mut documents = Vec::new();
    for path in paths {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let source = Source::new("guest.xml", text);
        if stored(&source, capabilities, host).is_none() {
            continue;
        }
        let copy = directory.path().join(path.file_name().unwrap());
        fs::write(&copy, source.text.replace("<domain type='kvm'", "<domain type='test'")).unwrap();
        documents.push((source, copy));
    }
    let mut ours = Times { peer: "vdomain's libraries", times: Vec::new() };
    let mut theirs = Times { peer: "virsh -c test:///default", times: Vec::new() };
    let virsh = is_there("virsh");
    if virsh {
        documents.retain(|(_, path)| libvirt(&[path]).contains("</domain>"));
    }
    let (sources, paths): (Vec<_>, Vec<_>) =
        documents.iter().map(|(source, path)| (source, path.as_path())).unzip();
    let each = |all: Duration| all / u32::try_from(sources.len()).unwrap();
    for _ in 0..PASSES {
        let began = Instant::now();
        let printed: usize = sources
            .iter()
            .map(|source| {
                let source = Source::decode("guest.xml", source.text.clone().into_bytes()).unwrap();
                stored(&source, capabilities, host).unwrap().len()
            })
            .sum();
        ours.times.push(each(began.elapsed()));
        assert!(printed > 0);
        if virsh {
            let began = Instant::now();
            libvirt(&[]);
            let empty = began.elapsed();
            let began = Instant::now();
            let printed = libvirt(&paths);
            theirs.times.push(each(began.elapsed().saturating_sub(empty)));
            assert_eq!(printed.matches("</domain>").count(), sources.len());
        }
    }
    let peers = if virsh { vec![ours, theirs] } else { vec![ours] };
    compare(&format!("{} documents, each", sources.len()), &peers);
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
}

/// Has libvirt define, print and forget each document, in one process.
fn libvirt(documents: &[&Path]) -> String {
    let mut commands = String::new();
    for document in documents {
        let path = document.display();
        let text = fs::read_to_string(document).unwrap();
        let name = text.split_once("<name>").and_then(|(_, rest)| rest.split_once("</name>"));
        let name = name.map_or("", |(name, _)| name);
        write!(commands, "define '{path}'\ndumpxml '{name}'\nundefine '{name}'\n").unwrap();
    }
    let mut script = tempfile::tempfile().unwrap();
    script.write_all(commands.as_bytes()).unwrap();
    script.rewind().unwrap();
    let mut virsh = Command::new("virsh");
    virsh.args(["--quiet", "--connect", "test:///default"]).stdin(script).stderr(Stdio::null());
    String::from_utf8(virsh.output().unwrap().stdout).unwrap()
}
