//! States and what changes them.

use std::thread;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::machine::{document, home, stays};
use crate::running::{Console, is_alive, qemu, state};

#[test]
fn a_guest_is_suspended_resumed_and_shut_down_by_its_power_button() {
    let Some(home) = home() else { return };
    home.define(&document("states", &stays("true"), ""));
    let mut console = Console::start(&home, "states");
    console.wait_for("guest: up");
    assert_eq!(state(&home, "states"), "running");
    let started = home.vdomain(&["start", "states"]).fails(4);
    assert!(started.contains("'states' is running already"), "{started}");

    home.vdomain(&["suspend", "states"]).done();
    assert_eq!(state(&home, "states"), "paused");
    let paused = home.vdomain(&["domstate", "--json", "states"]).done().out;
    assert_eq!(serde_json::from_str::<Value>(&paused).unwrap()["reason"], "user");
    home.vdomain(&["resume", "states"]).done();
    assert_eq!(state(&home, "states"), "running");

    home.vdomain(&["shutdown", "states"]).done();
    console.wait_for("guest: power button");
    console.end();
    assert_eq!(state(&home, "states"), "shut off");
}

#[test]
fn a_guest_that_is_started_paused_waits_and_can_be_destroyed() {
    let Some(home) = home() else { return };
    home.define(&document("paused", &stays("true"), ""));

    home.vdomain(&["start", "--paused", "paused"]).done();

    assert_eq!(state(&home, "paused"), "paused");
    let qemu = qemu(&home, "paused");
    let mut console = Console::attach(&home, "paused");
    home.vdomain(&["resume", "paused"]).done();
    console.wait_for("guest: up");
    home.vdomain(&["destroy", "paused"]).done();
    console.end();
    assert_eq!(state(&home, "paused"), "shut off");
    assert!(!is_alive(qemu));
    home.vdomain(&["destroy", "paused"]).fails(4);
}

#[test]
fn several_guests_are_told_at_once() {
    let Some(home) = home() else { return };
    for name in ["one", "two"] {
        home.define(&document(name, &stays("true"), ""));
    }
    home.vdomain(&["start", "--paused", "one", "two"]).done();

    let mixed = home.vdomain(&["resume", "one", "nowhere", "two"]).fails(3);
    let states = home.vdomain(&["list"]).done().out;
    // Nothing in them listens to a power button yet.
    let said =
        home.vdomain(&["shutdown", "one", "--mode", "acpi,destroy", "--timeout", "1"]).done();
    let late = home.vdomain(&["shutdown", "two", "--mode", "acpi", "--timeout", "0.1"]).fails(5);
    home.vdomain(&["destroy", "--graceful", "two"]).done();

    assert!(mixed.contains("no domain 'nowhere'") && mixed.contains("'two' resumed"), "{mixed}");
    assert_eq!(states.matches("running").count(), 2, "{states}");
    let steps: Vec<&str> = said.err.lines().collect();
    assert_eq!(
        steps,
        [
            "Domain 'one': its power button was pressed",
            "Domain 'one': was destroyed",
            "Domain 'one' has shut down",
        ]
    );
    assert!(late.contains("domain 'two' does not shut down"), "{late}");
    assert_eq!(home.vdomain(&["list", "--name"]).done().out, "");
    let how = home.vdomain(&["domstate", "--reason", "two"]).done().out;
    assert_eq!(how, "shut off (destroyed)\n");
}

#[test]
fn a_guest_that_reboots_starts_again() {
    let Some(home) = home() else { return };
    home.define(&document("reboots", &stays("true"), ""));
    let mut console = Console::start(&home, "reboots");
    console.script();

    console.types("reboot -f");

    console.wait_for("guest: up");
    assert_eq!(state(&home, "reboots"), "running");

    console.wait_for("guest: done 0");
    let said = home.vdomain(&["reboot", "reboots"]).done().err;
    console.wait_for("guest: power button");
    console.wait_for("guest: up");
    assert_eq!(said, "Domain 'reboots' is being rebooted\n");
    assert_eq!(state(&home, "reboots"), "running");
}

#[test]
fn of_two_starts_at_once_one_wins_and_the_other_says_so() {
    let Some(home) = home() else { return };
    home.define(&document("race", &stays("true"), ""));

    let mut both = thread::scope(|scope| {
        let starts = [(); 2].map(|()| scope.spawn(|| home.vdomain(&["start", "--paused", "race"])));
        starts.map(|start| start.join().unwrap())
    });

    both.sort_by_key(|start| start.code);
    assert_eq!(both.each_ref().map(|start| start.code), [0, 4]);
    let said = &both[1].err;
    assert!(said.contains("'race' is running already, or is just being started"), "{said}");
    assert_eq!(state(&home, "race"), "paused");
}

#[test]
fn what_is_defined_over_a_running_guest_is_for_the_next_start() {
    let Some(home) = home() else { return };
    let given = document("redefined", &stays("true"), "");
    home.define(&given);
    let uuid = home.vdomain(&["dumpxml", "redefined"]).done().out;
    home.vdomain(&["start", "--paused", "redefined"]).done();

    let defined = home.define(&given.replace("'>256", "'>300")).out;

    assert_eq!(defined, "Domain 'redefined' changed from guest.xml\n");
    let live = home.vdomain(&["dumpxml", "redefined"]).done().out;
    let next = home.vdomain(&["dumpxml", "--inactive", "redefined"]).done().out;
    assert!(live.contains("<memory unit='KiB'>262144</memory>"), "{live}");
    assert!(next.contains("<memory unit='KiB'>307200</memory>"), "{next}");
    assert_eq!(next.lines().nth(2), uuid.lines().nth(2));
    home.vdomain(&["undefine", "redefined"]).done();
    assert_eq!(home.vdomain(&["list", "--name"]).done().out, "redefined\n");
    home.vdomain(&["destroy", "redefined"]).done();
    home.vdomain(&["domstate", "redefined"]).fails(3);
}
