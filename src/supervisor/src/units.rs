//! Units of systemd for a guest, so that neither the end of the session in which it was started nor
//! the death of its supervisor touches it.
//!
//! ```text
//! vdomain-NAME.scope              QEMU and its helpers
//! vdomain-supervisor-NAME.scope   the supervisor; its end starts:
//! vdomain-supervisor-NAME.service another one, which takes over; started again if it is killed
//! ```
//!
//! It is done beside the start, which does not wait for it, and a guest runs without it. Processes
//! that run already can be put into scopes only, and only services are started again: so the
//! supervisor that has QEMU for a child is in a scope, and those after it are a service.
//!
//! systemd: `StartTransientUnit` and `AttachProcessesToUnit` in `org.freedesktop.systemd1(5)`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use store::{Autostart, RunDirectory};
use sys::process::Program;
use sys::runtime;

/// How often supervisors may be killed within ten seconds before systemd starts none any more; the
/// next command does then.
const BURST: &str = "20";

/// How systemd is asked for units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// systemd's `busctl`.
    pub busctl: PathBuf,
    /// This program, where systemd finds it.
    pub program: PathBuf,
    /// The run-time directory of the user whose service manager is asked. Absent: the system's is.
    pub user: Option<PathBuf>,
}

impl Units {
    /// Puts a guest's processes into units of its own, as far as they are not in them already.
    ///
    /// # Errors
    /// What busctl said.
    ///
    /// # Cancel safety
    /// Dropped while waiting, systemd may do it all the same.
    pub(crate) async fn keep(&self, run: &RunDirectory, guest: &[u32]) -> Result<(), String> {
        let scope = scope(run);
        let of_machined = format!("machine-{}.scope", run.name().in_unit());
        if guest.iter().any(|process| !is_in(*process, &[&scope, &of_machined])) {
            self.start_scope(run, &scope, &of_guest(run), guest, &[]).await?;
        }
        let (scope, service) = (supervisor(run, "scope"), supervisor(run, "service"));
        let this = std::process::id();
        if is_in(this, &[&scope, &service]) {
            return Ok(());
        }
        let description = format!("Supervisor of guest {} of vdomain", run.name());
        let another = self.another(run, &service, &description);
        self.start_scope(run, &scope, &description, &[this], &another).await
    }

    /// Puts this process into the scope of its guest, which is ours to divide, before anything of the guest
    /// is started; the name of the scope.
    ///
    /// # Errors
    /// What busctl said.
    ///
    /// # Cancel safety
    /// Dropped while waiting, systemd may do it all the same.
    pub(crate) async fn divide(&self, run: &RunDirectory, slice: &str) -> Result<String, String> {
        let scope = scope(run);
        let further = words(&["Delegate", "b", "true", "Slice", "s", slice]);
        self.transient(run, &scope, &of_guest(run), &[std::process::id()], &further, &[]).await?;
        Ok(scope)
    }

    /// Puts further processes of a guest beside its QEMU.
    ///
    /// # Errors
    /// What busctl said.
    ///
    /// # Cancel safety
    /// Dropped while waiting, systemd may do it all the same.
    pub(crate) async fn attach(&self, run: &RunDirectory, processes: &[u32]) -> Result<(), String> {
        let mut arguments = words(&["AttachProcessesToUnit", "ssau", &scope(run), "/"]);
        arguments.extend(numbers(processes));
        self.call(arguments).await
    }

    /// A scope of processes. With `another`, its end starts that unit.
    async fn start_scope(
        &self,
        run: &RunDirectory,
        name: &str,
        description: &str,
        processes: &[u32],
        another: &[String],
    ) -> Result<(), String> {
        self.transient(run, name, description, processes, &[], another).await
    }

