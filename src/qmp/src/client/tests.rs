//! The client against a scripted server, and against a real QEMU where there is one.

use std::fs::File;
use std::io::Read;

use serde_json::json;
use sys::fd;
use sys::runtime::{block_on, zip};

use super::*;
use crate::codec::{self, encode};
use crate::message::ErrorClass;
use crate::scripted::{LIMIT, Server, name};

#[test]
fn a_connection_is_negotiated_and_commands_are_answered() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;

        let serve = async {
            let command = server.hear().await.unwrap();
            assert_eq!(command, json!({"execute": "getfd", "arguments": {"fdname": "a"}, "id": 1}));
            server.say(json!({"return": {"status": "prelaunch"}, "id": 1})).await;
        };
        let arguments = json!({"fdname": "a"});
        let (answer, ()) = zip(client.execute("getfd", &arguments), serve).await;

        assert_eq!(answer.unwrap(), json!({"status": "prelaunch"}));
        assert_eq!(client.greeting().version, (10, 0, 2));
    });
}

#[test]
fn commands_are_sent_before_any_answer_and_matched_by_id() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;

        let pending: Vec<_> = ["a", "b", "c"].map(|name| client.send(name, &Value::Null)).into();
        let (a, b, c) =
            (server.expect("a").await, server.expect("b").await, server.expect("c").await);
        for id in [c, json!(99), json!("stray"), a, b] {
            server.say(json!({"return": id, "id": id})).await;
        }

        let mut answers = Vec::new();
        for pending in pending {
            answers.push(pending.answer().await.unwrap());
        }
        assert_eq!(answers, [1, 2, 3]);
    });
}

#[test]
fn an_event_between_answers_is_there_when_the_answer_is() {
    block_on(async {
        let (mut server, client, mut events) = Server::negotiated().await;
        let mut stops = client.subscribe(&["STOP"]);

        let serve = async {
            let id = server.expect("stop").await;
            server.say(json!({"event": "RESET", "data": {"guest": false}})).await;
            server.say(json!({"event": "STOP"})).await;
            server.say(json!({"return": {}, "id": id})).await;
        };
        zip(client.execute("stop", &Value::Null), serve).await.0.unwrap();

        assert_eq!(name(events.try_next()), "RESET");
        assert_eq!(name(events.try_next()), "STOP");
        assert_eq!(name(stops.try_next()), "STOP");
        assert_eq!(stops.try_next(), None);
    });
}

#[test]
fn an_event_right_after_negotiation_is_not_missed() {
    block_on(async {
        let (mut server, socket) = Server::new();
        let serve = async {
            server.greet().await;
            let id = server.expect("qmp_capabilities").await;
            let mut burst = encode(&json!({"return": {}, "id": id}));
            burst.extend(encode(&json!({"event": "SHUTDOWN"})));
            server.say_bytes(&burst).await;
        };

        let (opened, ()) = zip(Client::open(socket, LIMIT), serve).await;
        let (_client, mut events) = opened.unwrap();

        assert_eq!(name(events.next().await), "SHUTDOWN");
    });
}

#[test]
fn a_refusal_keeps_class_and_words() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;

        let serve = async {
            let id = server.expect("device_del").await;
            let error = json!({"class": "DeviceNotFound", "desc": "Device 'x' not found"});
            server.say(json!({"error": error, "id": id})).await;
        };
        let (answer, ()) = zip(client.execute("device_del", &json!({"id": "x"})), serve).await;

        let error = answer.unwrap_err();
        assert_eq!(error.class(), Some(&ErrorClass::DeviceNotFound));
        assert!(!error.outcome_is_unknown());
        assert_eq!(error.to_string(), "QEMU refused 'device_del': Device 'x' not found");
    });
}

#[test]
fn end_of_file_before_the_greeting_is_said() {
    block_on(async {
        let (server, socket) = Server::new();
        drop(server);

        let error = Client::open(socket, LIMIT).await.unwrap_err();

        assert_eq!(
            error.to_string(),
            "no QMP connection, while waiting for QEMU's greeting: QEMU has closed the connection"
        );
    });
}

#[test]
fn end_of_file_while_negotiating_is_said() {
    block_on(async {
        let (mut server, socket) = Server::new();
        let serve = async move {
            server.greet().await;
            server.expect("qmp_capabilities").await;
        };

        let (opened, ()) = zip(Client::open(socket, LIMIT), serve).await;

        let error = opened.unwrap_err();
        assert!(
            matches!(&error, Error::Handshake { waiting_for, .. }
                if *waiting_for == "the answer to 'qmp_capabilities'"),
            "{error}"
        );
    });
}

