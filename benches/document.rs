//! Reading, completing and printing one document, without a look at the host.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use qemu::{Capabilities, Host, Mode};
use xml::Source;

use crate::{Times, compare};

const ROUNDS: usize = 200;

pub(super) fn measure() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    let text = crate::start::guest("kvm", "/srv/guests/disk.qcow2").into_bytes();
    let recording =
        fs::read_to_string(tests.join("capabilities/qemu-10.0.2-x86_64.replies")).unwrap();
    let recording = qmp::replies::Recording::parse(&recording).unwrap();
    let capabilities =
        Capabilities::from_recording("/usr/bin/qemu-system-x86_64", &recording).unwrap();
    let host = fs::read_to_string(tests.join("hosts/usual.json")).unwrap();
    let host: Host = serde_json::from_str(&host).unwrap();

    let mut steps = ["read", "complete", "print"].map(|peer| Times { peer, times: Vec::new() });
    let mut whole = Times { peer: "read, complete, print", times: Vec::new() };
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let source = Source::decode("guest.xml", text.clone()).unwrap();
        let (domain, _) = conf::parse(&source).unwrap();
        let read = began.elapsed();
        let completion = qemu::complete(domain, &capabilities, &host, Mode::Define).unwrap();
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
