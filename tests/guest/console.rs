//! The console: attaching, typing, leaving, coming back.

use crate::machine::{document, home, stays};
use crate::running::{Console, state};

#[test]
fn a_console_can_be_left_and_connected_to_again() {
    let Some(home) = home() else { return };
    home.define(&document("console", &stays("true"), ""));
    let mut first = Console::start(&home, "console");
    first.script();
    first.types("echo typed $((6 * 7))");
    first.wait_for("typed 42");

    first.leave();

    assert_eq!(state(&home, "console"), "running");
    let mut second = Console::attach(&home, "console");
    second.types("echo again $((6 * 9))");
    second.wait_for("again 54");
    second.types("poweroff -f");
    second.end();
    assert_eq!(state(&home, "console"), "shut off");
}
