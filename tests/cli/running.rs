//! The commands that ask a running guest, where none runs, and what a document tells without it.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::common::Home;
use crate::document;

const DEVICES: &str = "    <disk type='file' device='disk'>
      <source file='/images/a.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='sda' bus='sata'/>
    </disk>
    <interface type='network'>
      <mac address='52:54:00:00:00:01'/>
      <source network='default'/>
      <model type='virtio'/>
    </interface>";

#[test]
fn the_disks_and_interfaces_of_a_document_are_listed_as_virsh_does() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", DEVICES));

    let disks = home.vdomain(&["domblklist", "--details", "web"]).done().out;
    let interfaces = home.vdomain(&["domiflist", "web"]).done().out;

    assert_eq!(
        disks,
        " Type   Device   Target   Source
-----------------------------------------
 file   disk     vda      /images/a.img
 file   cdrom    sda      -
"
    );
    assert_eq!(
        interfaces,
        " Interface   Type      Source    Model    MAC
-------------------------------------------------------------
 -           network   default   virtio   52:54:00:00:00:01
"
    );
}

#[test]
fn statistics_of_a_domain_that_does_not_run_are_what_its_document_says() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));

    let text = home.vdomain(&["domstats"]).done().out;
    let json = home.vdomain(&["domstats", "--json", "--state", "web"]).done().out;

    assert_eq!(
        text,
        "Domain: 'web'
  state.state=5
  state.reason=0
  balloon.maximum=65536
  vcpu.maximum=1

"
    );
    assert_eq!(
        serde_json::from_str::<Value>(&json).unwrap(),
        json!([{ "name": "web", "state.state": 5, "state.reason": 0 }])
    );
}

#[test]
fn what_only_a_running_guest_knows_is_refused() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", DEVICES));

    for command in [
        &["vcpuinfo", "web"][..],
        &["dommemstat", "web"],
        &["domblkinfo", "web", "vda"],
        &["domblkstat", "web"],
        &["domifstat", "web", "vnet0"],
        &["domifaddr", "web"],
        &["domdisplay", "web"],
        &["send-key", "web", "KEY_ENTER"],
        &["screenshot", "web"],
        &["inject-nmi", "web"],
        &["reset", "web"],
        &["event", "web"],
        &["qmp", "web"],
        &["guestinfo", "web"],
        &["domhostname", "web"],
        &["qemu-monitor-command", "web", "query-status"],
    ] {
        let said = home.vdomain(command).fails(4);
        assert_eq!(said, "error: domain 'web' is not running\n", "{command:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_said_to_be_wrong() {
    let home = Home::new();

    let event = home.vdomain(&["event", "--event", "lifecycel"]).fails(2);
    let monitor = home.vdomain(&["qemu-monitor-command", "web", "query status"]).fails(3);
    let names = home.vdomain(&["event", "--list"]).done().out;

    assert!(event.contains("help: did you mean 'lifecycle'?"), "{event}");
    assert!(monitor.contains("no domain 'web'"), "{monitor}");
    assert!(names.starts_with("lifecycle\nreboot\n"), "{names}");
}

#[test]
fn a_processor_that_the_host_cannot_give_is_refused_where_it_is_checked() {
    let Some(home) = Home::with_qemu() else { return };
    let of = |check: &str| {
        let cpu = format!(
            "</os>\n  <cpu mode='custom' match='exact' check='{check}'>\n    \
             <model fallback='forbid'>Skylake-Server</model>\n  </cpu>\n"
        );
        document("checked", "").replace("</os>\n", &cpu)
    };
    home.define(&of("full"));
    let refusal = home.vdomain(&["start", "checked", "--paused"]).fails(1);
    assert!(refusal.contains("cannot give the guest all of 'Skylake-Server': "), "{refusal}");
    assert!(refusal.contains("avx512f"), "{refusal}");
    home.define(&of("none"));
    home.vdomain(&["start", "checked", "--paused"]).done();
}

#[test]
fn guests_that_start_at_once_get_ports_of_their_own() {
    let Some(home) = Home::with_qemu() else { return };
    let display =
        "<graphics type='spice' autoport='yes'/>\n    <graphics type='vnc' autoport='yes'/>";
    let names = ["one", "two", "three"];
    for name in names {
        home.define(&document(name, display));
    }
    let started = home.vdomain(&["start", "--paused", "one", "two", "three"]);
    if started.err.contains("SPICE") || started.err.contains("spice") {
        assert!(!started.err.contains("binding socket"), "{}", started.err);
        return crate::common::not_tested("this QEMU has no SPICE");
    }
    assert_eq!(started.code, 0, "{}", started.err);
    let shown = |name: &&str| home.vdomain(&["domdisplay", "--all", name]).done().out;
    let mut displays: Vec<String> = names
        .iter()
        .map(shown)
        .flat_map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    displays.retain(|line| !line.is_empty());
    displays.sort();
    let count = displays.len();
    displays.dedup();
    assert_eq!((count, displays.len()), (6, 6), "{displays:?}");
}
