//! One QMP connection for several clients, each of which talks as if to QEMU alone.
//!
//! A client gets QEMU's greeting, negotiates, and from then on its commands are passed on with ids
//! of our own and its answers and all events come back, in QEMU's order. What QEMU would answer
//! to nonsense comes from QEMU wherever it can be passed on.
//!
//! What differs from a monitor of one's own:
//!
//! - out-of-band execution is not offered;
//! - a descriptor belongs to the first `add-fd` or `getfd` among the commands it arrived with, or
//!   is closed: QEMU would keep it for whoever comes next;
//! - names given with `getfd` are shared with all other clients; those that a client leaves behind
//!   are closed when it goes;
//! - a client that does not read is dropped when [`MOST_WAITING`](crate::events::MOST_WAITING) events wait for it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sys::fd;
use sys::runtime::{self, Socket};

use crate::client::Client;
use crate::client::connection::Destination;
use crate::codec::{self, Piece, Values};
use crate::events::{Filter, Said};
use crate::message::{ErrorClass, Refusal, Reply};
use crate::queue::{Queue, Taken};

/// Commands that take a descriptor from the message they come in.
const TAKERS: &[&str] = &["add-fd", "getfd"];

/// How many commands of a client may be under way; more are not read. QEMU takes eight.
const MOST_UNDER_WAY: usize = 8;

/// How much is read at once, in bytes.
const CHUNK: usize = 16 * 1024;

/// Why a client is not served any more.
#[derive(Debug)]
pub enum Ended {
    /// It has closed its connection, or reset it.
    ClientLeft,
    /// The connection to QEMU has ended.
    Disconnected,
    /// It did not read, and has missed events.
    FellBehind,
    /// It sent a message that is too large.
    TooLarge,
}

/// Serves one client until it leaves or QEMU does. `early` is what it has sent already. `permit`
/// says for each command whether this client may execute it, and if not, why.
///
/// # Cancel safety
///
/// May be dropped at any time: the client is disconnected.
pub async fn serve(
    client: &Client,
    socket: Socket,
    early: &[u8],
    permit: impl Fn(&str) -> Result<(), String>,
) -> Ended {
    let mut values = Values::default();
    values.push(early);
    let mut session = Session {
        client,
        socket,
        permit,
        queue: Arc::new(Queue::new()),
        values,
        fds: VecDeque::new(),
        is_negotiated: false,
        under_way: VecDeque::new(),
        names: Vec::new(),
    };
    let Err(ended) = session.run().await;
    ended
}

/// A client and everything that is under way for it.
struct Session<'a, P> {
    client: &'a Client,
    socket: Socket,
    permit: P,
    /// What QEMU says to this client.
    queue: Arc<Queue<Said>>,
    values: Values,
    /// Descriptors that no command has taken, each with the place in the stream up to which it
    /// had come.
    fds: VecDeque<(u64, OwnedFd)>,
    is_negotiated: bool,
    /// What each command changes here if it succeeds, in the order of sending.
    under_way: VecDeque<Change>,
    /// What this client has named with `getfd`.
    names: Vec<String>,
}

/// What a command's success means to us.
enum Change {
    Nothing,
    Named(String),
    Closed(String),
}

/// What wakes a session.
enum Wakeup {
    Piece(Piece),
    Bytes(io::Result<(usize, Vec<OwnedFd>)>),
    Said(Taken<Said>),
}