#[test]
fn end_of_file_while_running_ends_every_waiting_caller() {
    block_on(async {
        let (mut server, client, mut events) = Server::negotiated().await;
        let (one, other) = (client.send("cont", &Value::Null), client.send("stop", &Value::Null));
        server.expect("cont").await;
        server.expect("stop").await;
        server.say(json!({"event": "SHUTDOWN"})).await;
        drop(server);

        assert_eq!(name(events.next().await), "SHUTDOWN");
        assert_eq!(events.next().await, None);
        for error in [one.answer().await.unwrap_err(), other.answer().await.unwrap_err()] {
            assert!(matches!(error, Error::Interrupted { .. }), "{error}");
            assert!(error.outcome_is_unknown());
        }
        assert!(client.is_disconnected());
        let late = client.execute("query-status", &Value::Null).await.unwrap_err();
        assert!(matches!(late, Error::NotSent { .. }), "{late}");
        assert_eq!(client.subscribe(&[]).next().await, None);
    });
}

#[test]
fn what_was_not_sent_has_not_happened() {
    block_on(async {
        let (server, client, _events) = Server::negotiated().await;
        // More than the socket holds: the first is begun, and the last waits for its end.
        let large = json!({"text": "x".repeat(1 << 20)});
        let first = client.send("first", &large);
        let last = client.send("last", &Value::Null);
        server.socket.receive(&mut [0; 1]).await.unwrap();
        drop(server);

        let (first, last) = (first.answer().await, last.answer().await);

        assert!(matches!(first, Err(Error::Interrupted { .. })), "{first:?}");
        assert!(matches!(last, Err(Error::NotSent { .. })), "{last:?}");
    });
}

#[test]
fn a_peer_without_greeting_is_given_up() {
    block_on(async {
        let (_server, socket) = Server::new();

        let error = Client::open(socket, Duration::from_millis(1)).await.unwrap_err();

        assert!(error.to_string().ends_with("nothing came within 1ms"), "{error}");
    });
}

#[test]
fn a_peer_that_speaks_something_else_is_named() {
    block_on(async {
        let (server, socket) = Server::new();
        server.say_bytes(b"HTTP/1.1 400 Bad Request\r\n").await;

        let error = Client::open(socket, LIMIT).await.unwrap_err();

        assert_eq!(error.to_string(), "the peer does not speak QMP: the message is not JSON");
    });
}

#[test]
fn what_an_earlier_client_left_is_skipped() {
    block_on(async {
        let (mut server, socket) = Server::new();
        let serve = async {
            server.say(json!({"return": {"of": "the earlier client"}, "id": 1})).await;
            server.negotiate().await;
        };

        let (opened, ()) = zip(Client::open(socket, LIMIT), serve).await;

        opened.unwrap();
    });
}

#[test]
fn a_refused_negotiation_is_an_error() {
    block_on(async {
        let (mut server, socket) = Server::new();
        let serve = async {
            server.greet().await;
            let id = server.expect("qmp_capabilities").await;
            let error = json!({"class": "CommandNotFound", "desc": "no"});
            server.say(json!({"error": error, "id": id})).await;
        };

        let (opened, ()) = zip(Client::open(socket, LIMIT), serve).await;

        assert_eq!(opened.unwrap_err().to_string(), "QEMU refused 'qmp_capabilities': no");
    });
}

#[test]
fn time_runs_out_for_one_command_and_the_connection_goes_on() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;

        let slow = client.send("slow", &Value::Null).answer_within(Duration::from_millis(1)).await;
        let id = server.expect("slow").await;
        server.say(json!({"return": "late", "id": id})).await;
        let serve = async {
            let id = server.expect("quick").await;
            server.say(json!({"return": "in time", "id": id})).await;
        };
        let (quick, ()) = zip(client.execute("quick", &Value::Null), serve).await;

        assert!(matches!(&slow, Err(Error::TimedOut { .. })), "{slow:?}");
        assert_eq!(quick.unwrap(), "in time");
    });
}

#[test]
fn an_unreadable_line_does_not_end_the_connection() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;

        let serve = async {
            let id = server.expect("query-name").await;
            server.say_bytes(b"{\"return\": \r\n\xff\r\n[]\r\n").await;
            let mut raw = b"{\"return\": \"guest says \xff\", \"id\": ".to_vec();
            raw.extend(format!("{id}}}\r\n").bytes());
            server.say_bytes(&raw).await;
        };
        let (answer, ()) = zip(client.execute("query-name", &Value::Null), serve).await;

        assert_eq!(answer.unwrap(), "guest says \u{fffd}");
    });
}

#[test]
fn a_message_without_end_ends_the_connection() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;
        let serve = async {
            server.expect("query-name").await;
            let piece = vec![b'x'; 1 << 20];
            while server.socket.send_all(&piece, &[]).await.is_ok() {}
        };

        let (answer, ()) = zip(client.execute("query-name", &Value::Null), serve).await;

        let error = answer.unwrap_err().to_string();
        assert!(error.ends_with("a message is larger than 16 MiB"), "{error}");
    });
}

