//! Asking guests that run: all of them what they are, and one QEMU something, through its supervisor and
//! without.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::peers::{Vdomain, run};
use crate::{Times, compare};

const GUESTS: usize = 20;
const LISTS: usize = 50;
const QUESTIONS: usize = 5_000;

pub(super) fn measure(kind: &str) {
    let directory = tempfile::Builder::new().prefix("vdomain-bench-").tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let document = file("bench.xml");
    std::fs::write(&document, guest(kind, "bench")).unwrap();
    let vdomain = Vdomain::new(file("home"), &document);
    let names: Vec<String> = (0..GUESTS).map(|number| format!("guest{number}")).collect();
    for name in &names {
        std::fs::write(&document, guest(kind, name)).unwrap();
        run(vdomain.command(&["define"]).arg(&document));
    }
    run(vdomain.command(&["start", "--paused"]).args(&names));

    let list = Times {
        peer: "vdomain list",
        times: times(LISTS, || {
            let listed = run(&mut vdomain.command(&["list", "--name"]));
            assert_eq!(listed.lines().count(), GUESTS);
        }),
    };
    compare(&format!("{GUESTS} guests that run"), &[list]);

    let socket = file("monitor");
    let mut bare = Command::new("qemu-system-x86_64")
        .args(["-machine", "none", "-nodefaults", "-display", "none", "-S", "-qmp"])
        .arg(format!("unix:{},server=on,wait=off", socket.display()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut direct = Monitor::connect(&socket);
    let mut shared = Monitor::connect(&file("home/run/guest0/qmp"));
    let all = [
        Times { peer: "QEMU's own monitor", times: times(QUESTIONS, || direct.ask()) },
        Times { peer: "through the supervisor", times: times(QUESTIONS, || shared.ask()) },
    ];
    compare("query-status", &all);
    bare.kill().unwrap();
    bare.wait().unwrap();
    run(vdomain.command(&["destroy"]).args(&names));
}

fn times(rounds: usize, mut once: impl FnMut()) -> Vec<Duration> {
    let time = |()| {
        let began = Instant::now();
        once();
        began.elapsed()
    };
    std::iter::repeat_n((), rounds).map(time).collect()
}

/// A connection that speaks QEMU's protocol.
struct Monitor {
    asks: UnixStream,
    answers: BufReader<UnixStream>,
    line: String,
}

impl Monitor {
    fn connect(path: &Path) -> Self {
        let asks = loop {
            match UnixStream::connect(path) {
                Ok(socket) => break socket,
                // It comes up.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        };
        let answers = BufReader::new(asks.try_clone().unwrap());
        let mut monitor = Self { asks, answers, line: String::new() };
        monitor.hear();
        monitor.execute("qmp_capabilities");
        monitor
    }

    fn ask(&mut self) {
        self.execute("query-status");
        assert!(self.line.contains("prelaunch"), "{}", self.line);
    }

    fn execute(&mut self, command: &str) {
        writeln!(self.asks, "{{\"execute\":\"{command}\"}}").unwrap();
        self.hear();
    }

    fn hear(&mut self) {
        self.line.clear();
        self.answers.read_line(&mut self.line).unwrap();
    }
}

/// A guest with next to nothing in it.
fn guest(kind: &str, name: &str) -> String {
    format!(
        "<domain type='{kind}'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
  </os>
</domain>
"
    )
}
