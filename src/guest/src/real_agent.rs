//! The client against the agent of this machine, which runs here as it would in a guest.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sys::runtime::block_on;

use crate::agent::{Agent, Error};

const AGENT: &str = "/usr/sbin/qemu-ga";
const SOON: Duration = Duration::from_secs(20);

/// An agent that goes with the test, however that ends.
struct Started {
    child: Child,
    directory: tempfile::TempDir,
}

impl Started {
    /// Nothing where there is no agent.
    fn new() -> Option<Self> {
        if !Path::new(AGENT).exists() {
            println!("not tested: there is no {AGENT}");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(AGENT);
        command.args(["-m", "unix-listen", "-p"]).arg(directory.path().join("agent"));
        command.arg("-t").arg(directory.path()).stderr(Stdio::null());
        // Nothing here may shut this machine down.
        command.args(["-b", "guest-shutdown,guest-suspend-disk,guest-suspend-ram"]);
        Some(Self { child: command.spawn().unwrap(), directory })
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("agent")
    }

    fn connect(&self) -> Agent {
        for _ in 0..200 {
            match block_on(Agent::open(&self.socket(), SOON)) {
                Err(Error::Io(_)) => thread::sleep(Duration::from_millis(50)),
                agent => return agent.unwrap(),
            }
        }
        panic!("it does not listen");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn the_agent_of_qemu_answers_one_client_after_the_other() {
    let Some(started) = Started::new() else { return };

    let mut first = started.connect();
    let name = block_on(first.execute("guest-get-host-name", &Value::Null)).unwrap();
    drop(first);
    let mut second = started.connect();
    let interfaces = block_on(second.execute("guest-network-get-interfaces", &Value::Null));
    let refused = block_on(second.execute("guest-file-close", &json!({ "handle": 7 })));
    let blocked = block_on(second.execute("guest-shutdown", &Value::Null));
    let ping = block_on(second.execute("guest-ping", &Value::Null));

    assert!(!name["host-name"].as_str().unwrap().is_empty());
    let told = crate::interfaces::told_by_agent(&interfaces.unwrap());
    assert!(told.iter().any(|address| address.interface == "lo"), "{told:?}");
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    assert!(matches!(blocked, Err(Error::Refused { .. })), "{blocked:?}");
    assert_eq!(ping.unwrap(), json!({}));
}