    /// The same with two further properties.
    async fn transient(
        &self,
        run: &RunDirectory,
        name: &str,
        description: &str,
        processes: &[u32],
        further: &[String],
        another: &[String],
    ) -> Result<(), String> {
        let mut arguments = words(&["StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail"]);
        let properties = 4 + further.len() / 3 + usize::from(!another.is_empty());
        arguments.extend([properties.to_string(), "PIDs".to_owned(), "au".to_owned()]);
        arguments.extend(numbers(processes));
        arguments.extend(words(&["Description", "s", description]));
        arguments.extend(words(&["CollectMode", "s", "inactive-or-failed"]));
        // When the host shuts down, a guest that was started with it is asked to shut down before.
        arguments.extend(words(&["Before", "as", "1", &Autostart::unit_of(run.name())]));
        arguments.extend_from_slice(further);
        match another.first() {
            None => arguments.push("0".to_owned()),
            Some(service) => {
                arguments.extend(words(&["OnSuccess", "as", "1", service, "1"]));
                arguments.extend_from_slice(another);
            }
        }
        self.call(arguments).await
    }

    /// The unit that takes a guest over, and is started again if it is killed.
    fn another(&self, run: &RunDirectory, service: &str, description: &str) -> Vec<String> {
        let (program, name) = (self.program.to_string_lossy(), run.name().as_str());
        let guests = run.path().parent().unwrap_or(run.path()).to_string_lossy();
        let state = run.state().to_string_lossy();
        [
            &[service, "7", "Description", "s", description][..],
            &["ExecStart", "a(sasb)", "1", &program, "5"],
            &[&program, "supervise", name, &guests, &state, "false"],
            &["Restart", "s", "on-failure", "StartLimitBurst", "u", BURST],
            // Helpers of devices that came later are the guest's.
            &["KillMode", "s", "process"],
            &["CollectMode", "s", "inactive-or-failed"],
            &["Before", "as", "1", &Autostart::unit_of(run.name())],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }

    /// Has systemd do something.
    async fn call(&self, arguments: Vec<String>) -> Result<(), String> {
        self.run(arguments).await.unwrap_or_else(|error| Err(sys::reason(&error)))
    }

    async fn run(&self, arguments: Vec<String>) -> io::Result<Result<(), String>> {
        let manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1"];
        let call = ["busctl", if self.user.is_some() { "--user" } else { "--system" }, "call"];
        let (said, says) = io::pipe()?;
        let mut busctl = Program {
            argv: (call.iter().chain(&manager).chain(&["org.freedesktop.systemd1.Manager"]))
                .map(OsString::from)
                .chain(arguments.into_iter().map(OsString::from))
                .collect(),
            executable: Some(self.busctl.clone()),
            environment: (self.user.iter())
                .map(|user| ("XDG_RUNTIME_DIR".into(), user.clone().into_os_string()))
                .collect(),
            directory: Some("/".into()),
            descriptors: vec![(says.into(), 2)],
            own_session: true,
            ..Program::default()
        }
        .spawn()?;
        runtime::exited(busctl.process()).await?;
        if busctl.wait()?.success() {
            return Ok(Ok(()));
        }
        // It has ended, so there is an end, and what it says is short.
        let mut text = String::new();
        File::from(std::os::fd::OwnedFd::from(said)).read_to_string(&mut text)?;
        Ok(Err(text.trim_end().to_owned()))
    }
}

/// The unit of QEMU and its helpers.
fn scope(run: &RunDirectory) -> String {
    format!("vdomain-{}.scope", run.name().in_unit())
}

/// A unit of the supervisor.
fn supervisor(run: &RunDirectory, kind: &str) -> String {
    format!("vdomain-supervisor-{}.{kind}", run.name().in_unit())
}

/// What is said of that unit.
fn of_guest(run: &RunDirectory) -> String {
    format!("Guest {} of vdomain", run.name())
}

/// Whether a process is in one of these units.
fn is_in(process: u32, units: &[&str]) -> bool {
    let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    let mut names = groups.split(['/', '\n']);
    names.any(|name| units.contains(&name))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A list of numbers in the words of busctl.
fn numbers(numbers: &[u32]) -> impl Iterator<Item = String> {
    std::iter::once(numbers.len().to_string()).chain(numbers.iter().map(u32::to_string))
}
