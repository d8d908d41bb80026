//! From a connected stream to a connection that takes commands.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sys::runtime::{self, Socket};

use super::connection::{Connection, Reading, next_line};
use crate::codec::{self, Lines};
use crate::error::Error;
use crate::message::{Greeting, Message, command};

/// The id of our `qmp_capabilities`; commands have numbers. An earlier client's answers may still
/// come, and are not to be taken for ours.
const ID: &str = "capabilities";

/// The steps, as said in errors.
const GREETING: &str = "QEMU's greeting";
const CAPABILITIES: &str = "the answer to 'qmp_capabilities'";

/// The capability that has QEMU read on while it carries a command out. Commands are still carried
/// out one at a time and in order, but for those that ask to be carried out otherwise.
const READ_AHEAD: &str = "oob";

/// Takes the greeting and negotiates.
pub(super) async fn run(
    connection: &Connection,
    socket: &Socket,
    lines: &mut Lines,
    limit: Duration,
) -> Result<(Greeting, Reading), Error> {
    let deadline = Deadline { at: Instant::now().checked_add(limit), limit };

    let greeting = loop {
        let message = deadline.keep(GREETING, next_line(socket, lines)).await?;
        // QEMU 7.2 first sends the answer to an earlier client's last command.
        if let Message::Greeting(greeting) = understand(&message)? {
            break greeting;
        }
    };

    let offered = greeting.raw["QMP"]["capabilities"].as_array();
    let reads_ahead = offered.is_some_and(|all| all.iter().any(|name| name == READ_AHEAD));
    let (reading, arguments) = match reads_ahead {
        true => (Reading::Ahead, json!({ "enable": [READ_AHEAD] })),
        false => (Reading::Afterwards, Value::Null),
    };
    let negotiate = codec::encode(&command("qmp_capabilities", &arguments, ID));
    let send =
        async { socket.send_all(&negotiate, &[]).await.map_err(|error| sys::reason(&error)) };
    deadline.keep(CAPABILITIES, send).await?;
    loop {
        let message = deadline.keep(CAPABILITIES, next_line(socket, lines)).await?;
        match understand(&message)? {
            Message::Reply(reply) if reply.id.as_ref().is_some_and(|id| id == ID) => {
                return match reply.outcome {
                    Ok(_) => Ok((greeting, reading)),
                    Err(refusal) => Err(Error::refused("qmp_capabilities", refusal)),
                };
            }
            other => connection.dispatch(other),
        }
    }
}

/// When the handshake must be through.
struct Deadline {
    /// Absent: too far away for the clock.
    at: Option<Instant>,
    limit: Duration,
}

impl Deadline {
    /// Waits for a step, which says why it did not come to its end.
    async fn keep<T>(
        &self,
        waiting_for: &'static str,
        step: impl Future<Output = Result<T, String>>,
    ) -> Result<T, Error> {
        let done = match self.at {
            Some(at) => runtime::until(at, step).await,
            None => Some(step.await),
        };
        let done = done.unwrap_or_else(|| Err(format!("nothing came within {:?}", self.limit)));
        done.map_err(|why| Error::Handshake { waiting_for, why })
    }
}

fn understand(line: &str) -> Result<Message, Error> {
    let not_qmp = |why| Error::Protocol { problem: format!("the peer does not speak QMP: {why}") };
    Message::parse(line).map_err(not_qmp)
}
