//! Varlink: calls and replies as JSON objects, each ended by a zero byte.
//!
//! Source: <https://varlink.org/Method-Call>.

use std::io;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sys::runtime::Socket;

/// The longest message, in bytes.
const LONGEST: usize = 1 << 20;

/// How much is read at once, in bytes.
const CHUNK: usize = 4096;

/// A call of a method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The interface and the method: `org.vdomain.Domain.Suspend`.
    pub method: String,
    /// Its parameters.
    #[serde(default = "empty")]
    pub parameters: Value,
    /// Whether several replies may come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Whether no reply is wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oneway: bool,
    /// Whether the connection shall speak something else after the reply.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upgrade: bool,
}

impl Call {
    /// A call that expects one reply.
    pub fn new(method: impl Into<String>, parameters: Value) -> Self {
        let (more, oneway, upgrade) = (false, false, false);
        Self { method: method.into(), parameters, more, oneway, upgrade }
    }

    /// A call that any number of replies may come to.
    #[must_use]
    pub fn with_more(self) -> Self {
        Self { more: true, ..self }
    }

    /// A call after whose reply the connection speaks something else.
    #[must_use]
    pub fn with_upgrade(self) -> Self {
        Self { upgrade: true, ..self }
    }
}

fn empty() -> Value {
    json!({})
}

/// The reply to a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The name of an error, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What came of the call, or what belongs to the error.
    #[serde(default = "empty")]
    pub parameters: Value,
    /// Whether further replies to the same call follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continues: bool,
}

impl Reply {
    /// The call did what it should.
    pub fn done(parameters: Value) -> Self {
        Self { parameters, ..Self::default() }
    }

    /// One of several replies: further ones follow.
    pub fn one_of_several(parameters: Value) -> Self {
        Self { continues: true, ..Self::done(parameters) }
    }

    /// The call did not.
    pub fn error(name: &str, parameters: Value) -> Self {
        Self { error: Some(name.to_owned()), parameters, continues: false }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    received: Vec<u8>,
    /// What came along, and no message has taken yet.
    descriptors: Vec<OwnedFd>,
}

impl Connection {
    /// Speaks over a connected socket.
    pub fn new(socket: Socket) -> Self {
        Self { socket, received: Vec::new(), descriptors: Vec::new() }
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Receives a message; `None` when the peer has closed.
    ///
    /// # Errors
    /// Those of the socket; `InvalidData` for what is no such message or is too long.
    ///
    /// # Cancel safety
    /// May be dropped at any time: what was received is kept.
    pub async fn receive<T: for<'a> Deserialize<'a>>(&mut self) -> io::Result<Option<T>> {
        self.receive_by(CHUNK).await
    }

    /// Receives a message and nothing of what comes after it, which is of another kind.
    ///
    /// # Errors
    /// As for [`Connection::receive`].
    ///
    /// # Cancel safety
    /// As for [`Connection::receive`].
    pub async fn receive_last<T: for<'a> Deserialize<'a>>(&mut self) -> io::Result<Option<T>> {
        self.receive_by(1).await
    }

    async fn receive_by<T: for<'a> Deserialize<'a>>(
        &mut self,
        chunk: usize,
    ) -> io::Result<Option<T>> {
        let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = self.received.drain(..=end).collect();
                return serde_json::from_slice(&message[..end])
                    .map(Some)
                    .map_err(|error| invalid(format!("not a varlink message: {error}")));
            }
            if self.received.len() > LONGEST {
                return Err(invalid(format!("a message has more than {LONGEST} bytes")));
            }
            let mut bytes = vec![0; chunk];
            let (count, descriptors) = self.socket.receive(&mut bytes).await?;
            if count == 0 {
                return Ok(None);
            }
            self.received.extend_from_slice(&bytes[..count]);
            self.descriptors.extend(descriptors);
            if self.descriptors.len() > sys::fd::MAX_PER_MESSAGE {
                return Err(invalid("too many descriptors came".to_owned()));
            }
        }
    }

    /// Takes the descriptors that came with the message received last. Parameters name them by
    /// their place in here.
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }

    /// Ends the conversation in varlink: the socket, and what the peer has sent since.
    pub fn into_parts(self) -> (Socket, Vec<u8>) {
        (self.socket, self.received)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Those of the socket.
    ///
    /// # Cancel safety
    /// Not safe: dropped while waiting, half of the message may be sent.
    pub async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(message)?;
        bytes.push(0);
        self.socket.send_all(&bytes, &[]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sys::runtime::block_on;

    #[test]
    fn messages_that_arrive_together_are_taken_apart() {
        block_on(async {
            let (one, other) = Socket::pair().unwrap();
            one.send_all(b"{\"method\":\"a.B\"}\0{\"method\":\"a.C\",\"more\":true}\0", &[])
                .await
                .unwrap();
            drop(one);
            let mut connection = Connection::new(other);

            let first: Call = connection.receive().await.unwrap().unwrap();
            let second: Call = connection.receive().await.unwrap().unwrap();

            assert_eq!((first.method.as_str(), first.parameters), ("a.B", json!({})));
            assert!(second.more);
            assert_eq!(connection.receive::<Call>().await.unwrap(), None);
        });
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        block_on(async {
            let (one, other) = Socket::pair().unwrap();
            one.send_all(b"hello\0", &[]).await.unwrap();
            let error = Connection::new(other).receive::<Call>().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        });
    }
}
