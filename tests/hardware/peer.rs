//! A QEMU with libvirt's arguments.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use qmp::Client;
use sys::runtime::block_on;

use crate::common::{Home, QEMU};

/// How long QEMU and its TPM may take to listen, on a machine that does other things besides.
const LIMIT: Duration = Duration::from_secs(60);

/// A QEMU whose guest does not run yet.
pub(crate) struct Peer {
    /// Its monitor.
    pub(crate) qmp: Client,
    processes: Vec<Child>,
}

impl Peer {
    /// Starts it with arguments that stand one on each line.
    pub(crate) fn start(home: &Home, arguments: &str) -> Self {
        let mut processes = Vec::new();
        let tpm = home.path("tpm");
        if arguments.contains("-tpmdev emulator") {
            let state = home.path("tpm-state");
            std::fs::create_dir(&state).unwrap();
            let mut swtpm = Command::new("swtpm");
            swtpm.args(["socket", "--tpm2", "--tpmstate", &format!("dir={}", state.display())]);
            swtpm.args(["--ctrl", &format!("type=unixio,path={}", tpm.display())]);
            processes.push(swtpm.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            let began = Instant::now();
            while !tpm.exists() {
                assert!(began.elapsed() < LIMIT, "swtpm does not listen");
                thread::sleep(Duration::from_millis(10));
            }
        }
        let monitor = home.path("monitor");
        let mut qemu = Command::new(QEMU);
        for line in arguments.lines() {
            match line.split_once(' ') {
                Some((option, value)) => qemu.args([option, value]),
                None => qemu.arg(line),
            };
        }
        let chardev =
            format!("socket,id=charmonitor,path={},server=on,wait=off", monitor.display());
        qemu.args(["-chardev", &chardev, "-mon", "chardev=charmonitor,id=monitor,mode=control"]);
        // Nothing of this terminal, and no longer than this test.
        qemu.arg("-S").stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        processes.push(qemu.spawn().unwrap());
        let began = Instant::now();
        loop {
            // The socket has its name before it listens.
            if let Ok((qmp, _)) = block_on(Client::connect(&monitor, LIMIT)) {
                return Self { qmp, processes };
            }
            let ended = processes.last_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "QEMU does not take libvirt's arguments");
            assert!(began.elapsed() < LIMIT, "QEMU has no monitor");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            // It has ended already, or nobody needs it any more.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
