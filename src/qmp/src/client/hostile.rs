//! The client against streams that no QEMU sends: whatever comes, every caller gets an end.

use serde_json::{Value, json};
use sys::runtime::{block_on, within, zip};

use super::*;
use crate::codec::encode;
use crate::scripted::{LIMIT, Server};

/// How many streams are tried.
const STREAMS: u64 = 400;

/// Numbers that look random, the same ones each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    /// Something that is a message, nearly one, or none at all.
    fn piece(&mut self) -> Vec<u8> {
        let id = self.below(6);
        let messages = [
            json!({"return": {}, "id": id}),
            json!({"return": [1, null, {"a": "b"}], "id": id}),
            json!({"return": {}}),
            json!({"id": id}),
            json!({"return": {}, "error": {"class": "GenericError", "desc": "both"}, "id": id}),
            json!({"error": {"class": "GenericError", "desc": "no"}, "id": id}),
            json!({"error": {"class": "Unheard", "desc": "no"}, "id": id}),
            json!({"error": "no", "id": id}),
            json!({"error": {"class": 7}, "id": format!("{id}")}),
            json!({"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}),
            json!({"event": "STOP", "timestamp": {"seconds": -1, "microseconds": 1e300}}),
            json!({"event": 7, "data": []}),
            json!({"QMP": {"version": 1, "capabilities": {}}}),
            json!([]),
            json!("text"),
        ];
        let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let mut bytes = match self.below(5) {
            0 => nested.into_bytes(),
            1 => b"\0\xff\xfe{\x80\"a\": }\r\n".to_vec(),
            _ => encode(&messages[self.below(messages.len())]),
        };
        match self.below(6) {
            0 => bytes.truncate(self.below(bytes.len() + 1)),
            1 => {
                let at = self.below(bytes.len());
                bytes[at] = u8::try_from(self.below(256)).unwrap();
            }
            2 => bytes.extend_from_within(..),
            _ => {}
        }
        bytes
    }
}

/// What a hostile server does: it greets or does not, answers what it likes, and ends.
async fn lie(mut server: Server, random: &mut Random) {
    match random.below(8) {
        0 => {}
        1 => server.say_bytes(&random.piece()).await,
        _ => server.negotiate().await,
    }
    for _ in 0..random.below(12) {
        let piece = random.piece();
        let cut = random.below(piece.len() + 1);
        for part in [&piece[..cut], &piece[cut..]] {
            // The client may have had enough.
            if !part.is_empty() && server.socket.send_all(part, &[]).await.is_err() {
                return;
            }
        }
    }
}

#[test]
fn whatever_comes_every_caller_gets_an_end() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for stream in 0..STREAMS {
        let ended = block_on(within(LIMIT, async {
            let (server, socket) = Server::new();
            let asks = async {
                let Ok((client, mut events)) = Client::open(socket, LIMIT).await else { return };
                let waiting: Vec<_> =
                    (0..3).map(|_| client.send("query-status", &Value::Null)).collect();
                for answer in waiting {
                    // Whether it was answered, refused or lost.
                    let answer = answer.answer_within(LIMIT).await;
                    assert!(!matches!(answer, Err(Error::TimedOut { .. })), "stream {stream}");
                }
                while events.next().await.is_some() {}
                let late = client.execute("query-status", &Value::Null).await;
                assert!(matches!(late, Err(Error::NotSent { .. })), "stream {stream}: {late:?}");
            };
            zip(asks, lie(server, &mut random)).await;
        }));
        assert!(ended.is_some(), "stream {stream} does not end");
    }
}
