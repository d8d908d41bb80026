//! Consoles of guests that do not run yet: which one it is, and who types.

use std::io::{Read, Write};
use std::process::{Child, Stdio};

use crate::common::Home;
use crate::document;

/// Two serial ports and one that nobody can type into.
const PORTS: &str = "    <serial type='pty'/>
    <serial type='pty'/>
    <parallel type='null'/>";

/// Connects, and returns when that is said.
fn connect(home: &Home, arguments: &[&str]) -> Child {
    let mut command = home.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    while !said.ends_with("(Ctrl + ])\n") {
        let mut byte = [0];
        child.stderr.as_mut().unwrap().read_exact(&mut byte).expect(&said);
        said.push(char::from(byte[0]));
    }
    child
}

#[test]
fn a_console_is_named_by_its_alias_and_has_a_lock_of_its_own() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("ports", PORTS));
    home.vdomain(&["start", "--paused", "ports"]).done();
    let second = ["console", "ports", "--devname", "serial1"];

    let connected = [connect(&home, &second), connect(&home, &["console", "ports"])];

    let said = home.vdomain(&second).fails(4);
    assert!(said.contains("somebody is connected to the console of 'ports'"), "{said}");
    for mut child in connected {
        let run = home.path("home/run/ports");
        assert!(run.join("console-serial1.lock").exists());
        child.stdin.as_mut().unwrap().write_all(b"\x1dx").unwrap();
        assert!(child.wait().unwrap().success());
    }
    connect(&home, &second).kill().unwrap();
    let wrong = home.vdomain(&["console", "ports", "--devname", "serial7"]).fails(1);
    assert!(wrong.contains("has no console 'serial7'"), "{wrong}");
    assert!(wrong.contains("it has serial0, serial1"), "{wrong}");
    let none = home.vdomain(&["console", "ports", "--devname", "parallel0"]).fails(1);
    assert!(none.contains("device 'parallel0' of domain 'ports' has no terminal"), "{none}");
    let silent = home.vdomain(&["console", "ports", "--devname", "serial1", "--read-only"]);
    assert!(silent.fails(1).contains("nothing of what this device says is kept"));
}
