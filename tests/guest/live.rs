//! What the document of a running guest says that the stored one does not.

use serde_json::Value;

use crate::common::Home;
use crate::machine::{document, has, home, is_root, stays, with_shared_memory};
use crate::running::qemu;

/// The document of a guest, of which a part must be there.
#[track_caller]
fn shows(document: &str, part: &str) {
    assert!(document.contains(part), "{part}\n{document}");
}

fn live(home: &Home, name: &str) -> String {
    home.vdomain(&["dumpxml", name]).done().out
}

#[test]
fn a_running_guest_says_its_number_terminals_and_ports() {
    let Some(home) = home() else { return };
    let devices = "    <graphics type='vnc' autoport='yes'/>
    <channel type='pty'>
      <target type='virtio' name='org.test'/>
    </channel>";
    home.define(&document("live", &stays("true"), devices));
    home.vdomain(&["start", "--paused", "live"]).done();

    let said = live(&home, "live");

    let id = qemu(&home, "live");
    shows(&said, &format!("<domain type='qemu' id='{id}'>\n  <name>live</name>"));
    let tty = home.vdomain(&["ttyconsole", "live"]).done().out;
    let tty = tty.trim_end();
    let source = format!("\n      <source path='{tty}'/>\n      <target ");
    shows(&said, &format!("<serial type='pty'>{source}type='isa-serial' port='0'>"));
    shows(&said, &format!("<console type='pty' tty='{tty}'>{source}type='serial' port='0'/>"));
    shows(&said, "<channel type='pty'>\n      <source path='/dev/pts/");
    shows(&said, "<alias name='channel0'/>");
    let vnc = home.vdomain(&["domdisplay", "--json", "live"]).done().out;
    let vnc: Value = serde_json::from_str(&vnc).unwrap();
    let display: u32 = vnc[0]["uri"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    shows(&said, &format!("<graphics type='vnc' port='{}' autoport='yes'", 5900 + display));

    let inactive = home.vdomain(&["dumpxml", "--inactive", "live"]).done().out;
    for of_this_start in ["qemu' id=", "tty=", "/dev/pts", "<alias"] {
        assert!(!inactive.contains(of_this_start), "{of_this_start}\n{inactive}");
    }
    shows(&inactive, "<graphics type='vnc' port='-1' autoport='yes'");
    // What runs can be defined again, and is what is defined.
    assert_eq!(home.define(&said).out, "Domain 'live' unchanged from guest.xml\n");
    // A device is taken away as the document shows it.
    let channel = said.split("    <channel").nth(1).unwrap();
    let (channel, _) = channel.split_once("</channel>").unwrap();
    home.write("channel.xml", format!("<channel{channel}</channel>"));
    let plan = ["detach-device", "live", "channel.xml", "--live", "--print-plan"];
    shows(&home.vdomain(&plan).done().out, "channel0");
}

#[test]
fn a_running_guest_says_its_taps_and_its_cid() {
    let Some(home) = home() else { return };
    let mut devices = String::new();
    let has_tap = is_root("a tap");
    let has_vsock = has(&home, "vhost-device-vsock");
    if has_tap {
        devices +=
            "    <interface type='ethernet'>\n      <model type='virtio'/>\n    </interface>\n";
    }
    if has_vsock {
        devices += "    <vsock model='virtio'>\n      <cid auto='yes'/>\n    </vsock>\n";
    }
    home.define(&with_shared_memory(&document("named", &stays("true"), &devices)));
    home.vdomain(&["start", "--paused", "named"]).done();

    let said = live(&home, "named");
    let inactive = home.vdomain(&["dumpxml", "--inactive", "named"]).done().out;

    if has_tap {
        let list = home.vdomain(&["domiflist", "named"]).done().out;
        let tap = list.lines().nth(2).unwrap().split_whitespace().next().unwrap().to_owned();
        assert_ne!(tap, "-", "{list}");
        shows(&said, &format!("<target dev='{tap}'/>\n      <model type='virtio'/>"));
        assert!(!inactive.contains("<target dev="), "{inactive}");
    }
    if has_vsock {
        shows(&said, "<cid auto='yes' address='");
        shows(&inactive, "<cid auto='yes'/>");
    }
}
