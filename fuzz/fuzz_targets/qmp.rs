//! Any bytes as what a QEMU says: nothing panics, and everybody who waits gets an end.
//!
//! The first byte says how the server begins: with the rest, or with a proper greeting and the rest once
//! commands have come, so that answers can belong to them; and how many bytes come at once.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use qmp::{Client, Error, Notice};
use serde_json::{Value, json};
use sys::runtime::{Socket, block_on, zip};

/// Longer than anything takes.
const LIMIT: Duration = Duration::from_secs(20);

/// How many commands wait for their answers at once.
const WAITING: usize = 3;

/// A greeting and the answer to the negotiation, by whether the server reads on while it works.
fn greeting(reads_ahead: bool) -> Vec<u8> {
    let capabilities = if reads_ahead { "\"oob\"" } else { "" };
    format!(
        "{{\"QMP\": {{\"version\": {{\"qemu\": {{\"micro\": 2, \"minor\": 0, \"major\": 10}}, \
         \"package\": \"\"}}, \"capabilities\": [{capabilities}]}}}}\r\n\
         {{\"return\": {{}}, \"id\": \"capabilities\"}}\r\n"
    )
    .into_bytes()
}

/// Waits until so many commands have come; `false` if the client has left before.
async fn hear(socket: &Socket, count: usize) -> bool {
    let (mut heard, mut bytes) = (Vec::new(), [0; 4096]);
    let commands = |heard: &[u8]| heard.windows(9).filter(|word| word == b"\"execute\"").count();
    while commands(&heard) < count {
        match socket.receive(&mut bytes).await {
            Ok((0, _)) | Err(_) => return false,
            Ok((read, _)) => heard.extend_from_slice(&bytes[..read]),
        }
    }
    true
}

async fn serve(socket: Socket, bytes: &[u8]) {
    let Some((begin, rest)) = bytes.split_first() else { return };
    let commands = match begin % 4 {
        0 => 0,
        // The client does not send more before it is answered.
        1 => 1,
        _ => WAITING,
    };
    if commands > 0 {
        let greeted = socket.send_all(&greeting(commands > 1), &[]).await.is_ok();
        // The negotiation is one, too.
        if !greeted || !hear(&socket, 1 + commands).await {
            return;
        }
    }
    // The client may have had enough.
    for part in rest.chunks(1 + usize::from(*begin)) {
        if socket.send_all(part, &[]).await.is_err() {
            return;
        }
    }
}

async fn ask(socket: Socket) {
    let Ok((client, mut events)) = Client::open(socket, LIMIT).await else { return };
    let mut stops = client.subscribe(&["STOP"]);
    let waiting: Vec<_> = (0..WAITING)
        .map(|number| client.send("query-status", &json!({ "number": number })))
        .collect();
    for answer in waiting {
        // Whether it was answered, refused or lost.
        let answer = answer.answer_within(LIMIT).await;
        assert!(!matches!(answer, Err(Error::TimedOut { .. })), "a caller got no end");
    }
    let mut told = 0;
    while let Some(notice) = events.next().await {
        told += usize::from(matches!(notice, Notice::Event(event) if event.name == "STOP"));
    }
    while let Some(Notice::Event(event)) = stops.next().await {
        assert_eq!(event.name, "STOP");
        told -= 1;
    }
    assert_eq!(told, 0, "both who wait for an event are told the same");
    let late = client.execute("query-status", &Value::Null).await;
    assert!(matches!(late, Err(Error::NotSent { .. })), "{late:?}");
}

fuzz_target!(|bytes: &[u8]| {
    let (near, far) = Socket::pair().expect("there are descriptors");
    block_on(zip(ask(near), serve(far, bytes)));
});
