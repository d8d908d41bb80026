//! Processors that come to a guest that runs, and go.

use std::fs;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::common::{Home, not_tested};
use crate::machine::{document, home, stays};
use crate::running::{Console, qemu};

/// `<vcpu>` and `<vcpus>` of a document.
fn vcpus(home: &Home, arguments: &[&str]) -> Vec<String> {
    let document = home.vdomain(&[&["dumpxml", "processors"], arguments].concat()).done().out;
    let lines = document.lines().map(str::trim).filter(|line| line.starts_with("<vcpu "));
    lines.map(str::to_owned).collect()
}

/// The host's processors that the thread of a guest's processor may run on.
fn runs_on(home: &Home, number: u64) -> String {
    let command = r#"{"execute": "query-cpus-fast"}"#;
    let answer = home.vdomain(&["qemu-monitor-command", "processors", command]).done().out;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let mut cpus = answer["return"].as_array().unwrap().iter();
    let thread = &cpus.find(|cpu| cpu["cpu-index"] == number).unwrap()["thread-id"];
    let path = format!("/proc/{}/task/{thread}/status", qemu(home, "processors"));
    let status = fs::read_to_string(path).unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    list.trim().to_owned()
}

#[test]
fn processors_come_are_used_and_go() {
    let Some(home) = home() else { return };
    let tuned = "<vcpu current='1'>4</vcpu>\n  <cputune><vcpupin vcpu='2' cpuset='0'/></cputune>";
    let os = stays("cat /sys/devices/system/cpu/possible");
    home.define(&document("processors", &os, "").replace("<vcpu>1</vcpu>", tuned));
    let mut console = Console::start(&home, "processors");
    // Debian 13's kernel has no room for more where it is emulated.
    let has_room = console.script() == "0-3\n";
    let mut online = |expected: &str| {
        if !has_room {
            return;
        }
        console.types(
            "for c in /sys/devices/system/cpu/cpu[1-9]/online; do echo 1 >$c; done; \
             read l </sys/devices/system/cpu/online; echo \"on\"line $l.",
        );
        console.wait_for(&format!("online {expected}."));
    };

    let plan = ["setvcpus", "processors", "3", "--print-plan"];
    let plan = home.vdomain(&plan).done().out;
    assert!(plan.starts_with("attach processors 1, 2\n  device_add {\"driver\""), "{plan}");
    home.vdomain(&["setvcpus", "processors", "3"]).done();
    assert_eq!(
        vcpus(&home, &[]),
        [
            "<vcpu placement='static' current='3'>4</vcpu>",
            "<vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>",
            "<vcpu id='1' enabled='yes' hotpluggable='yes' order='2'/>",
            "<vcpu id='2' enabled='yes' hotpluggable='yes' order='3'/>",
            "<vcpu id='3' enabled='no' hotpluggable='yes'/>",
        ]
    );
    assert_eq!(runs_on(&home, 2), "0");
    online("0-2");
    let stored = ["<vcpu placement='static' current='1'>4</vcpu>"];
    assert_eq!(vcpus(&home, &["--inactive"]), stored);
    let most = home.vdomain(&["setvcpus", "processors", "5"]).fails(1);
    assert!(most.contains("at most 4 processors, not 5"), "{most}");
    let first = home.vdomain(&["setvcpu", "processors", "0", "--disable"]).fails(1);
    assert!(first.contains("processor 0 is part of the machine"), "{first}");
    let disable = ["setvcpu", "processors", "1", "--disable"];
    if !has_room {
        not_tested("this guest's kernel uses no processors that come");
        home.vdomain(&["destroy", "processors"]).done();
        return;
    }
    if home.vdomain(&[&disable[..], &["--print-plan"]].concat()).code != 0 {
        not_tested("this QEMU cannot take processors away without KVM");
        home.vdomain(&["destroy", "processors"]).done();
        return;
    }
    home.vdomain(&disable).done();
    online("0,2");
    assert_eq!(
        vcpus(&home, &[])[1..4],
        [
            "<vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>",
            "<vcpu id='1' enabled='no' hotpluggable='yes'/>",
            "<vcpu id='2' enabled='yes' hotpluggable='yes' order='2'/>",
        ]
    );
    home.vdomain(&["setvcpus", "processors", "1", "--persistent"]).done();
    online("0");
    home.vdomain(&["setvcpus", "processors", "2"]).done();
    online("0-1");

    // QEMU would end.
    let more = home.vdomain(&["setvcpus", "processors", "4"]).fails(1);
    assert!(more.contains("without KVM, those that have gone count too"), "{more}");
    home.vdomain(&["setvcpus", "processors", "6", "--maximum", "--config"]).done();
    home.vdomain(&["setvcpus", "processors", "3", "--config"]).done();
    let stored = ["<vcpu placement='static' current='3'>6</vcpu>"];
    assert_eq!(vcpus(&home, &["--inactive"]), stored);
    online("0-1");
    home.vdomain(&["destroy", "processors"]).done();
}
