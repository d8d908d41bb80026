//! The console: attaching, typing, leaving, coming back, and what its keys do besides.

use crate::machine::{document, home, stays};
use crate::running::{Console, state};

#[test]
fn a_console_can_be_left_and_connected_to_again() {
    let Some(home) = home() else { return };
    let log = home.path("console.log");
    let with_log =
        format!("<serial type='pty'><log file='{}' append='off'/></serial>", log.display());
    let given = document("console", &stays("true"), "");
    home.define(&given.replace("<serial type='pty'/>", &with_log));
    let mut first = Console::start(&home, "console");
    first.script();
    first.types("echo typed $((6 * 7))");
    first.wait_for("typed 42");
    let second = home.vdomain(&["console", "console"]).fails(4);
    assert!(second.contains("somebody is connected to the console of 'console'"), "{second}");
    let mut reader = Console::read_only(&home, "console");
    reader.wait_for("typed 42");

    first.leave();

    assert_eq!(state(&home, "console"), "running");
    let mut second = Console::attach(&home, "console");
    second.wait_for("typed 42");
    // The key twice and p stops the guest's processors, and lets them run on.
    second.keys(b"\x1d\x1dp");
    wait_for_state(&home, "paused");
    second.keys(b"\x1d\x1dp");
    wait_for_state(&home, "running");
    second.types("echo again $((6 * 9))");
    second.wait_for("again 54");
    reader.wait_for("again 54");
    second.types("poweroff -f");
    second.end();
    reader.end();
    assert_eq!(state(&home, "console"), "shut off");
}

#[track_caller]
fn wait_for_state(home: &crate::common::Home, wanted: &str) {
    for _ in 0..100 {
        if state(home, "console") == wanted {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("it is {}", state(home, "console"));
}
