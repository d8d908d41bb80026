//! A guest that runs, with `vdomain start --console` or `vdomain console` attached to it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::Home;

/// How long a guest may take to say something, on a machine that does other things besides.
const LIMIT: Duration = Duration::from_secs(240);

/// What `vdomain` passes on from a guest's console.
#[derive(Debug)]
pub(crate) struct Console<'a> {
    home: &'a Home,
    name: String,
    program: Child,
    keys: ChildStdin,
    lines: Receiver<String>,
    said: String,
}

impl<'a> Console<'a> {
    /// Starts a guest and connects to its console.
    pub(crate) fn start(home: &'a Home, name: &str) -> Self {
        Self::of(home, name, &["start", name, "--console"])
    }

    /// Starts a guest with further options, and connects to its console.
    pub(crate) fn started_with(home: &'a Home, name: &str, options: &[&str]) -> Self {
        Self::of(home, name, &[&["start", name, "--console"], options].concat())
    }

    /// Connects to the console of a guest that runs.
    pub(crate) fn attach(home: &'a Home, name: &str) -> Self {
        Self::of(home, name, &["console", name])
    }

    /// Shows the console of a guest that runs, and types nothing.
    pub(crate) fn read_only(home: &'a Home, name: &str) -> Self {
        Self::of(home, name, &["console", name, "--read-only"])
    }

    /// Runs a guest that is not defined, for a service manager that listens at an address.
    pub(crate) fn run_file(home: &'a Home, name: &str, file: &str, manager: &Path) -> Self {
        let mut command = home.command(&["run", file]);
        command.env("NOTIFY_SOCKET", manager);
        Self::by(home, name, command)
    }

    fn of(home: &'a Home, name: &str, arguments: &[&str]) -> Self {
        Self::by(home, name, home.command(arguments))
    }

    fn by(home: &'a Home, name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let keys = program.stdin.take().unwrap();
        let mut console = BufReader::new(program.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut line = Vec::new();
            while console.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self { home, name: name.to_owned(), program, keys, lines, said: String::new() }
    }

    /// Waits for a line with `text` in it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        match self.next_with(text) {
            Ok(line) => line,
            Err(why) => self.complain(&format!("no '{text}': {why:?}")),
        }
    }

    /// Waits for the end of the guest's script; what the script printed.
    #[track_caller]
    pub(crate) fn script(&mut self) -> String {
        let end = self.wait_for("guest: done ");
        let printed: String = self
            .said
            .lines()
            .filter_map(|line| line.split_once("guest| "))
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        assert!(end.ends_with("done 0"), "{end}\n{printed}");
        printed
    }

    /// Waits until the guest is gone, and the program with it.
    #[track_caller]
    pub(crate) fn end(&mut self) {
        // Nothing ends a guest's line in this text.
        if let Err(RecvTimeoutError::Timeout) = self.next_with("\n") {
            self.complain("the guest does not end");
        }
        let status = self.program.wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.transcript());
        assert!(!self.run_directory().exists(), "something is left of the guest");
    }

    /// Waits for the end of the script and of the guest; what the script printed.
    #[track_caller]
    pub(crate) fn run(mut self) -> String {
        let printed = self.script();
        self.end();
        printed
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) {
        self.keys.write_all(format!("{line}\r").as_bytes()).unwrap();
    }

    /// Presses keys.
    pub(crate) fn keys(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.program.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Leaves the console; the program ends and the guest does not.
    #[track_caller]
    pub(crate) fn leave(mut self) {
        self.keys.write_all(b"\x1d").unwrap();
        let status = self.program.wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.transcript());
    }

    /// The directory that is there as long as the guest.
    pub(crate) fn run_directory(&self) -> PathBuf {
        run_directory(self.home, &self.name)
    }

    fn next_with(&mut self, text: &str) -> Result<String, RecvTimeoutError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let line =
                self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(text) {
                return Ok(line);
            }
        }
    }

    #[track_caller]
    fn complain(&mut self, what: &str) -> ! {
        let log = fs::read_to_string(self.run_directory().join("qemu.log")).unwrap_or_default();
        self.program.kill().unwrap();
        panic!("{what}\n{}\n-- qemu.log\n{log}", self.transcript());
    }

    fn transcript(&mut self) -> String {
        let mut said = String::new();
        if let Some(mut errors) = self.program.stderr.take() {
            // What cannot be read is not missed in a complaint about something else.
            let _ = std::io::Read::read_to_string(&mut errors, &mut said);
        }
        format!("-- standard error\n{said}-- console\n{}", self.said)
    }
}

impl Drop for Console<'_> {
    fn drop(&mut self) {
        // It has ended already, or nobody needs it any more.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// The run-time directory of a guest.
pub(crate) fn run_directory(home: &Home, name: &str) -> PathBuf {
    home.path("home/run").join(name)
}

/// The state of a guest, in virsh's words.
#[track_caller]
pub(crate) fn state(home: &Home, name: &str) -> String {
    home.vdomain(&["domstate", name]).done().out.trim_end().to_owned()
}

/// What a guest's supervisor says of it on its control socket.
#[track_caller]
pub(crate) fn describe(home: &Home, name: &str) -> Value {
    let mut socket = UnixStream::connect(run_directory(home, name).join("control")).unwrap();
    socket.write_all(b"{\"method\":\"org.vdomain.Domain.Describe\"}\0").unwrap();
    let mut reply = Vec::new();
    BufReader::new(socket).read_until(0, &mut reply).unwrap();
    let mut reply: Value = serde_json::from_slice(&reply[..reply.len() - 1]).unwrap();
    reply["parameters"]["description"].take()
}

/// The number of a guest's QEMU, as `list` shows it.
#[track_caller]
pub(crate) fn qemu(home: &Home, name: &str) -> u32 {
    let list: Value = serde_json::from_str(&home.vdomain(&["list", "--json"]).done().out).unwrap();
    let guests = list.as_array().unwrap();
    let guest = guests.iter().find(|guest| guest["name"] == name);
    guest.unwrap_or_else(|| panic!("{list}"))["id"].as_u64().unwrap() as u32
}

/// Whether a process is there, other than as a corpse that nobody buried yet.
pub(crate) fn is_alive(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with(['Z', 'X']))
    })
}

/// The process that started another.
pub(crate) fn parent(process: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let behind = stat.rsplit(") ").next().unwrap();
    behind.split(' ').nth(1).unwrap().parse().unwrap()
}
