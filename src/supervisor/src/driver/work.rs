//! What takes time: one piece after the other, while everything else goes on.

use std::fs::OpenOptions;
use std::future::Future;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use store::RunDirectory;
use sys::runtime;

use crate::control::Asked;
use crate::state::Reason;

/// How long somebody may take to read what the guest said last.
const CONSOLE_LIMIT: Duration = Duration::from_secs(1);
/// How often to look whether it was read.
const CONSOLE_PAUSE: Duration = Duration::from_millis(5);

/// A piece of work that is under way.
pub(super) struct Work {
    /// Why the state will change, where this changes it.
    pub(super) cause: Option<Reason>,
    /// What comes of it.
    pub(super) outcome: Outcome,
    /// What is to be done with that.
    pub(super) then: Then,
}

impl Work {
    /// Work that changes no state, and that nobody waits for.
    pub(super) fn new(outcome: Outcome) -> Self {
        Self { cause: None, outcome, then: Then::Nothing }
    }

    /// What is to be done when it is through.
    pub(super) fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    /// Why the state changes by it.
    pub(super) fn because(self, cause: Reason) -> Self {
        Self { cause: Some(cause), ..self }
    }
}

/// What will have come of some work. Dropping it does not take back what QEMU was told.
pub(super) type Outcome = Pin<Box<dyn Future<Output = Result<Value, qmp::Error>> + Send>>;

/// What is to be done when work is through.
#[derive(Debug)]
pub(super) enum Then {
    /// Nothing.
    Nothing,
    /// Somebody is told that it is done, or why not.
    Tell(Asked),
    /// Somebody is told what QEMU says of its state.
    TellStatus(Asked),
    /// The state is what QEMU says.
    TakeState,
    /// QEMU dumps the guest's memory, or will not.
    Dumped,
    /// The guest ends.
    End,
}

/// Has QEMU carry out commands, each after the one before it is done.
pub(super) fn commands(client: &qmp::Client, commands: Vec<(&'static str, Value)>) -> Outcome {
    let client = client.clone();
    Box::pin(async move {
        let mut last = Value::Null;
        for (execute, arguments) in commands {
            last = client.execute(execute, &arguments).await?;
        }
        Ok(last)
    })
}

/// Has QEMU carry out one command without arguments.
pub(super) fn command(client: &qmp::Client, execute: &'static str) -> Outcome {
    commands(client, vec![(execute, Value::Null)])
}

/// Waits until whoever reads the guest's consoles has read what it said last: when QEMU ends, the
/// kernel throws away what is still on its way through a pseudoterminal.
pub(super) fn consoles_read(consoles: &[Option<PathBuf>]) -> Outcome {
    let consoles: Vec<PathBuf> = consoles.iter().flatten().cloned().collect();
    let waits = |terminal: &PathBuf| sys::terminal::unread(terminal).is_ok_and(|left| left > 0);
    Box::pin(async move {
        let read = async {
            // Twice in a row, since the kernel passes on a moment later what QEMU has written.
            let mut seen_empty = 0;
            while seen_empty < 2 {
                let unread = consoles.iter().any(waits);
                seen_empty = if unread { 0 } else { seen_empty + 1 };
                runtime::sleep(CONSOLE_PAUSE).await;
            }
        };
        runtime::within(CONSOLE_LIMIT, read).await;
        Ok(Value::Null)
    })
}

/// Has QEMU write the guest's memory into a new file. QEMU says `DUMP_COMPLETED` when it has.
pub(super) fn dump(client: &qmp::Client, run: &RunDirectory) -> Outcome {
    let (client, path) = (client.clone(), dump_path(run));
    Box::pin(async move {
        let refused = |error: std::io::Error| qmp::Error::Protocol {
            problem: format!("cannot dump to '{}': {}", path.display(), sys::reason(&error)),
        };
        let directory = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(directory).map_err(refused)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let name = json!({ "fdname": "dump" });
        client.execute_with_fd("getfd", &name, file.map_err(refused)?.into()).await?;
        let arguments = json!({ "paging": false, "protocol": "fd:dump", "detach": true });
        client.execute("dump-guest-memory", &arguments).await
    })
}

fn dump_path(run: &RunDirectory) -> PathBuf {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    run.dumps().join(format!("{}-{now}.core", run.name()))
}
