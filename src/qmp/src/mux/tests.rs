//! Several clients of one scripted QEMU.

use std::os::fd::{AsFd, BorrowedFd};

use sys::runtime::{block_on, zip};

use super::*;
use crate::codec::{Lines, encode};
use crate::events::Events;
use crate::scripted::{LIMIT, Server, name};

fn permit_all(_: &str) -> Result<(), String> {
    Ok(())
}

/// A client of the multiplexer that says exactly what a test wants.
struct Raw {
    socket: Socket,
    lines: Lines,
}

impl Raw {
    fn new() -> (Self, Socket) {
        let (near, far) = Socket::pair().unwrap();
        (Self { socket: near, lines: Lines::default() }, far)
    }

    async fn say(&self, text: &str, fds: &[BorrowedFd<'_>]) {
        self.socket.send_all(text.as_bytes(), fds).await.unwrap();
    }

    /// The next message; `null` when we are disconnected.
    async fn hear(&mut self) -> Value {
        let hear = async {
            loop {
                if let Some(line) = self.lines.next_line().unwrap() {
                    return serde_json::from_str(&line).unwrap();
                }
                let mut bytes = vec![0; 4096];
                match self.socket.receive(&mut bytes).await {
                    Ok((0, _)) | Err(_) => return Value::Null,
                    Ok((count, _)) => self.lines.push(&bytes[..count]),
                }
            }
        };
        runtime::within(LIMIT, hear).await.expect("a message")
    }

    async fn negotiate(&mut self) {
        assert!(self.hear().await.get("QMP").is_some());
        self.say(r#"{"execute": "qmp_capabilities"}"#, &[]).await;
        assert_eq!(self.hear().await, json!({"return": {}}));
    }
}

/// Runs a test with a negotiated client of the multiplexer, until the test is done.
async fn with_client(
    permit: impl Fn(&str) -> Result<(), String>,
    test: impl AsyncFnOnce(Server, Raw, Client),
) {
    let (server, client, _events) = Server::negotiated().await;
    let (mut raw, socket) = Raw::new();
    let test = async {
        raw.negotiate().await;
        test(server, raw, client.clone()).await;
    };
    zip(serve(&client, socket, &[], permit), test).await;
}

#[test]
fn clients_with_equal_ids_get_their_own_answers() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;
        let (one, socket_one) = Socket::pair().unwrap();
        let (two, socket_two) = Socket::pair().unwrap();
        let serving = zip(
            serve(&client, socket_one, &[], permit_all),
            serve(&client, socket_two, &[], permit_all),
        );
        let test = async {
            let (one, _): (Client, Events) = Client::open(one, LIMIT).await.unwrap();
            let (two, _): (Client, Events) = Client::open(two, LIMIT).await.unwrap();
            assert_eq!(one.greeting().version, client.greeting().version);
            let (a, b) = (one.send("a", &Value::Null), two.send("b", &Value::Null));
            for _ in 0..2 {
                let command = server.hear().await.unwrap();
                server.say(json!({"return": command["execute"], "id": command["id"]})).await;
            }
            assert_eq!(a.answer().await.unwrap(), "a");
            assert_eq!(b.answer().await.unwrap(), "b");
        };

        let ((one, two), ()) = zip(serving, test).await;

        assert!(matches!((one, two), (Ended::ClientLeft, Ended::ClientLeft)));
    });
}

