//! A QMP server that does what a test says.

use std::os::fd::OwnedFd;
use std::time::Duration;

use serde_json::{Value, json};
use sys::runtime::{Socket, zip};

use crate::client::Client;
use crate::codec::{Values, encode};
use crate::events::{Events, Notice};

/// Long enough for a busy machine; every test that passes ends sooner.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// The other end of a connection, which does what a test says.
pub(crate) struct Server {
    pub(crate) socket: Socket,
    values: Values,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Server {
    pub(crate) fn new() -> (Self, Socket) {
        let (near, far) = Socket::pair().unwrap();
        (Self { socket: far, values: Values::default(), fds: Vec::new() }, near)
    }

    /// A server and a client that have negotiated.
    pub(crate) async fn negotiated() -> (Self, Client, Events) {
        let (mut server, socket) = Self::new();
        let (client, ()) = zip(Client::open(socket, LIMIT), server.negotiate()).await;
        let (client, events) = client.unwrap();
        (server, client, events)
    }

    pub(crate) async fn negotiate(&mut self) {
        self.greet().await;
        let id = self.expect("qmp_capabilities").await;
        self.say(json!({"return": {}, "id": id})).await;
    }

    pub(crate) async fn greet(&self) {
        self.offer(&[]).await;
    }

    /// Greets and offers capabilities.
    pub(crate) async fn offer(&self, capabilities: &[&str]) {
        let version = json!({"qemu": {"major": 10, "minor": 0, "micro": 2}, "package": "x"});
        self.say(json!({"QMP": {"version": version, "capabilities": capabilities}})).await;
    }

    pub(crate) async fn say(&self, message: Value) {
        self.say_bytes(&encode(&message)).await;
    }

    pub(crate) async fn say_bytes(&self, bytes: &[u8]) {
        self.socket.send_all(bytes, &[]).await.unwrap();
    }

    /// The next command; nothing when the client has gone.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        loop {
            if let Some(piece) = self.values.next_piece().unwrap() {
                return Some(serde_json::from_str(&piece.text).unwrap());
            }
            if self.receive().await == 0 {
                return None;
            }
        }
    }

    /// Receives some bytes; how many, 0 when the client has gone.
    pub(crate) async fn receive(&mut self) -> usize {
        let mut bytes = vec![0; 4096];
        let (count, fds) = self.socket.receive(&mut bytes).await.unwrap();
        self.values.push(&bytes[..count]);
        self.fds.extend(fds);
        count
    }

    /// Hears a command of that name and returns its id.
    pub(crate) async fn expect(&mut self, name: &str) -> Value {
        let command = self.hear().await.unwrap();
        assert_eq!(command["execute"], name);
        command["id"].clone()
    }
}

pub(crate) fn name(notice: Option<Notice>) -> String {
    match notice {
        Some(Notice::Event(event)) => event.name.clone(),
        other => format!("{other:?}"),
    }
}
