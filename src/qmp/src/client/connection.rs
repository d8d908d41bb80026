//! What the handles of a connection share with the task that owns its socket.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use serde_json::Value;
use sys::runtime::{self, Sender, Socket};

use crate::codec::{self, Lines};
use crate::error::Error;
use crate::events::{Filter, Said, Subscribers};
use crate::message::{Message, Refusal, Reply};
use crate::queue::{Queue, Taken};

/// How much is read or written at once, in bytes.
const CHUNK: usize = 16 * 1024;

/// Everything that is under way on a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    outgoing: Queue<Outgoing>,
    shared: Mutex<Shared>,
}

/// A command to be written.
#[derive(Debug)]
struct Outgoing {
    id: u64,
    line: Vec<u8>,
    fd: Option<OwnedFd>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The id of the last command.
    last_id: u64,
    waiting: HashMap<u64, Waiting>,
    /// Bytes that wait to be written.
    outgoing: usize,
    subscribers: Subscribers,
    /// Why the connection has ended; absent while it has not.
    ended: Option<String>,
}

/// A command that has no answer yet.
#[derive(Debug)]
struct Waiting {
    command: String,
    /// Whether any of it may have reached QEMU.
    sent: bool,
    /// Closed when the answer has come, for whoever waits to write on: see [`Reading::Ahead`].
    answered: Option<Sender<()>>,
    destination: Destination,
}

/// When QEMU reads on behind a command. It reads byte by byte, which takes as long as carrying most
/// commands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// When it has answered.
    Afterwards,
    /// At once, in a thread of its own, while another one carries the command out. The two share a
    /// descriptor that has come in without a lock, so nothing may be there to be read, not even the
    /// end of a line, before a command with a descriptor is answered.
    ///
    /// QEMU: `tcp_chr_recv` and `tcp_get_msgfds` in `chardev/char-socket.c`.
    Ahead,
}

/// Where an answer goes.
#[derive(Debug)]
pub(crate) enum Destination {
    /// To the one who waits for this command alone.
    Caller(Sender<Result<Value, Error>>),
    /// To a client of the multiplexer, with the id that it gave the command.
    Session {
        /// Where everything goes that is said to this client.
        queue: Weak<Queue<Said>>,
        /// Absent if the command had none.
        id: Option<Value>,
    },
}

impl Connection {
    pub(super) fn new() -> Self {
        Self { outgoing: Queue::new(), shared: Mutex::default() }
    }

    /// Lets a queue have events from now on, and the end of the connection.
    pub(crate) fn subscribe(&self, queue: &Arc<Queue<Said>>, filter: Filter) {
        let mut shared = self.lock();
        shared.subscribers.add(queue, filter);
        if shared.ended.is_some() {
            shared.subscribers.close();
        }
    }

    pub(super) fn is_disconnected(&self) -> bool {
        self.lock().ended.is_some()
    }

    /// Ends the connection once everything handed over is written.
    pub(super) fn close(&self) {
        self.outgoing.close();
    }

    /// Hands a command over to the task; whatever happens, its destination gets one answer.
    pub(crate) fn send(
        &self,
        command: &str,
        message: impl FnOnce(u64) -> Value,
        fd: Option<OwnedFd>,
        destination: Destination,
    ) {
        let command = command.to_owned();
        let mut shared = self.lock();
        if let Some(why) = shared.ended.clone() {
            return destination.deliver(Err(Error::NotSent { command, why }));
        }
        let id = shared.last_id + 1;
        let line = codec::encode(&message(id));
        if shared.outgoing + line.len() > codec::LARGEST_MESSAGE {
            return destination.deliver(Err(Error::TooLarge { command }));
        }
        shared.last_id = id;
        shared.outgoing += line.len();
        let waiting = Waiting { command, sent: false, answered: None, destination };
        shared.waiting.insert(id, waiting);
        // Under the lock, so that ids are written in order and the task cannot end in between.
        self.outgoing.push(Outgoing { id, line, fd });
    }

    /// Owns the socket from the end of the handshake to the end of the connection; `lines` is
    /// what was read ahead.
    pub(super) async fn run(self: Arc<Self>, socket: Socket, mut lines: Lines, reading: Reading) {
        let write = self.write(&socket, reading);
        let why = runtime::or(self.read(&socket, &mut lines), write).await;
        drop(socket);
        self.end(&why);
    }

    /// Reads until the connection ends and says why.
    async fn read(&self, socket: &Socket, lines: &mut Lines) -> String {
        loop {
            match next_line(socket, lines).await {
                // What is no message is left out: a guest has a say in what some of them contain.
                Ok(line) => drop(Message::parse(&line).map(|message| self.dispatch(message))),
                Err(why) => return why,
            }
        }
    }

