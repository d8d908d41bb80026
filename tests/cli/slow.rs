//! Several guests, of which one does not answer.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::Home;
use crate::document;

/// The socket of a guest that seems to run.
fn guest(home: &Home, name: &str) -> UnixListener {
    let run = home.path("home/run").join(name);
    fs::create_dir_all(&run).unwrap();
    UnixListener::bind(run.join("control")).unwrap()
}

/// Answers each request as a supervisor does that has done it.
fn answer(mut connection: UnixStream) {
    let mut byte = [0];
    while connection.read(&mut byte).is_ok_and(|count| count > 0) {
        if byte == [0] {
            let reply = b"{\"parameters\":{\"state\":\"running\",\"reason\":\"booted\"}}\0";
            connection.write_all(reply).unwrap();
        }
    }
}

/// Runs a command on a guest that answers and one that does not, and reads a line of its standard
/// error while it waits for the second.
fn first_line(home: &Home, arguments: &[&str]) -> String {
    let quick = guest(home, "quick");
    let slow = guest(home, "slow");
    thread::spawn(move || quick.incoming().for_each(|connection| answer(connection.unwrap())));
    let mut command = home.command(arguments);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(child.try_wait().unwrap().is_none(), "it did not wait for the slow guest: {line}");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(slow);
    // What is asked next must not wait for it, and there is no supervisor behind it.
    fs::remove_dir_all(home.path("home/run")).unwrap();
    line
}

#[test]
fn a_guest_that_does_not_answer_holds_up_no_other() {
    let home = Home::new();

    assert_eq!(first_line(&home, &["suspend", "slow", "quick"]), "Domain 'quick' suspended\n");
}

#[test]
fn a_qemu_that_does_not_answer_holds_up_nothing_that_others_know() {
    let Some(home) = Home::with_qemu() else { return };
    for name in ["stuck", "well"] {
        home.define(&document(name, ""));
        home.vdomain(&["start", "--paused", name]).done();
    }
    let qemu = home.vdomain(&["domid", "stuck"]).done().out;
    let qemu = Pid::from_raw(qemu.trim_end().parse().unwrap()).unwrap();
    kill_process(qemu, Signal::STOP).unwrap();

    let begun = Instant::now();
    let info = home.vdomain(&["dominfo", "stuck"]).done().out;
    assert!(info.contains("State:          paused"), "{info}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let mut command = home.command(&["domstats", "stuck", "well"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "Domain: 'well'\n");
    kill_process(qemu, Signal::CONT).unwrap();
    said.read_to_string(&mut line).unwrap();
    assert!(line.contains("Domain: 'stuck'\n"), "{line}");
    assert!(child.wait().unwrap().success());
}