impl<P: Fn(&str) -> Result<(), String>> Session<'_, P> {
    async fn run(&mut self) -> Result<Infallible, Ended> {
        self.client.connection().subscribe(&self.queue, Filter::Nothing);
        let mut greeting = self.client.greeting().raw.clone();
        greeting["QMP"]["capabilities"] = json!([]);
        self.write(&greeting).await?;

        let mut bytes = vec![0; CHUNK];
        loop {
            match self.wakeup(&mut bytes).await? {
                Wakeup::Said(said) => self.pass_on(said).await?,
                Wakeup::Piece(piece) => self.handle(piece).await?,
                Wakeup::Bytes(Ok((0, _)) | Err(_)) => return Err(Ended::ClientLeft),
                Wakeup::Bytes(Ok((count, fds))) => {
                    self.values.push(&bytes[..count]);
                    // QEMU uses the first of several.
                    let received = self.values.received();
                    self.fds.extend(fds.into_iter().take(1).map(|fd| (received, fd)));
                }
            }
        }
    }

    async fn wakeup(&mut self, bytes: &mut [u8]) -> Result<Wakeup, Ended> {
        // What QEMU says goes first, so that a client that only sends is answered, too.
        if let Some(said) = self.queue.try_take() {
            return Ok(Wakeup::Said(said));
        }
        let said = async { Wakeup::Said(self.queue.take().await) };
        if self.under_way.len() >= MOST_UNDER_WAY {
            return Ok(said.await);
        }
        if let Some(piece) = self.values.next_piece().map_err(|_| Ended::TooLarge)? {
            return Ok(Wakeup::Piece(piece));
        }
        let socket = &self.socket;
        Ok(runtime::or(said, async { Wakeup::Bytes(socket.receive(bytes).await) }).await)
    }

    /// Tells the client what QEMU says.
    async fn pass_on(&mut self, said: Taken<Said>) -> Result<(), Ended> {
        match said {
            Taken::Item(Said::Event(event)) => self.write(&event.to_json()).await,
            Taken::Item(Said::Reply(reply)) => {
                let change = self.under_way.pop_front().expect("a reply belongs to a command");
                match change {
                    Change::Named(name) if reply.outcome.is_ok() => self.names.push(name),
                    Change::Closed(name) if reply.outcome.is_ok() => {
                        self.names.retain(|known| *known != name);
                    }
                    _ => {}
                }
                self.write(&reply.to_json()).await
            }
            Taken::Missed(_) => Err(Ended::FellBehind),
            Taken::Closed => Err(Ended::Disconnected),
        }
    }

    /// Does what one piece of the client's stream asks for.
    async fn handle(&mut self, piece: Piece) -> Result<(), Ended> {
        // What came with commands that are through belongs to nobody.
        while self.fds.front().is_some_and(|(received, _)| *received <= piece.offset) {
            self.fds.pop_front();
        }
        let object = match serde_json::from_str(&piece.text) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return self.refuse(None, "QMP input must be a JSON object").await,
            Err(error) => return self.refuse(None, format!("JSON parse error: {error}")).await,
        };
        let id = object.get("id").cloned();
        let execute = object.get("execute").and_then(Value::as_str).unwrap_or_default();
        if !self.is_negotiated {
            return self.negotiate(id, execute, &object).await;
        }
        // QEMU takes it from us, since we have asked for that capability; the client has not.
        if object.contains_key("exec-oob") {
            return self.refuse(id, "QMP input member 'exec-oob' is unexpected").await;
        }
        if let Err(reason) = (self.permit)(execute) {
            return self.refuse(id, reason).await;
        }
        let fd = match TAKERS.contains(&execute) {
            false => None,
            true => match self.fds.pop_front() {
                // QEMU might have one that somebody else has left.
                None => {
                    return self.refuse(id, "No file descriptor supplied via SCM_RIGHTS").await;
                }
                // Some QEMUs drop the connection over it.
                Some((_, fd)) if fd::is_path_only(&fd).unwrap_or(true) => {
                    return self.refuse(id, "The descriptor is opened with O_PATH").await;
                }
                Some((_, fd)) => Some(fd),
            },
        };
        let execute = execute.to_owned();
        self.forward(id, &execute, object, fd);
        Ok(())
    }

    /// Negotiates; answers with QEMU's words to everything else.
    async fn negotiate(
        &mut self,
        id: Option<Value>,
        execute: &str,
        object: &Map<String, Value>,
    ) -> Result<(), Ended> {
        if execute != "qmp_capabilities" {
            let desc = "Expecting capabilities negotiation with 'qmp_capabilities'".to_owned();
            let refusal = Refusal { class: ErrorClass::CommandNotFound, desc };
            return self.answer(id, Err(refusal)).await;
        }
        let enable = object.get("arguments").and_then(|arguments| arguments.get("enable"));
        if let Some(Value::Array(enable)) = enable
            && let Some(Value::String(name)) = enable.first()
        {
            return self.refuse(id, format!("Capability {name} not available")).await;
        }
        self.answer(id, Ok(json!({}))).await?;
        self.is_negotiated = true;
        self.client.connection().subscribe(&self.queue, Filter::All);
        Ok(())
    }

    /// Passes a command on to QEMU, whatever else is in it.
    fn forward(
        &mut self,
        id: Option<Value>,
        execute: &str,
        mut object: Map<String, Value>,
        fd: Option<OwnedFd>,
    ) {
        let name = object.get("arguments").and_then(|arguments| arguments.get("fdname"));
        let name = name.and_then(Value::as_str).map(str::to_owned);
        self.under_way.push_back(match (execute, name) {
            ("getfd", Some(name)) => Change::Named(name),
            ("closefd", Some(name)) => Change::Closed(name),
            _ => Change::Nothing,
        });
        let message = |number: u64| {
            object.insert("id".to_owned(), number.into());
            Value::Object(object)
        };
        let destination = Destination::Session { queue: Arc::downgrade(&self.queue), id };
        self.client.connection().send(execute, message, fd, destination);
    }

    async fn refuse(&mut self, id: Option<Value>, why: impl Into<String>) -> Result<(), Ended> {
        self.answer(id, Err(Refusal::generic(why.into()))).await
    }

    /// Answers by ourselves, after what QEMU has still to answer: without ids, only the order
    /// says which answer is whose.
    async fn answer(
        &mut self,
        id: Option<Value>,
        outcome: Result<Value, Refusal>,
    ) -> Result<(), Ended> {
        while !self.under_way.is_empty() {
            let said = self.queue.take().await;
            self.pass_on(said).await?;
        }
        self.write(&Reply { id, outcome }.to_json()).await
    }

    async fn write(&self, message: &Value) -> Result<(), Ended> {
        let line = codec::encode(message);
        self.socket.send_all(&line, &[]).await.map_err(|_| Ended::ClientLeft)
    }
}

impl<P> Drop for Session<'_, P> {
    /// Closes what the client has left in QEMU. Names that were used up meanwhile are refused,
    /// which is no harm.
    fn drop(&mut self) {
        let unanswered = self.under_way.drain(..).filter_map(|change| match change {
            Change::Named(name) => Some(name),
            Change::Nothing | Change::Closed(_) => None,
        });
        for name in self.names.drain(..).chain(unanswered) {
            drop(self.client.send("closefd", &json!({"fdname": name})));
        }
    }
}

#[cfg(test)]
mod tests;
