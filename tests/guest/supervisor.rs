//! The supervisor: a guest outlives it, and another one takes over.

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::{disk, document, home, stays};
use crate::running::{Console, is_alive, parent, qemu, state};

/// Ends a process without a chance to clear anything away.
pub(crate) fn kill(process: u32) {
    let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
    kill_process(process, Signal::KILL).unwrap();
}

#[test]
fn a_guest_outlives_its_supervisor_and_the_next_command_takes_over() {
    let Some(home) = home() else { return };
    let image = home.write("disk.img", vec![0; 4 << 20]);
    let devices = disk(&image, "raw", "vda", "");
    home.define(&document("orphan", &stays("true"), &devices));
    let mut console = Console::start(&home, "orphan");
    console.script();
    let qemu = qemu(&home, "orphan");
    kill(parent(qemu));

    console.types("fill /dev/vda 1 orphaned; echo written $?");
    console.wait_for("written 0");
    assert_eq!(state(&home, "orphan"), "running");
    assert!(is_alive(qemu), "the guest went on");
    home.vdomain(&["suspend", "orphan"]).done();
    assert_eq!(state(&home, "orphan"), "paused");
    home.vdomain(&["resume", "orphan"]).done();
    home.vdomain(&["shutdown", "orphan"]).done();
    console.wait_for("guest: power button");
    console.end();
    assert_eq!(state(&home, "orphan"), "shut off");
    assert!(!is_alive(qemu));
    assert!(std::fs::read(&image).unwrap().starts_with(b"orphaned\n"));
}

#[test]
fn a_guest_that_powered_off_unwatched_ends_when_somebody_looks() {
    let Some(home) = home() else { return };
    home.define(&document("off", &stays("true"), ""));
    let mut console = Console::start(&home, "off");
    console.script();
    let qemu = qemu(&home, "off");
    kill(parent(qemu));
    console.types("poweroff -f");
    console.wait_for("reboot: Power down");
    assert!(is_alive(qemu), "QEMU waits for somebody to say what is to be done");

    // Whichever comes first: what the new supervisor knows, or its end.
    let seen = home.vdomain(&["domstate", "off"]).out;
    console.end();

    assert!(["in shutdown\n", "shut off\n", ""].contains(&seen.as_str()), "{seen}");
    assert_eq!(state(&home, "off"), "shut off");
    assert!(!is_alive(qemu));
}

#[test]
fn what_a_guest_that_ended_unwatched_left_is_cleared_away() {
    let Some(home) = home() else { return };
    home.define(&document("unwatched", &stays("true"), ""));
    home.vdomain(&["start", "--paused", "unwatched"]).done();
    let qemu = qemu(&home, "unwatched");
    kill(parent(qemu));
    kill(qemu);

    assert_eq!(state(&home, "unwatched"), "shut off");
    assert!(!home.path("home/run/unwatched").exists());
    home.vdomain(&["start", "--paused", "unwatched"]).done();
    assert_eq!(state(&home, "unwatched"), "paused");
}