#[test]
fn nothing_but_negotiation_comes_first() {
    block_on(async {
        let (server, client, mut events) = Server::negotiated().await;
        let (mut raw, socket) = Raw::new();
        let test = async {
            assert_eq!(raw.hear().await["QMP"]["capabilities"], json!([]));
            raw.say(r#"{"execute": "stop", "id": "x"}"#, &[]).await;
            let refused = raw.hear().await;
            assert_eq!(refused["error"]["class"], "CommandNotFound");
            assert_eq!(refused["id"], "x");

            server.say(json!({"event": "STOP"})).await;
            assert_eq!(name(events.next().await), "STOP");
            raw.say(r#"{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}"#, &[])
                .await;
            assert_eq!(raw.hear().await["error"]["desc"], "Capability oob not available");
            raw.say(r#"{"execute": "qmp_capabilities", "id": 1}"#, &[]).await;
            assert_eq!(raw.hear().await, json!({"return": {}, "id": 1}));

            server.say(json!({"event": "RESUME"})).await;
            assert_eq!(raw.hear().await, json!({"event": "RESUME"}));
            drop(raw);
        };

        zip(serve(&client, socket, &[], permit_all), test).await;
    });
}

#[test]
fn ids_come_back_as_they_were_and_events_keep_their_place() {
    block_on(with_client(permit_all, async |mut server, mut raw, _| {
        raw.say(r#"{"execute": "a"}{"execute": "b", "id": {"any": [null]}}"#, &[]).await;
        let (a, b) = (server.expect("a").await, server.expect("b").await);

        server.say(json!({"return": 1, "id": a})).await;
        server.say(json!({"event": "STOP", "data": {"x": 1}})).await;
        let error = json!({"class": "DeviceNotFound", "desc": "no"});
        server.say(json!({"error": error, "id": b})).await;

        assert_eq!(raw.hear().await, json!({"return": 1}));
        assert_eq!(raw.hear().await, json!({"event": "STOP", "data": {"x": 1}}));
        assert_eq!(raw.hear().await, json!({"error": error, "id": {"any": [null]}}));
    }));
}

#[test]
fn all_of_a_command_is_passed_on_for_qemu_to_judge() {
    block_on(with_client(permit_all, async |mut server, mut raw, _| {
        raw.say(r#"{"execute": "stop", "bogus": 1, "id": "x"}"#, &[]).await;

        let command = server.hear().await.unwrap();

        assert_eq!(command["execute"], "stop");
        assert_eq!(command["bogus"], 1);
        assert!(command["id"].is_u64());
        let error = json!({"class": "GenericError", "desc": "unexpected"});
        server.say(json!({"error": error, "id": command["id"]})).await;
        assert_eq!(raw.hear().await, json!({"error": error, "id": "x"}));
    }));
}

#[test]
fn out_of_band_execution_is_ours_alone() {
    block_on(with_client(permit_all, async |_server, mut raw, _| {
        raw.say(r#"{"exec-oob": "yank", "id": 7}"#, &[]).await;

        let answer = raw.hear().await;

        assert_eq!(answer["error"]["desc"], "QMP input member 'exec-oob' is unexpected");
        assert_eq!(answer["id"], 7);
    }));
}

#[test]
fn nonsense_is_answered_and_the_connection_goes_on() {
    block_on(with_client(permit_all, async |mut server, mut raw, _| {
        raw.say("hello\n{\"execute\": }[1]{\"execute\": \"a\"}", &[]).await;
        let id = server.expect("a").await;
        server.say(json!({"return": {}, "id": id})).await;

        for _ in 0..2 {
            let error = raw.hear().await["error"]["desc"].to_string();
            assert!(error.contains("JSON parse error"), "{error}");
        }
        assert_eq!(raw.hear().await["error"]["desc"], "QMP input must be a JSON object");
        assert_eq!(raw.hear().await, json!({"return": {}}));
    }));
}

#[test]
fn what_is_not_permitted_is_refused_in_its_turn() {
    let permit = |command: &str| match command {
        "quit" => Err("only the owner may end the guest".to_owned()),
        _ => Ok(()),
    };
    block_on(with_client(permit, async |mut server, mut raw, _| {
        raw.say(r#"{"execute": "a"} {"execute": "quit"} {"execute": "b"}"#, &[]).await;

        let id = server.expect("a").await;
        server.say(json!({"return": "a", "id": id})).await;
        let id = server.expect("b").await;
        server.say(json!({"return": "b", "id": id})).await;

        assert_eq!(raw.hear().await, json!({"return": "a"}));
        let refused = raw.hear().await["error"]["desc"].clone();
        assert_eq!(refused, "only the owner may end the guest");
        assert_eq!(raw.hear().await, json!({"return": "b"}));
    }));
}

#[test]
fn descriptors_go_with_the_command_that_takes_them() {
    block_on(with_client(permit_all, async |mut server, mut raw, _| {
        let (kept, given) = fd::socketpair().unwrap();
        let place = fd::open_path(std::path::Path::new("/")).unwrap();

        raw.say(r#"{"execute": "query-status"}"#, &[given.as_fd()]).await;
        let id = server.expect("query-status").await;
        server.say(json!({"return": {}, "id": id})).await;
        raw.hear().await;
        drop(given);
        raw.say(r#"{"execute": "getfd", "arguments": {"fdname": "a"}}"#, &[]).await;
        let missing = raw.hear().await["error"]["desc"].clone();
        assert_eq!(missing, "No file descriptor supplied via SCM_RIGHTS");
        let kept = Socket::try_from(kept).unwrap();
        assert_eq!(runtime::within(LIMIT, kept.receive(&mut [0])).await.unwrap().unwrap().0, 0);

        raw.say(r#"{"execute": "getfd", "arguments": {"fdname": "a"}}"#, &[place.as_fd()]).await;
        let refused = raw.hear().await["error"]["desc"].clone();
        assert_eq!(refused, "The descriptor is opened with O_PATH");

        let (one, two) = (fd::memfd_of("1", b"1").unwrap(), fd::memfd_of("2", b"22").unwrap());
        raw.say(r#"{"execute": "add-fd", "#, &[one.as_fd()]).await;
        raw.say(r#""id": 1}"#, &[]).await;
        raw.say(r#"{"execute": "add-fd", "id": 2}"#, &[two.as_fd()]).await;
        server.expect("add-fd").await;
        server.expect("add-fd").await;
        let sizes: Vec<u64> = std::mem::take(&mut server.fds)
            .into_iter()
            .map(|fd| std::fs::File::from(fd).metadata().unwrap().len())
            .collect();
        assert_eq!(sizes, [1, 2]);
    }));
}

#[test]
fn names_that_a_client_leaves_are_closed() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;
        let (mut raw, socket) = Raw::new();
        let test = async {
            raw.negotiate().await;
            let null = fd::memfd_of("x", b"").unwrap();
            for name in ["left", "closed", "refused"] {
                let getfd = json!({"execute": "getfd", "arguments": {"fdname": name}});
                raw.say(&getfd.to_string(), &[null.as_fd()]).await;
                let id = server.expect("getfd").await;
                let error = json!({"class": "GenericError", "desc": "no"});
                let answer =
                    if name == "refused" { ("error", error) } else { ("return", json!({})) };
                server.say(json!({answer.0: answer.1, "id": id})).await;
                raw.hear().await;
            }
            raw.say(r#"{"execute": "closefd", "arguments": {"fdname": "closed"}}"#, &[]).await;
            let id = server.expect("closefd").await;
            server.say(json!({"return": {}, "id": id})).await;
            raw.hear().await;
            drop(raw);
        };
        zip(serve(&client, socket, &[], permit_all), test).await;

        let command = server.hear().await.unwrap();
        assert_eq!(command["execute"], "closefd");
        assert_eq!(command["arguments"]["fdname"], "left");
        drop(client);
        assert_eq!(server.hear().await, None);
    });
}

#[test]
fn a_client_learns_that_qemu_is_gone() {
    block_on(async {
        let (server, client, _events) = Server::negotiated().await;
        let (mut raw, socket) = Raw::new();
        let (mut waiting, not_negotiated) = Raw::new();
        let test = async {
            raw.negotiate().await;
            waiting.hear().await;
            raw.say(r#"{"execute": "cont"}"#, &[]).await;
            server.say(json!({"event": "SHUTDOWN"})).await;
            drop(server);
            assert_eq!(raw.hear().await, json!({"event": "SHUTDOWN"}));
            assert_eq!(raw.hear().await, Value::Null);
            assert_eq!(waiting.hear().await, Value::Null);
        };
        let serving = zip(
            serve(&client, socket, &[], permit_all),
            serve(&client, not_negotiated, &[], permit_all),
        );

        let (ended, ()) = zip(serving, test).await;

        assert!(matches!(ended, (Ended::Disconnected, Ended::Disconnected)), "{ended:?}");
    });
}

#[test]
fn a_storm_of_events_reaches_all_who_read() {
    block_on(async {
        let (server, client, mut events) = Server::negotiated().await;
        let (mut raw, socket) = Raw::new();
        let storm = async {
            raw.negotiate().await;
            let mut burst = Vec::new();
            for number in 0..10_000 {
                burst.extend(encode(&json!({"event": "STORM", "data": {"number": number}})));
            }
            let hear = async {
                for number in 0..10_000 {
                    assert_eq!(raw.hear().await["data"]["number"], number);
                }
            };
            zip(server.say_bytes(&burst), hear).await;
            drop(raw);
        };

        zip(serve(&client, socket, &[], permit_all), storm).await;

        for _ in 0..10_000 {
            assert_eq!(name(events.try_next()), "STORM");
        }
    });
}
