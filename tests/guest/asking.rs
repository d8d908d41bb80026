//! What a running guest is asked: statistics, its screen and keyboard, its agent, what happens to it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::common::Home;
use crate::machine::{disk, document, home, stays};
use crate::running::{Console, parent, qemu, state};
use crate::supervisor::kill;

/// An agent that knows as much of its protocol as these tests ask for. While nobody is connected on
/// the host there is nothing to read, which looks like the end.
const AGENT: &str = r#"
for p in /sys/class/virtio-ports/*; do
[ "$(cat $p/name)" = org.qemu.guest_agent.0 ] && exec 3<>/dev/${p##*/}; done
say() { echo "{\"return\": $1}" >&3; }
while sleep .1; do while read -r l <&3; do case $l in
*-sync-*) i=${l##*\"id\":}; printf '\377' >&3; say ${i%%\}*};;
*host-name*) say '{"host-name": "inside"}';;
*get-interfaces*) say '[{"name": "eth0", "hardware-address": "52:54:00:00:00:01", "ip-addresses": [{"ip-address": "10.9.8.7", "prefix": 24}]}]';;
*guest-shutdown*) poweroff -f;;
*fsfreeze-freeze*) say 1; echo frozen >/dev/ttyS0;;
*fsfreeze-thaw*) say 1; echo thawed >/dev/ttyS0;;
*guest-ping*) say '{}';;
*) echo '{"error": {"class": "CommandNotFound", "desc": "not this one"}}' >&3;;
esac; done; done >/dev/null 2>&1 &
"#;

const DEVICES: &str = "
    <disk type='file' device='cdrom'>
      <target dev='sda' bus='sata'/>
    </disk>
    <interface type='user'>
      <mac address='52:54:00:00:00:01'/>
      <model type='virtio'/>
    </interface>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <graphics type='vnc' autoport='yes'/>
    <video><model type='vga'/></video>
    <memballoon model='virtio'/>
";

#[track_caller]
fn json(home: &Home, arguments: &[&str]) -> Value {
    serde_json::from_str(&home.vdomain(arguments).done().out).unwrap()
}

/// `vdomain event`, which is told of everything from here on.
pub(crate) fn listen(home: &Home, arguments: &[&str]) -> (Child, impl Iterator<Item = String>) {
    let mut command = home.command(&["event"]);
    let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map(Result::unwrap))
}

#[test]
fn a_guest_is_asked_for_everything_that_it_does() {
    let Some(home) = home() else { return };
    let image = home.write("disk.img", vec![0; 4 << 20]);
    let devices = disk(&image, "raw", "vda", "") + DEVICES;
    let script = format!("{AGENT}\ndd if=/dev/vda of=/dev/null bs=1M count=2 2>/dev/null");
    home.define(&document("asked", &stays(&script), &devices));
    let mut console = Console::start(&home, "asked");
    console.script();

    statistics(&home, &image.display().to_string());
    screen_and_keys(&home);
    agent(&home);
    quiesced(&home, &mut console);
    events(&home, &mut console);
    ends(&home, &mut console);
}

