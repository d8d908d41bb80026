//! Asking a supervisor, from the command line.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use store::RunDirectory;
use sys::runtime::{self, Socket};

use crate::change::Order;
use crate::description::{Console, Description};
use crate::varlink::{Call, Connection, Reply};

/// How long a supervisor may take to reply, unless QEMU has to do something that takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// Why a supervisor did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody supervises the guest: it does not run.
    #[error("the guest does not run")]
    NotRunning,
    /// The supervisor ended before it replied.
    #[error("its supervisor has ended; what became of it is not known")]
    Died,
    /// The guest is not in a state in which this can be done.
    #[error("the guest is {0}")]
    WrongState(String),
    /// QEMU refused.
    #[error("{0}")]
    Refused(String),
    /// The guest has changed since the change was decided on.
    #[error("the guest has changed meanwhile")]
    Changed,
    /// No reply came in time.
    #[error("its supervisor did not reply within {LIMIT:?}; what became of it is not known")]
    TimedOut,
    /// The connection failed.
    #[error("cannot talk to its supervisor: {}", sys::reason(.0))]
    Io(#[from] io::Error),
}

/// A connection to a supervisor.
#[derive(Debug)]
pub struct Client(Connection);

impl Client {
    /// Connects to the supervisor of a guest.
    ///
    /// # Errors
    /// [`AskError::NotRunning`] if there is none.
    pub fn connect(run: &RunDirectory) -> Result<Self, AskError> {
        match runtime::block_on(Socket::connect(&run.control())) {
            Ok(socket) => Ok(Self(Connection::new(socket))),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Err(AskError::NotRunning)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The guest's state in virsh's words, and why it is in it.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn state(&mut self) -> Result<(String, String), AskError> {
        let state = self.call("GetState", json!({}))?;
        let text = |key: &str| state[key].as_str().unwrap_or("unknown").to_owned();
        Ok((text("state"), text("reason")))
    }

    /// Everything that is known of the guest.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn describe(&mut self) -> Result<Description, AskError> {
        let mut reply = self.call("Describe", json!({}))?;
        Ok(serde_json::from_value(reply["description"].take()).map_err(io::Error::from)?)
    }

    /// The terminal of each console.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn consoles(&mut self) -> Result<Vec<Option<PathBuf>>, AskError> {
        let mut reply = self.call("GetConsoles", json!({}))?;
        let consoles: Vec<Console> =
            serde_json::from_value(reply["consoles"].take()).map_err(io::Error::from)?;
        Ok(consoles.into_iter().map(|console| console.terminal).collect())
    }

    /// Changes the guest's devices. `false`: the guest has not let go of a device yet.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn change(&mut self, order: &Order) -> Result<bool, AskError> {
        let parameters = serde_json::to_value(order).map_err(io::Error::from)?;
        let reply = self.call("Change", parameters)?;
        Ok(reply["done"] == true)
    }

    /// Waits until the supervisor is gone, and with it everything of the guest, unless it was killed;
    /// `false` if time ran out before.
    pub fn wait_until_gone(mut self, limit: Duration) -> bool {
        let gone = runtime::block_on(runtime::within(limit, async {
            // Nothing was asked, so nothing but the end can come.
            while let Ok(Some(_)) = self.0.receive::<Reply>().await {}
        }));
        gone.is_some()
    }

    /// Talks to QEMU itself, over a connection that others share without noticing: ids are one's
    /// own, and the events are all that happen from now on.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn qmp(mut self) -> Result<(qmp::Client, qmp::Events), AskError> {
        let call = Call::new("io.systemd.QemuMachineInstance.AcquireQMP", json!({})).with_upgrade();
        runtime::block_on(async {
            let reply = in_time(async {
                self.0.send(&call).await?;
                self.0.receive_last().await
            });
            understand(reply.await?)?;
            let (socket, _) = self.0.into_parts();
            qmp::Client::open(socket, LIMIT).await.map_err(|error| match error {
                qmp::Error::Handshake { .. } => AskError::Died,
                other => AskError::Refused(other.to_string()),
            })
        })
    }

    /// Calls a method of `org.vdomain.Domain` with its parameters, an object.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn call(&mut self, method: &str, parameters: Value) -> Result<Value, AskError> {
        let call = Call::new(format!("org.vdomain.Domain.{method}"), parameters);
        let reply = runtime::block_on(in_time(async {
            self.0.send(&call).await?;
            self.0.receive().await
        }))?;
        understand(reply)
    }
}

/// Waits for a reply, but not for ever.
async fn in_time(
    reply: impl Future<Output = io::Result<Option<Reply>>>,
) -> Result<Option<Reply>, AskError> {
    runtime::within(LIMIT, reply).await.ok_or(AskError::TimedOut)?.map_err(|error| {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => AskError::Died,
            _ => error.into(),
        }
    })
}

fn understand(reply: Option<Reply>) -> Result<Value, AskError> {
    let Some(reply) = reply else { return Err(AskError::Died) };
    let text = |key: &str| reply.parameters[key].as_str().unwrap_or_default().to_owned();
    match reply.error.as_deref() {
        None => Ok(reply.parameters),
        Some("org.vdomain.Domain.Gone" | "io.systemd.MachineInstance.NotConnected") => {
            Err(AskError::NotRunning)
        }
        Some("org.vdomain.Domain.Changed") => Err(AskError::Changed),
        Some("org.vdomain.Domain.WrongState") => Err(AskError::WrongState(text("state"))),
        Some("org.vdomain.Domain.Refused") => Err(AskError::Refused(text("reason"))),
        Some(other) => Err(AskError::Refused(format!("it said {other}"))),
    }
}
