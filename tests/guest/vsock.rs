//! vsock: two guests at once, each asked from the host.

use std::path::Path;
use std::process::Command;

use crate::common::{Home, run};
use crate::machine::{Parts, document, has, home, runs, with_shared_memory};
use crate::running::{Console, run_directory};

const VSOCK: &str = "    <vsock model='virtio'><cid auto='yes'/></vsock>\n";

#[test]
fn two_guests_at_once_have_their_own_cids_and_answer() {
    let Some(home) = home() else { return };
    if !Path::new("/dev/vhost-vsock").exists() && !has(&home, "vhost-device-vsock") {
        return;
    }
    for name in ["left", "right"] {
        let script = runs(&format!("echo cid $(vsock cid); vsock answer 5000 'I am {name}'"));
        home.define(&with_shared_memory(&document(name, &script, VSOCK)));
    }
    let mut left = Console::start(&home, "left");
    let mut right = Console::start(&home, "right");
    left.wait_for("vsock: listening on port 5000");
    right.wait_for("vsock: listening on port 5000");

    assert_eq!(ask(&home, "left"), "I am left\n");
    assert_eq!(ask(&home, "right"), "I am right\n");
    let [left, right] = [left.run(), right.run()].map(|said| cid(&said));
    assert_ne!(left, right);
    assert!(left >= 3 && right >= 3, "{left} {right}");
}

/// What a guest answers on port 5000.
fn ask(home: &Home, name: &str) -> String {
    let mut command = Command::new(Parts::find().unwrap().get("vsock"));
    command.args(["ask", &address(home, name), "5000"]);
    run(command).done().out
}

/// The CID of a guest, or the socket that vhost-device-vsock has for the host's side.
fn address(home: &Home, name: &str) -> String {
    let socket = run_directory(home, name).join("vsock0.sock");
    if socket.exists() {
        return socket.display().to_string();
    }
    let live = home.vdomain(&["dumpxml", name]).done().out;
    let behind = live.split("<cid auto='yes' address='").nth(1).unwrap();
    behind.split('\'').next().unwrap().to_owned()
}

fn cid(said: &str) -> u32 {
    said.lines().find_map(|line| line.strip_prefix("cid ")).unwrap().parse().unwrap()
}