fn statistics(home: &Home, image: &str) {
    let all = &json(home, &["domstats", "--json", "asked"])[0];
    assert_eq!(all["name"], "asked");
    assert_eq!(all["state.state"], 1);
    assert_eq!(all["balloon.current"], 256 * 1024);
    assert_eq!(all["vcpu.current"], 1);
    assert_eq!(all["block.0.path"], image);
    assert_eq!(all["block.0.capacity"], 4 << 20);
    assert!(all["block.0.rd.bytes"].as_u64().unwrap() >= 2 << 20, "{all}");
    assert!(all["cpu.time"].as_u64().unwrap() >= all["vcpu.0.time"].as_u64().unwrap());
    let block = home.vdomain(&["domstats", "--block", "asked"]).done().out;
    assert!(block.starts_with("Domain: 'asked'\n  block.count=2\n  block.0.name=vda\n"), "{block}");

    assert_eq!(
        home.vdomain(&["domblklist", "asked"]).done().out.lines().skip(2).collect::<Vec<_>>(),
        [format!(" vda      {image}"), " sda      -".to_owned()]
    );
    let info = home.vdomain(&["domblkinfo", "asked", "vda"]).done().out;
    assert!(info.starts_with("Capacity:       4194304\n"), "{info}");
    assert!(home.vdomain(&["domblkinfo", "asked", "sda"]).fails(4).contains("no medium in 'sda'"));
    let unknown = home.vdomain(&["domblkstat", "asked", "vdz"]).fails(1);
    assert!(unknown.contains("help: it has: vda, sda"), "{unknown}");
    let interfaces = json(home, &["domiflist", "--json", "asked"]);
    assert_eq!(
        interfaces,
        json!([{ "interface": null, "type": "user", "source": null, "model": "virtio",
            "mac": "52:54:00:00:00:01" }])
    );
    let vcpus = json(home, &["vcpuinfo", "--json", "asked"]);
    assert_eq!(vcpus[0]["state"], "running");
    let memory = json(home, &["dommemstat", "--json", "asked"]);
    assert!(memory["rss"].as_u64().unwrap() > 0, "{memory}");
    let used = json(home, &["dominfo", "--json", "asked"]);
    assert!(used["cpu_time"].as_f64().unwrap() > 0.0, "{used}");
}

fn screen_and_keys(home: &Home) {
    let uri = home.vdomain(&["domdisplay", "asked"]).done().out;
    assert!(uri.starts_with("vnc://127.0.0.1:"), "{uri}");
    let address = home.vdomain(&["vncdisplay", "asked"]).done().out;
    assert_eq!(uri.strip_prefix("vnc://"), Some(address.as_str()));
    let terminal = home.vdomain(&["ttyconsole", "asked"]).done().out;
    assert!(terminal.starts_with("/dev/pts/"), "{terminal}");
    home.vdomain(&["screenshot", "asked", "picture.png"]).done();
    let picture = fs::read(home.path("picture.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG") || picture.starts_with(b"P6"));
    assert!(home.vdomain(&["screenshot", "asked", "--screen", "7"]).fails(1).contains("screen 7"));

    home.vdomain(&["send-key", "asked", "KEY_LEFTSHIFT", "--holdtime", "50"]).done();
    let wrong = home.vdomain(&["send-key", "asked", "KEY_SHIFT"]).fails(2);
    assert!(wrong.contains("there is no key 'KEY_SHIFT'"), "{wrong}");
    let refused = home.vdomain(&["send-key", "--codeset", "qemu", "asked", "nonsense"]).fails(1);
    assert!(refused.contains("QEMU refused 'send-key'"), "{refused}");

    let status = json(home, &["qemu-monitor-command", "asked", "query-status"]);
    assert_eq!(status["return"]["status"], "running");
    let mut qmp = home.command(&["qmp", "asked"]);
    let mut qmp = qmp.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = b"query-status\nqom-get path=/machine property=type\n";
    qmp.stdin.take().unwrap().write_all(lines).unwrap();
    let said = qmp.wait_with_output().unwrap();
    let values: Vec<Value> = serde_json::Deserializer::from_slice(&said.stdout)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(values[0]["status"], "running");
    assert!(values[1].as_str().unwrap().starts_with("pc-q35"), "{values:?}");
    let text = home.vdomain(&["qemu-monitor-command", "--hmp", "asked", "info", "status"]).done();
    assert!(text.out.contains("VM status: running"), "{}", text.out);
}