#[test]
fn a_command_too_large_is_refused_here_and_the_next_is_not() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;

        let large = json!({"secret": "x".repeat(codec::LARGEST_MESSAGE)});
        let error = client.execute("large", &large).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot send 'large': more than 16 MiB would wait to be sent"
        );

        let pending = client.send("small", &Value::Null);
        let id = server.expect("small").await;
        server.say(json!({"return": {}, "id": id})).await;
        pending.answer().await.unwrap();
    });
}

#[test]
fn each_descriptor_goes_with_its_own_command() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;
        let memfd = |text: &str| fd::memfd_of(text, text.as_bytes()).unwrap();

        let before = client.send("query-status", &Value::Null);
        let one = client.send_with_fd("add-fd", &json!({"fdset-id": 1}), memfd("one"));
        let between = client.send("query-status", &Value::Null);
        let two = client.send_with_fd("add-fd", &json!({"fdset-id": 2}), memfd("two"));
        let mut texts = Vec::new();
        for _ in 0..4 {
            let id = server.hear().await.unwrap()["id"].clone();
            server.say(json!({"return": {}, "id": id})).await;
        }
        for fd in server.fds.drain(..) {
            let mut text = String::new();
            File::from(fd).read_to_string(&mut text).unwrap();
            texts.push(text);
        }

        assert_eq!(texts, ["one", "two"]);
        for pending in [before, one, between, two] {
            pending.answer().await.unwrap();
        }
    });
}

#[test]
fn nothing_follows_a_descriptor_before_its_answer_where_qemu_reads_ahead() {
    block_on(async {
        let (mut server, socket) = Server::new();
        let negotiate = async {
            server.offer(&["oob"]).await;
            let capabilities = server.hear().await.unwrap();
            assert_eq!(capabilities["arguments"], json!({"enable": ["oob"]}));
            server.say(json!({"return": {}, "id": capabilities["id"]})).await;
        };
        let (client, ()) = zip(Client::open(socket, LIMIT), negotiate).await;
        let (client, _events) = client.unwrap();

        let before = client.send("query-status", &Value::Null);
        let descriptor = fd::memfd_of("image", b"").unwrap();
        let with = client.send_with_fd("add-fd", &json!({"fdset-id": 1}), descriptor);
        let after = client.send("query-status", &Value::Null);
        let first = server.expect("query-status").await;
        let second = server.expect("add-fd").await;

        let more = runtime::within(Duration::from_millis(20), server.receive()).await;
        assert_eq!(more, None);

        for id in [first, second] {
            server.say(json!({"return": {}, "id": id})).await;
        }
        let third = server.expect("query-status").await;
        server.say(json!({"return": {}, "id": third})).await;
        for pending in [before, with, after] {
            pending.answer().await.unwrap();
        }
    });
}

#[test]
fn a_descriptor_that_cannot_be_sent_is_closed() {
    block_on(async {
        let (server, client, mut events) = Server::negotiated().await;
        drop(server);
        assert_eq!(events.next().await, None);
        let (kept, given) = fd::socketpair().unwrap();
        let kept = Socket::try_from(kept).unwrap();

        let error = client.execute_with_fd("getfd", &json!({}), given).await.unwrap_err();

        assert!(matches!(error, Error::NotSent { .. }), "{error}");
        let end = runtime::within(LIMIT, kept.receive(&mut [0; 1])).await.unwrap();
        assert_eq!(end.unwrap().0, 0);
    });
}

#[test]
fn quit_is_done_when_the_connection_ends() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;
        let serve = async move {
            server.expect("quit").await;
        };

        let (quit, ()) = zip(client.quit(LIMIT), serve).await;

        quit.unwrap();
        client.quit(LIMIT).await.unwrap();
    });
}

#[test]
fn the_last_handle_closes_after_what_was_handed_over() {
    block_on(async {
        let (mut server, client, _events) = Server::negotiated().await;

        let pending = client.send("query-status", &Value::Null);
        drop(client);
        let id = server.expect("query-status").await;
        server.say(json!({"return": "still here", "id": id})).await;
        assert_eq!(pending.answer().await.unwrap(), "still here");

        assert_eq!(server.hear().await, None);
    });
}

#[test]
fn no_error_repeats_what_may_be_secret() {
    block_on(async {
        let (server, client, _events) = Server::negotiated().await;
        let pending = client.send("object-add", &json!({"data": "hunter2"}));
        drop(server);

        let error = pending.answer().await.unwrap_err();

        assert!(!format!("{error:?} {error}").contains("hunter2"));
    });
}
