//! The console: attaching, typing, leaving, coming back, and what its keys do besides.

use std::os::unix::fs::MetadataExt;

use crate::machine::{document, home, stays};
use crate::running::{Console, parent, qemu, state};
use crate::supervisor::kill;

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

#[test]
fn a_console_without_a_log_is_read_by_several_and_remembers() {
    let Some(home) = home() else { return };
    home.define(&document("console", &stays("true"), ""));
    let mut first = Console::start(&home, "console");
    first.script();
    first.types("echo typed $((6 * 7))");
    first.wait_for("typed 42");
    let mut readers = [(); 2].map(|()| Console::read_only(&home, "console"));
    for reader in &mut readers {
        reader.wait_for("typed 42");
    }
    // More than is kept, while nobody but the readers listens, and for a while nobody supervises.
    first.types("(sleep 2; seq 1 300000 > /dev/console; echo counted $((1 + 1))) &");
    first.leave();
    kill(parent(qemu(&home, "console")));
    let mut second = Console::attach(&home, "console");
    second.wait_for("typed 42");
    second.wait_for("counted 2");
    for reader in &mut readers {
        reader.wait_for("counted 2");
    }
    let log = second.run_directory().join("console.log");
    let room = || log.metadata().unwrap().blocks() * 512;
    for _ in 0..100 {
        if room() <= 1 << 20 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(log.metadata().unwrap().len() > 1 << 20);
    assert!(room() <= 1 << 20, "it takes {} bytes", room());
    second.leave();
    let mut third = Console::attach(&home, "console");
    third.wait_for("counted 2");
    third.types("poweroff -f");
    third.end();
    readers.iter_mut().for_each(Console::end);
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
