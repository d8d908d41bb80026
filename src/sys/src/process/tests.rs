//! Tests of starting, watching and ending processes.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::RawFd;

use super::program::SignalsBlocked;
use super::*;
use crate::fd;

fn shell(script: &str, descriptors: Vec<(OwnedFd, RawFd)>) -> Program {
    let argv = ["/bin/sh", "-c", script].map(OsString::from).to_vec();
    Program { argv, descriptors, ..Program::default() }
}

/// Runs a script and returns what it wrote to standard output.
fn output(mut program: Program) -> String {
    let (mut reader, writer) = io::pipe().unwrap();
    program.descriptors.push((writer.into(), 1));
    let mut child = program.spawn().unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    text
}

#[test]
fn child_has_the_given_descriptors_and_no_others() {
    let (one, two) = fd::socketpair().unwrap();
    let _inheritable = rustix::io::dup(&one).unwrap();

    let listed = output(shell("exec ls /proc/self/fd", vec![(one, 10), (two, 4)]));

    // The directory that it lists is number 3.
    assert_eq!(listed, "0\n1\n10\n2\n3\n4\n");
}

#[test]
fn descriptors_may_swap_numbers() {
    let first = fd::memfd_of("first", b"1").unwrap();
    let second = fd::memfd_of("second", b"2").unwrap();
    let (to_first, to_second) = (second.as_raw_fd(), first.as_raw_fd());

    // Not `<&N`: the shell takes one digit there, and other tests have descriptors open, too.
    let script = format!("cat /proc/self/fd/{to_first} /proc/self/fd/{to_second}");
    let text = output(shell(&script, vec![(first, to_first), (second, to_second)]));

    assert_eq!(text, "12");
}

#[test]
fn a_number_given_twice_is_refused() {
    let (one, two) = fd::socketpair().unwrap();

    let error = shell("true", vec![(one, 10), (two, 10)]).spawn().unwrap_err();

    assert_eq!(error.to_string(), "descriptor 10 is given twice");
}

#[test]
fn environment_and_directory_are_the_given_ones_only() {
    let mut program = shell("pwd; env | grep -v -e ^PWD= -e ^SHLVL= -e ^_=", Vec::new());
    program.environment = vec![("LC_ALL".into(), "C".into())];
    program.directory = Some("/proc".into());

    assert_eq!(output(program), "/proc\nLC_ALL=C\n");
}