fn agent(home: &Home) {
    home.vdomain(&["wait", "asked", "--for", "booted", "--timeout", "60"]).done();
    let address = home.vdomain(&["wait", "asked", "--for", "address", "--timeout", "60"]).done();
    assert_eq!(address.out, "10.9.8.7\n");
    assert_eq!(home.vdomain(&["domhostname", "asked"]).done().out, "inside\n");
    let addresses = home.vdomain(&["domifaddr", "asked"]).done().out;
    let row = " eth0       52:54:00:00:00:01    ipv4         10.9.8.7/24";
    assert_eq!(addresses.lines().nth(2), Some(row));
    let info = json(home, &["guestinfo", "--json", "asked"]);
    assert_eq!(info["hostname"], "inside");
    assert_eq!(info["if.0.addr.0.addr"], "10.9.8.7");
    let ping = ["qemu-agent-command", "asked", "{\"execute\": \"guest-ping\"}"];
    assert_eq!(json(home, &ping), json!({ "return": {} }));
    let refused = home.vdomain(&["domfsinfo", "asked"]).fails(1);
    assert!(refused.contains("agent refused 'guest-get-fsinfo': not this one"), "{refused}");
}

/// A snapshot is made while the agent has the file systems frozen.
fn quiesced(home: &Home, console: &mut Console<'_>) {
    let snapshot = ["snapshot-create-as", "asked", "--disk-only", "--quiesce"];
    home.vdomain(&[&snapshot[..], &["one"]].concat()).done();
    console.wait_for("frozen");
    console.wait_for("thawed");
    assert!(home.path("disk.one").exists());
    // There is a file of that name, so that nothing is made; and everything goes on.
    home.vdomain(&[&snapshot[..], &["one"]].concat()).fails(1);
    console.wait_for("frozen");
    console.wait_for("thawed");
}

/// Suspends and resumes the guest while `work` waits for events, as nothing says when somebody listens;
/// how often that was.
fn suspended_and_resumed<T>(home: &Home, work: impl FnOnce() -> T) -> (T, usize) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                home.vdomain(&["suspend", "asked"]).done();
                home.vdomain(&["resume", "asked"]).done();
                count += 1;
            }
            count
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, changes.join().unwrap())
    })
}

fn events(home: &Home, console: &mut Console<'_>) {
    let suspended = "event 'lifecycle' for domain 'asked': Suspended Paused";
    let resumed = "event 'lifecycle' for domain 'asked': Resumed Unpaused";
    let (mut all, mut lines) = listen(home, &["asked", "--loop", "--event", "lifecycle"]);
    let (mut raw, mut raw_lines) = listen(home, &["--json", "--event", "STOP", "--timeout", "60"]);
    let (stop, times) = suspended_and_resumed(home, || {
        lines.find(|line| line == suspended).unwrap();
        assert_eq!(lines.next().unwrap(), resumed);
        raw_lines.next().unwrap()
    });
    let stop: Value = serde_json::from_str(&stop).unwrap();
    assert_eq!((&stop["event"], &stop["domain"]), (&json!("STOP"), &json!("asked")));
    assert!(raw.wait().unwrap().success());

    // Whoever listens is told by the next supervisor: more than there was to be told by this one.
    kill(parent(qemu(home, "asked")));
    suspended_and_resumed(home, || lines.nth(2 * times).unwrap());
    all.kill().unwrap();
    all.wait().unwrap();
    assert_eq!(state(home, "asked"), "running");

    let none = home.vdomain(&["event", "asked", "--event", "balloon-change", "--timeout", "0.2"]);
    none.fails(5);
    home.vdomain(&["reset", "asked"]).done();
    console.wait_for("guest: up");
}

fn ends(home: &Home, console: &mut Console<'_>) {
    // The guest was reset, so its agent starts anew.
    console.wait_for("guest: done 0");
    home.vdomain(&["wait", "asked", "--for", "agent", "--timeout", "60"]).done();
    home.vdomain(&["wait", "asked", "--timeout", "0.1"]).fails(5);

    let said = home.vdomain(&["shutdown", "asked", "--timeout", "120"]).done().err;

    assert_eq!(
        said,
        "Domain 'asked': its agent was asked to power off\nDomain 'asked' has shut down\n"
    );
    console.end();
    home.vdomain(&["wait", "asked", "--for", "shutoff"]).done();
    home.vdomain(&["wait", "asked", "--for", "running", "--timeout", "0"]).fails(5);
}
