//! `run` and `create`: guests that are not defined.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::Home;
use crate::machine::{document, home, stays};
use crate::running::{Console, state};

/// How long a guest may take to be started.
const LIMIT: Duration = Duration::from_secs(120);

/// A guest that runs in the foreground and has said that it does.
fn ready<'a>(home: &'a Home, name: &str) -> Console<'a> {
    let address = home.path("notify");
    let _ = fs::remove_file(&address);
    let manager = UnixDatagram::bind(&address).unwrap();
    manager.set_read_timeout(Some(LIMIT)).unwrap();
    home.write("guest.xml", document(name, &stays("true"), ""));
    let console = Console::run_file(home, name, "guest.xml", &address);
    let mut said = [0; 32];
    let count = manager.recv(&mut said).unwrap();
    assert_eq!(&said[..count], b"READY=1");
    console
}

#[test]
fn a_guest_in_the_foreground_shuts_down_when_asked_to_end() {
    let Some(home) = home() else { return };
    let mut console = ready(&home, "front");
    console.wait_for("guest: up");
    assert_eq!(state(&home, "front"), "running");
    let list = home.vdomain(&["list", "--transient", "--name"]).done().out;
    assert_eq!(list, "front\n");
    home.vdomain(&["console", "front"]).fails(4);

    console.signal(Signal::TERM);

    console.wait_for("guest: power button");
    console.end();
    home.vdomain(&["domstate", "front"]).fails(3);
}

#[test]
fn a_guest_that_is_asked_to_shut_down_while_it_boots_is_asked_again() {
    let Some(home) = home() else { return };
    let mut console = ready(&home, "early");

    console.signal(Signal::TERM);

    console.wait_for("guest: power button");
    console.end();
}

#[test]
fn a_guest_in_the_foreground_that_does_not_react_is_ended_by_the_second_signal() {
    let Some(home) = home() else { return };
    let mut console = ready(&home, "stubborn");

    // Nothing in it listens to the power button yet.
    console.signal(Signal::TERM);
    console.signal(Signal::INT);

    console.end();
}

#[test]
fn a_guest_that_is_not_defined_is_gone_when_it_ends() {
    let Some(home) = home() else { return };
    home.write("guest.xml", document("passing", &stays("true"), ""));
    home.vdomain(&["create", "--paused", "guest.xml"]).done();
    assert_eq!(state(&home, "passing"), "paused");
    assert!(home.vdomain(&["dominfo", "passing"]).done().out.contains("Persistent:     no\n"));
    home.vdomain(&["create", "guest.xml"]).fails(4);

    home.vdomain(&["destroy", "passing"]).done();

    home.vdomain(&["domstate", "passing"]).fails(3);
    home.define(&document("passing", &stays("true"), ""));
    let defined = home.vdomain(&["run", "guest.xml"]).fails(1);
    assert!(defined.contains("`vdomain start passing` starts it"), "{defined}");
}