    pub(super) fn dispatch(&self, message: Message) {
        let mut shared = self.lock();
        match message {
            Message::Event(event) => shared.subscribers.publish(&Arc::new(event)),
            Message::Reply(Reply { id, outcome }) => {
                // An unknown id is that of an earlier client of this monitor.
                let waiting =
                    id.and_then(|id| id.as_u64()).and_then(|id| shared.waiting.remove(&id));
                if let Some(Waiting { command, destination, answered, .. }) = waiting {
                    drop(answered);
                    destination
                        .deliver(outcome.map_err(|refusal| Error::refused(command, refusal)));
                }
            }
            Message::Greeting(_) => {}
        }
    }

    /// Writes what is handed over until the connection ends and says why.
    async fn write(&self, socket: &Socket, reading: Reading) -> String {
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(outgoing) => outgoing,
                None => match self.outgoing.take().await {
                    Taken::Item(outgoing) => outgoing,
                    Taken::Missed(_) | Taken::Closed => return "we have closed it".to_owned(),
                },
            };
            if reading == Reading::Ahead && first.fd.is_some() {
                if let Err(error) = self.write_alone(socket, first).await {
                    return sys::reason(&error);
                }
                continue;
            }
            let mut batch = vec![first.id];
            let (mut bytes, fd) = (first.line, first.fd);
            // A descriptor must not be taken by another command's bytes: such a one goes alone.
            while fd.is_none() && bytes.len() < CHUNK {
                match self.outgoing.try_take() {
                    Some(Taken::Item(outgoing)) if outgoing.fd.is_none() => {
                        batch.push(outgoing.id);
                        bytes.extend_from_slice(&outgoing.line);
                    }
                    Some(Taken::Item(outgoing)) => {
                        next = Some(outgoing);
                        break;
                    }
                    _ => break,
                }
            }
            self.mark_sent(&batch, bytes.len());
            if let Err(error) = write_batch(socket, &bytes, fd).await {
                return sys::reason(&error);
            }
        }
    }

    /// Writes a command and waits for its answer.
    async fn write_alone(&self, socket: &Socket, command: Outgoing) -> io::Result<()> {
        let Outgoing { id, line, fd } = command;
        let (sender, answered) = runtime::bounded(1);
        if let Some(waiting) = self.lock().waiting.get_mut(&id) {
            waiting.answered = Some(sender);
        }
        self.mark_sent(&[id], line.len());
        write_batch(socket, line.trim_ascii_end(), fd).await?;
        // Nothing is sent: the channel closes when the answer has come.
        let _ = answered.recv().await;
        Ok(())
    }

    fn mark_sent(&self, batch: &[u64], size: usize) {
        let mut shared = self.lock();
        shared.outgoing -= size;
        for id in batch {
            if let Some(waiting) = shared.waiting.get_mut(id) {
                waiting.sent = true;
            }
        }
    }

    /// Answers everything that waits, once the connection has ended.
    fn end(&self, why: &str) {
        let mut shared = self.lock();
        shared.ended = Some(why.to_owned());
        self.outgoing.close();
        // Closes descriptors that were not sent.
        self.outgoing.drain();
        for (_, Waiting { command, sent, destination, .. }) in shared.waiting.drain() {
            let why = why.to_owned();
            destination.deliver(Err(match sent {
                true => Error::Interrupted { command, why },
                false => Error::NotSent { command, why },
            }));
        }
        shared.subscribers.close();
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("nobody panics while holding the lock")
    }
}

impl Destination {
    fn deliver(self, answer: Result<Value, Error>) {
        match self {
            // Nobody may be waiting any more.
            Self::Caller(caller) => drop(caller.try_send(answer)),
            Self::Session { queue, id } => {
                let outcome = match answer {
                    Ok(value) => Ok(value),
                    Err(Error::Refused { class, desc, .. }) => Err(Refusal { class, desc }),
                    Err(error @ Error::TooLarge { .. }) => Err(Refusal::generic(error)),
                    // The queue's end says it.
                    Err(_) => return,
                };
                if let Some(queue) = queue.upgrade() {
                    queue.push(Said::Reply(Reply { id, outcome }));
                }
            }
        }
    }
}

/// The next line that QEMU says, or why there is none.
pub(super) async fn next_line(socket: &Socket, lines: &mut Lines) -> Result<String, String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(line) = lines.next_line().map_err(|error| error.to_string())? {
            return Ok(line);
        }
        bytes.resize(CHUNK, 0);
        // QEMU passes no descriptors; one that came would be closed here.
        match socket.receive(&mut bytes).await {
            Ok((0, _)) => return Err("QEMU has closed the connection".to_owned()),
            Ok((count, _)) => lines.push(&bytes[..count]),
            Err(error) => return Err(sys::reason(&error)),
        }
    }
}

/// Writes whole commands; at most one of them has a descriptor, and is alone then.
async fn write_batch(socket: &Socket, bytes: &[u8], fd: Option<OwnedFd>) -> io::Result<()> {
    match fd {
        None => socket.send_all(bytes, &[]).await,
        Some(fd) => socket.send_all(bytes, &[fd.as_fd()]).await,
    }
}
