//! A QMP connection: one task owns the socket, any number of handles send commands.
//!
//! Commands are sent in the order in which [`Client::send`] was called and answered by id in any
//! order. Nothing is lost by dropping a future: a command that was handed over is sent, whole,
//! and an answer nobody waits for is discarded.

pub(crate) mod connection;
mod handshake;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sys::runtime::{self, Receiver, Socket};

use crate::codec::Lines;
use crate::error::Error;
use crate::events::{Events, Filter};
use crate::message::{Greeting, command};
use crate::queue::Queue;
use connection::{Connection, Destination};

/// How long [`Client::execute`] waits for an answer. QEMU answers within milliseconds unless it
/// waits for storage.
pub const USUAL_LIMIT: Duration = Duration::from_secs(30);

/// A handle of a connection that is negotiated; clones are handles of the same connection.
///
/// When the last handle is dropped, what was handed over is still written, and the connection is
/// closed without waiting for answers.
#[derive(Clone, Debug)]
pub struct Client {
    handle: Arc<Handle>,
}

/// An answer that is still to come. Dropping it does not take the command back.
#[derive(Debug)]
#[must_use = "a refusal would go unnoticed"]
pub struct Pending {
    command: String,
    answer: Receiver<Result<Value, Error>>,
    /// Keeps the connection open for the answer.
    _client: Client,
}

#[derive(Debug)]
struct Handle {
    connection: Arc<Connection>,
    greeting: Greeting,
}

impl Client {
    /// Connects to a QMP socket that listens at a path; see [`Client::open`].
    ///
    /// # Errors
    ///
    /// As for [`Client::open`]. QEMU serves one client at a time: a second one gets no greeting
    /// until the first has gone.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: the connection is closed.
    pub async fn connect(path: &Path, limit: Duration) -> Result<(Self, Events), Error> {
        let connect = runtime::within(limit, Socket::connect(path)).await;
        let failed = |why| Error::Handshake { waiting_for: "the connection", why };
        match connect {
            Some(Ok(socket)) => Self::open(socket, limit).await,
            Some(Err(error)) => Err(failed(error.to_string())),
            None => Err(failed(format!("'{}' does not answer within {limit:?}", path.display()))),
        }
    }

    /// Negotiates on a connected stream and starts the task that owns it.
    ///
    /// The events returned begin with the connection, so that none is missed; drop them if nobody
    /// reads them. What an earlier client's last command left to be answered is skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] when the connection ends or nothing comes within `limit`;
    /// [`Error::Protocol`] when the peer speaks something else; [`Error::Refused`] when QEMU
    /// refuses to negotiate.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: the connection is closed.
    pub async fn open(socket: Socket, limit: Duration) -> Result<(Self, Events), Error> {
        let connection = Arc::new(Connection::new());
        let events = subscribe(&connection, Filter::All);
        let mut lines = Lines::default();
        let (greeting, reading) = handshake::run(&connection, &socket, &mut lines, limit).await?;
        runtime::spawn(Arc::clone(&connection).run(socket, lines, reading));
        Ok((Self { handle: Arc::new(Handle { connection, greeting }) }, events))
    }

    /// What QEMU said of itself.
    pub fn greeting(&self) -> &Greeting {
        &self.handle.greeting
    }

    /// Whether the connection has ended; nothing can be sent any more then.
    pub fn is_disconnected(&self) -> bool {
        self.handle.connection.is_disconnected()
    }

    /// Subscribes to the events with these names; without names, to all. What happened before is
    /// not told.
    pub fn subscribe(&self, names: &[&str]) -> Events {
        let filter = match names {
            [] => Filter::All,
            names => Filter::Named(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        subscribe(&self.handle.connection, filter)
    }

    /// Hands over a command without waiting, so that many can be under way.
    ///
    /// `arguments` is an object, or `null` for none.
    pub fn send(&self, execute: &str, arguments: &Value) -> Pending {
        self.hand_over(execute, arguments, None)
    }

    /// Hands over a command that takes a descriptor (`add-fd`, `getfd`). The descriptor is closed
    /// once it is sent, or when it cannot be.
    ///
    /// With any other command QEMU would keep the descriptor and give it to the next that takes
    /// one.
    pub fn send_with_fd(&self, execute: &str, arguments: &Value, fd: OwnedFd) -> Pending {
        self.hand_over(execute, arguments, Some(fd))
    }

    /// Executes a command and waits for its answer, [`USUAL_LIMIT`] at most.
    ///
    /// # Errors
    ///
    /// As for [`Pending::answer`].
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: the command is carried out, the answer discarded.
    pub async fn execute(&self, execute: &str, arguments: &Value) -> Result<Value, Error> {
        self.send(execute, arguments).answer().await
    }

    /// Executes a command that takes a descriptor; see [`Client::send_with_fd`].
    ///
    /// # Errors
    ///
    /// As for [`Pending::answer`].
    ///
    /// # Cancel safety
    ///
    /// As for [`Client::execute`].
    pub async fn execute_with_fd(
        &self,
        execute: &str,
        arguments: &Value,
        fd: OwnedFd,
    ) -> Result<Value, Error> {
        self.send_with_fd(execute, arguments, fd).answer().await
    }

    /// Asks QEMU to end. That the connection ends before the answer is success, too.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] after `limit`.
    ///
    /// # Cancel safety
    ///
    /// As for [`Client::execute`].
    pub async fn quit(&self, limit: Duration) -> Result<(), Error> {
        match self.send("quit", &Value::Null).answer_within(limit).await {
            Ok(_) | Err(Error::Interrupted { .. } | Error::NotSent { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What the handles share, for the multiplexer.
    pub(crate) fn connection(&self) -> &Connection {
        &self.handle.connection
    }

    fn hand_over(&self, execute: &str, arguments: &Value, fd: Option<OwnedFd>) -> Pending {
        let (sender, answer) = runtime::bounded(1);
        self.handle.connection.send(
            execute,
            |id| command(execute, arguments, id),
            fd,
            Destination::Caller(sender),
        );
        Pending { command: execute.to_owned(), answer, _client: self.clone() }
    }
}

fn subscribe(connection: &Connection, filter: Filter) -> Events {
    let queue = Arc::new(Queue::new());
    connection.subscribe(&queue, filter);
    Events { queue }
}

impl Pending {
    /// Waits for the answer, [`USUAL_LIMIT`] at most.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] is QEMU's no, [`Error::NotSent`] and [`Error::TooLarge`] mean that
    /// nothing happened, [`Error::Interrupted`] and [`Error::TimedOut`] that nobody knows.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: the answer is discarded.
    pub async fn answer(self) -> Result<Value, Error> {
        self.answer_within(USUAL_LIMIT).await
    }

    /// Waits for the answer, counting from now.
    ///
    /// # Errors
    ///
    /// As for [`Pending::answer`].
    ///
    /// # Cancel safety
    ///
    /// As for [`Pending::answer`].
    pub async fn answer_within(self, limit: Duration) -> Result<Value, Error> {
        match runtime::within(limit, self.answer.recv()).await {
            Some(answer) => answer.expect("every command is answered before its slot is dropped"),
            None => Err(Error::TimedOut { command: self.command, limit }),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.connection.close();
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
