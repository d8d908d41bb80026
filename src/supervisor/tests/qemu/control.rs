//! The control socket, over which a guest is asked and QEMU is shared.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use pretty_assertions::assert_eq;
use qmp::Notice;
use serde_json::{Value, json};
use store::RunDirectory;
use supervisor::launch::{NoFaults, launch};
use supervisor::{Client, driver};
use sys::runtime::{block_on, within};
use tempfile::TempDir;

use crate::machine::{qemu_binary, request};

/// Longer than anything takes.
const LIMIT: Duration = Duration::from_secs(20);

/// A guest that a supervisor watches over.
pub(crate) struct Watched {
    home: TempDir,
    pub(crate) run: RunDirectory,
    watcher: JoinHandle<()>,
}

impl Watched {
    pub(crate) fn start(name: &str) -> Option<Self> {
        let binary = qemu_binary()?;
        let home = tempfile::tempdir().unwrap();
        let request = request(&binary, home.path(), name);
        let run = request.run_directory().unwrap();
        let guest = block_on(launch(request, &NoFaults)).unwrap();
        let watcher = thread::spawn(|| block_on(driver::watch(guest)));
        Some(Self { home, run, watcher })
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.run).unwrap()
    }

    /// Ends the guest.
    pub(crate) fn destroy(self) {
        self.client().call("Destroy", json!({})).unwrap();
        self.watcher.join().unwrap();
        assert!(!self.run.path().exists());
        drop(self.home);
    }
}

#[test]
fn any_number_of_clients_talk_to_qemu_beside_each_other() {
    let Some(guest) = Watched::start("shared") else { return };
    let mut others: Vec<_> = (0..3).map(|_| guest.client().qmp().unwrap()).collect();

    block_on(async {
        for (client, _) in &others {
            let status = client.execute("query-status", &Value::Null).await.unwrap();
            assert_eq!(status["status"], "prelaunch");
        }
        let first = others[0].0.clone();
        first.execute("cont", &Value::Null).await.unwrap();
        for (_, events) in &mut others {
            let wanted = events.find(|event| event.name == "RESUME");
            assert!(matches!(within(LIMIT, wanted).await, Some(Some(Notice::Event(_)))));
        }
        let refused = first.execute("no-such-command", &Value::Null).await.unwrap_err();
        assert_eq!(refused.class(), Some(&qmp::ErrorClass::CommandNotFound));
    });
    assert_eq!(guest.client().state().unwrap().0, "running");
    others.truncate(1);

    guest.destroy();
    let (client, _) = &others[0];
    assert!(block_on(client.execute("query-status", &Value::Null)).is_err());
}

#[test]
fn a_supervisor_says_everything_it_knows() {
    let Some(guest) = Watched::start("described") else { return };

    let said = guest.client().describe().unwrap();

    assert_eq!((said.name.as_str(), said.state.as_str()), ("described", "paused"));
    assert_eq!(said.supervisor.pid, std::process::id());
    assert!(!said.supervisor.adopted);
    assert_eq!(said.consoles.len(), 1);
    assert_eq!(said.helpers.keys().collect::<Vec<_>>(), ["fs0-virtiofsd"]);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!((now - 60..=now + 2).contains(&said.started), "{}", said.started);
    guest.destroy();
}
