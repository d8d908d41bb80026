//! What the tests of the program share: a home of its own for it, and running it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long one command may take, on a machine that does other things besides.
const LIMIT: Duration = Duration::from_secs(120);

/// The emulator that documents without `<emulator>` get on x86.
pub(crate) const QEMU: &str = "/usr/bin/qemu-system-x86_64";

/// A directory of documents and images, in which `home` is the program's own.
#[derive(Debug)]
pub(crate) struct Home {
    directory: tempfile::TempDir,
    /// Where programs are found before those in `PATH`.
    pub(crate) programs: Option<PathBuf>,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code; negative is the signal that ended it.
    pub(crate) code: i32,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
}

impl Home {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("vdomain-").tempdir().unwrap();
        Self { directory, programs: None }
    }

    /// An empty one where there is a QEMU; else a line that says what is missing.
    pub(crate) fn with_qemu() -> Option<Self> {
        if Path::new(QEMU).exists() {
            return Some(Self::new());
        }
        not_installed(&format!("there is no {QEMU}"));
        None
    }

    /// A path in it.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The program, to be run in the directory, so that it names documents as a user would.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vdomain"));
        command.args(arguments);
        self.inside(&mut command);
        command
    }

    /// Runs the program.
    pub(crate) fn vdomain(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    /// Defines a domain from a document and says what was said.
    #[track_caller]
    pub(crate) fn define(&self, document: &str) -> Ran {
        self.write("guest.xml", document);
        self.vdomain(&["define", "guest.xml"]).done()
    }

    /// Ends all guests.
    pub(crate) fn destroy_all(&self) {
        for name in self.vdomain(&["list", "--name"]).out.lines() {
            self.vdomain(&["destroy", name]);
        }
    }

    /// Lets a command run in the directory, with the program's home there.
    pub(crate) fn inside(&self, command: &mut Command) {
        command.current_dir(self.directory.path()).env("VDOMAIN_HOME", self.path("home"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = self.programs.iter().cloned().chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).unwrap());
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.destroy_all();
    }
}

impl Ran {
    /// It did what was asked.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }

    /// It ended with this code; what it said.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self.err
    }
}

/// Says in one line what is not tested and why: past the test harness, which shows only what a
/// failed test printed.
pub(crate) fn not_tested(reason: &str) {
    io::stderr().write_all(format!("not tested: {reason}\n").as_bytes()).unwrap();
}

/// The same for what `scripts/install tests` installs: after that, nothing of it may be missing.
#[track_caller]
pub(crate) fn not_installed(what: &str) {
    let required = std::env::var_os("VDOMAIN_TESTS_INSTALLED").is_some();
    assert!(!required, "{what}, though scripts/install has run");
    not_tested(what);
}

/// Runs a command to its end, which must come in time.
#[track_caller]
pub(crate) fn run(mut command: Command) -> Ran {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let (end, ended) = mpsc::channel();
    thread::spawn(move || end.send(child.wait_with_output()));
    match ended.recv_timeout(LIMIT) {
        Ok(output) => understand(output.unwrap()),
        Err(_) => panic!("no end within {LIMIT:?}, or its output is held open: {command:?}"),
    }
}

fn understand(output: Output) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    let signal = || -output.status.signal().unwrap_or(0);
    Ran {
        code: output.status.code().unwrap_or_else(signal),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
