//! The ways to start one and the same guest.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A way to start a guest.
pub(crate) trait Peer {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Starts the guest; the time until it runs.
    fn start(&mut self) -> Duration;

    /// Ends the guest.
    fn end(&mut self);
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `vdomain`, with a home of its own.
#[derive(Debug)]
pub(crate) struct Vdomain {
    home: PathBuf,
}

impl Vdomain {
    /// Defines the guest.
    pub(crate) fn new(home: PathBuf, document: &Path) -> Self {
        let vdomain = Self { home };
        run(vdomain.command(&["define"]).arg(document));
        vdomain
    }

    /// What it would do to start the guest.
    pub(crate) fn plan(&self) -> Value {
        serde_json::from_str(&run(&mut self.command(&["plan", "--json", "bench"]))).unwrap()
    }

    /// Lines of `/proc/PID/status` that tell how much memory the supervisor of the guest takes.
    pub(crate) fn supervisor_memory(&self) -> Vec<String> {
        // One that answers has done what it does after a start.
        run(&mut self.command(&["domstate", "bench"]));
        let program = fs::canonicalize(env!("CARGO_BIN_EXE_vdomain")).unwrap();
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let mut supervisors = processes
            .filter(|process| fs::read_link(process.join("exe")).is_ok_and(|exe| exe == program));
        let status = fs::read_to_string(supervisors.next().unwrap().join("status")).unwrap();
        let told = ["VmRSS:", "RssAnon:", "RssFile:", "Threads:"];
        status
            .lines()
            .filter(|line| told.iter().any(|key| line.starts_with(key)))
            .map(str::to_owned)
            .collect()
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vdomain"));
        command.args(arguments).env("VDOMAIN_HOME", &self.home);
        command
    }
}

impl Peer for Vdomain {
    fn name(&self) -> &'static str {
        "vdomain start"
    }

    fn start(&mut self) -> Duration {
        let began = Instant::now();
        run(&mut self.command(&["start", "bench"]));
        began.elapsed()
    }

    fn end(&mut self) {
        run(&mut self.command(&["destroy", "bench"]));
    }
}

/// QEMU with everything on its command line.
#[derive(Debug)]
pub(crate) struct Bare {
    argv: Vec<String>,
    running: Option<Child>,
}

impl Bare {
    /// The same guest as a plan of `vdomain` makes, with every device, backend and file on the
    /// command line.
    pub(crate) fn new(plan: &Value, channel: &Path) -> Self {
        let words =
            |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
        let log = format!("logfile={}", channel.with_file_name("console.log").display());
        let mut argv = Vec::new();
        let mut planned = words(&plan["argv"]).into_iter();
        while let Some(argument) = planned.next() {
            match argument.as_str() {
                "-S" => {}
                // A console's log, which is named instead.
                "-add-fd" => drop(planned.next()),
                monitor if monitor.starts_with("socket,id=charmonitor") => {
                    argv.push("stdio,id=charmonitor".to_owned());
                }
                console if console.contains("logfile=/dev/fdset/") => {
                    let fields = console.split(',');
                    let is_log = |field: &str| field.starts_with("logfile=");
                    let named = fields.map(|field| if is_log(field) { &log } else { field });
                    argv.push(named.collect::<Vec<&str>>().join(","));
                }
                _ => argv.push(argument),
            }
        }
        let source_of = |set: &Value| {
            let mut files = plan["fds"].as_array().unwrap().iter();
            files.find(|file| file["fdset"] == *set).unwrap()["source"].clone()
        };
        for command in plan["qmp"].as_array().unwrap() {
            let mut arguments = command["arguments"].clone();
            if let Some(name) = arguments.get_mut("filename")
                && let Some(set) = name.as_str().unwrap().strip_prefix("/dev/fdset/")
            {
                *name = source_of(&set.parse::<u64>().unwrap().into());
            }
            let option = match command["execute"].as_str().unwrap() {
                "device_add" => "-device",
                "blockdev-add" => "-blockdev",
                "netdev_add" => "-netdev",
                "object-add" => "-object",
                "chardev-add" => {
                    let id = arguments["id"].as_str().unwrap();
                    let path = channel.display();
                    argv.push("-chardev".to_owned());
                    argv.push(format!("socket,id={id},path={path},server=on,wait=off"));
                    continue;
                }
                _ => continue,
            };
            argv.extend([option.to_owned(), arguments.to_string()]);
        }
        Self { argv, running: None }
    }
}

impl Peer for Bare {
    fn name(&self) -> &'static str {
        "bare QEMU, all cold"
    }

    fn start(&mut self) -> Duration {
        let began = Instant::now();
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut qemu = command.stderr(Stdio::null()).spawn().unwrap();
        let ask = b"{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-status\"}";
        qemu.stdin.as_mut().unwrap().write_all(ask).unwrap();
        let answers = BufReader::new(qemu.stdout.as_mut().unwrap()).lines();
        let runs = answers.map(Result::unwrap).any(|line| line.contains("\"status\": \"running\""));
        let taken = began.elapsed();
        self.running = Some(qemu);
        assert!(runs, "QEMU ended: {:?}", self.argv);
        taken
    }

    fn end(&mut self) {
        let mut qemu = self.running.take().unwrap();
        qemu.kill().unwrap();
        qemu.wait().unwrap();
    }
}

/// libvirt's daemon of this user.
#[derive(Debug)]
pub(crate) struct Virsh(());

impl Virsh {
    /// Defines the guest, where there is a libvirt.
    pub(crate) fn new(document: &Path) -> Option<Self> {
        let defined = Self::command("define").arg(document).output();
        defined.is_ok_and(|output| output.status.success()).then_some(Self(()))
    }

    fn command(verb: &str) -> Command {
        let mut command = Command::new("virsh");
        command.args(["--connect", "qemu:///session", verb]);
        command
    }
}

impl Peer for Virsh {
    fn name(&self) -> &'static str {
        "virsh start"
    }

    fn start(&mut self) -> Duration {
        let began = Instant::now();
        run(Self::command("start").arg("bench"));
        began.elapsed()
    }

    fn end(&mut self) {
        run(Self::command("destroy").arg("bench"));
    }
}

impl Drop for Virsh {
    fn drop(&mut self) {
        let _ = Self::command("undefine").arg("bench").output();
    }
}