#[test]
fn a_missing_program_is_named_and_leaves_no_child() {
    let program = Program { argv: vec!["/no/such/qemu".into()], ..Program::default() };

    let error = program.spawn().unwrap_err();

    assert_eq!(error.to_string(), "cannot execute '/no/such/qemu': no such file or directory");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_failing_exec_writes_into_no_passed_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    std::fs::write(&path, "precious").unwrap();
    let descriptors = (3..64)
        .map(|number| (fd::open_file(&path, fd::Access::ReadWrite, false).unwrap(), number))
        .collect();

    let program = Program { argv: vec!["/no/such".into()], descriptors, ..Program::default() };

    assert!(program.spawn().is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_missing_directory_is_named() {
    let mut program = shell("true", Vec::new());
    program.directory = Some("/no/such".into());

    assert_eq!(
        program.spawn().unwrap_err().to_string(),
        "cannot change to the directory '/no/such': no such file or directory"
    );
}

#[test]
fn an_error_before_exec_is_reported() {
    let mut program = shell("true", Vec::new());
    program.before_exec = Some(Box::new(|| Err(io::Error::from_raw_os_error(libc::EACCES))));

    assert_eq!(
        program.spawn().unwrap_err().to_string(),
        "cannot confine '/bin/sh': permission denied"
    );
}

#[test]
fn a_child_ends_with_the_thread_that_started_it_if_it_should() {
    let start = || {
        let mut program = shell("exec sleep 1000", Vec::new());
        program.before_exec = Some(Box::new(end_with_parent));
        program.spawn().unwrap()
    };

    let mut child = std::thread::spawn(start).join().unwrap();

    assert!(child.wait_for_end(Duration::from_secs(20)).unwrap());
}

#[test]
fn child_starts_with_no_signal_blocked_or_ignored() {
    let _blocked = SignalsBlocked::new();

    let text = output(shell("grep -e ^SigBlk -e ^SigIgn /proc/$$/status | cut -f2", Vec::new()));

    // 32 and 33 belong to the C library, which lets nobody change them.
    let own = 0b11 << 31;
    let sets: Vec<u64> =
        text.lines().map(|set| u64::from_str_radix(set, 16).unwrap() & !own).collect();
    assert_eq!(sets, [0, 0]);
}

#[test]
fn own_session_has_no_terminal_to_lose() {
    let mut program = shell("cut -d' ' -f1,6 /proc/$$/stat", Vec::new());
    program.own_session = true;

    let text = output(program);

    let (pid, session) = text.trim().split_once(' ').unwrap();
    assert_eq!(pid, session);
}

#[test]
fn exit_status_and_signal_are_told_apart() {
    let mut exited = shell("exit 3", Vec::new()).spawn().unwrap();
    let mut killed = shell("kill -9 $$", Vec::new()).spawn().unwrap();

    assert_eq!(exited.wait().unwrap().code(), Some(3));
    assert_eq!(killed.wait().unwrap().signal(), Some(9));
    assert_eq!(killed.try_wait().unwrap().unwrap().signal(), Some(9));
}

#[test]
fn a_process_is_found_again_until_it_ends() {
    let (reader, mut writer) = io::pipe().unwrap();
    let mut child = shell("read line", vec![(reader.into(), 0)]).spawn().unwrap();
    let identity = child.process().identity().unwrap();

    assert!(child.try_wait().unwrap().is_none());
    assert_eq!(Process::find(identity).unwrap().unwrap().pid(), identity.pid);
    let other = Identity { start_time: identity.start_time + 1, ..identity };
    assert!(Process::find(other).unwrap().is_none());

    writer.write_all(b"go\n").unwrap();
    child.wait().unwrap();
    assert!(Process::find(identity).unwrap().is_none());
    child.process().kill(Signal::KILL).unwrap();
}

#[test]
fn the_peer_of_a_socket_pair_is_ourselves() {
    let (one, _other) = fd::socketpair().unwrap();

    let peer = peer(&one).unwrap();

    assert_eq!(peer.pid, std::process::id());
    assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
}

#[test]
fn when_a_process_started_is_known() {
    let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let argv = ["/bin/sh", "-c", "read line"].map(Into::into).to_vec();
    let before = now();
    let mut child = Program { argv, ..Program::default() }.spawn().unwrap();

    let started = child.process().identity().unwrap().started().unwrap();

    // The kernel rounds when the machine was booted to a second.
    assert!((before - 2..=now() + 2).contains(&started), "{started}");
    child.wait().unwrap();
}

#[test]
fn a_process_is_found_by_where_it_writes() {
    let directory = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(directory.path().join("log")).unwrap();
    let (reader, _writer) = io::pipe().unwrap();
    let argv = ["/bin/sh", "-c", "read line"].map(Into::into).to_vec();
    let descriptors = vec![(reader.into(), 0), (log.into(), 2)];
    let mut child = Program { argv, descriptors, ..Program::default() }.spawn().unwrap();

    let found = writing_below(directory.path()).unwrap();
    let elsewhere = writing_below(tempfile::tempdir().unwrap().path()).unwrap();

    assert_eq!(found.iter().map(Process::pid).collect::<Vec<_>>(), [child.process().pid()]);
    assert!(found[0].is_child().unwrap());
    assert!(elsewhere.is_empty());
    child.process().kill(Signal::KILL).unwrap();
    child.wait().unwrap();
}
