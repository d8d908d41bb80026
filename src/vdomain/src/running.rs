//! A guest that runs, and a connection to its QEMU.

use conf::Domain;
use guest::agent::Agent;
use guest::statistics::Running;
use qmp::{Client, Events};
use serde_json::Value;
use store::Name;
use sys::runtime::block_on;

use crate::domains;
use crate::environment::Environment;
use crate::failure::Failure;

/// A guest that runs, and a connection to its QEMU, which others share without noticing.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Its name.
    pub(crate) name: Name,
    /// QEMU's process number.
    pub(crate) process: u32,
    /// The document that it runs with.
    pub(crate) domain: Domain,
    /// The connection to QEMU.
    pub(crate) qemu: Client,
    /// What happens from the connection on.
    pub(crate) events: Events,
}

impl Guest {
    /// Connects to a guest's QEMU.
    pub(crate) fn connect(name: &Name, environment: &Environment) -> Result<Self, Failure> {
        let run = environment.directories.run_of(name)?;
        let connected = crate::command::ask(&run, |mut client| {
            let process = client.describe()?.pid;
            Ok((process, client.qmp()?))
        });
        let (process, (qemu, events)) =
            connected.map_err(|error| crate::command::refused(name, error))?;
        let domain = domains::model(name, false, environment)?;
        Ok(Self { name: name.clone(), process, domain, qemu, events })
    }

    /// Has QEMU do something. `arguments` is an object, or `null`.
    pub(crate) fn execute(&self, command: &str, arguments: &Value) -> Result<Value, Failure> {
        Ok(block_on(self.qemu.execute(command, arguments))?)
    }

    /// Connects to the agent in it.
    pub(crate) fn agent(&self) -> Result<Agent, Failure> {
        Ok(block_on(Agent::connect(&self.qemu, &self.domain))?)
    }

    /// It, as statistics see it.
    pub(crate) fn seen(&self) -> Running<'_> {
        Running { qemu: &self.qemu, process: self.process, domain: &self.domain }
    }
}
