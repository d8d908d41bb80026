//! The client against the QEMU of this machine, without a guest: `-machine none`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sys::fd;
use sys::process::{Child, Program, Signal};
use sys::runtime::{self, Socket, block_on};

use crate::client::Client;
use crate::events::Events;
use crate::message::ErrorClass;
use crate::mux;
use crate::schema::Schema;
use crate::scripted::{LIMIT, name};

const QEMU: &str = "/usr/bin/qemu-system-x86_64";

/// A QEMU that goes with the test, however that ends.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.0.process().kill(Signal::KILL).unwrap();
            self.0.wait().unwrap();
        }
    }
}

/// Starts QEMU with its monitor on descriptor 3; nothing where there is no QEMU.
fn start(chardev: &str, monitor: OwnedFd) -> Option<Qemu> {
    if !Path::new(QEMU).exists() {
        println!("not tested: there is no {QEMU}");
        return None;
    }
    let argv = [QEMU, "-machine", "none", "-nodefaults", "-display", "none", "-S"];
    let argv = argv.into_iter().chain(["-chardev", chardev, "-mon", "chardev=qmp,mode=control"]);
    let argv = argv.map(Into::into).collect();
    let descriptors = vec![(monitor, 3)];
    Some(Qemu(Program { argv, descriptors, ..Program::default() }.spawn().unwrap()))
}

/// A QEMU that is connected with us for all its life.
async fn connected() -> Option<(Qemu, Client, Events)> {
    let (near, far) = fd::socketpair().unwrap();
    let qemu = start("socket,id=qmp,fd=3", far)?;
    let (client, events) = Client::open(Socket::try_from(near).unwrap(), LIMIT).await.unwrap();
    Some((qemu, client, events))
}

async fn end(mut qemu: Qemu, client: Client) {
    client.quit(LIMIT).await.unwrap();
    runtime::within(LIMIT, runtime::exited(qemu.0.process())).await.unwrap().unwrap();
    assert!(qemu.0.wait().unwrap().success());
}

#[test]
fn the_schema_arrives_whole_and_judges_like_qemu() {
    block_on(async {
        let Some((qemu, client, _events)) = connected().await else { return };

        let reply = client.execute("query-qmp-schema", &Value::Null).await.unwrap();
        // QEMU 7.2's is 170 KB long, 10.0's 240 KB: several reads of a socket.
        assert!(reply.to_string().len() > 150_000);
        let text = Schema::text_of(&reply).unwrap();
        let schema = Schema::from_text(&text);
        let options = schema.command("blockdev-add").unwrap().arguments().unwrap();
        let file = options.variant("file").unwrap();
        assert!(file.member("aio").unwrap().has_value("threads"));
        assert!(schema.commands().count() > 200);

        for (command, arguments) in [
            ("query-status", Value::Null),
            ("query-status", json!({"bogus": 1})),
            ("no-such-command", Value::Null),
            ("blockdev-add", json!({"driver": "null-co", "node-name": "a", "size": 512})),
            ("blockdev-add", json!({"driver": "null-co", "node-name": "b", "size": "512"})),
            ("blockdev-add", json!({"driver": "raw", "node-name": "c", "file": "a"})),
            ("blockdev-add", json!({"driver": "raw", "node-name": "d"})),
            (
                "blockdev-add",
                json!({"driver": "raw", "node-name": "e", "file": {
                "driver": "null-co", "aio": "threads"}}),
            ),
            ("blockdev-add", json!({"driver": "trim", "node-name": "f"})),
            ("chardev-add", json!({"id": "n", "backend": {"type": "null", "data": {}}})),
            ("chardev-add", json!({"id": "o", "backend": {"type": "null"}})),
            ("object-add", json!({"qom-type": "secret", "id": "s", "data": "x"})),
            ("object-add", json!({"qom-type": "secret", "id": "t", "data": ["x"]})),
        ] {
            let findings = schema.check(command, &arguments);
            let fits = !findings.iter().any(crate::schema::Finding::is_error);
            let answer = client.execute(command, &arguments).await;
            assert_eq!(fits, answer.is_ok(), "{command} {arguments}: {findings:?} {answer:?}");
        }
        end(qemu, client).await;
    });
}

#[test]
fn commands_are_pipelined_and_events_come_before_their_answers() {
    block_on(async {
        let Some((qemu, client, mut events)) = connected().await else { return };

        let pending = ["query-name", "cont", "query-status", "stop"]
            .map(|command| client.send(command, &Value::Null));
        let mut answers = Vec::new();
        for pending in pending {
            answers.push(pending.answer().await.unwrap());
        }

        assert_eq!(answers[2]["status"], "running");
        assert_eq!(name(events.try_next()), "RESUME");
        assert_eq!(name(events.try_next()), "STOP");
        let refused = client.execute("device_del", &json!({"id": "x"})).await.unwrap_err();
        assert_eq!(refused.class(), Some(&ErrorClass::DeviceNotFound));

        end(qemu, client).await;
        assert_eq!(name(events.next().await), "SHUTDOWN");
        assert_eq!(events.next().await, None);
    });
}

#[test]
fn descriptors_reach_the_sets_that_they_were_sent_for() {
    block_on(async {
        let Some((qemu, client, _events)) = connected().await else { return };
        let sizes = [512, 1024, 1536];

        let mut pending = Vec::new();
        for (set, size) in sizes.iter().enumerate() {
            let image = tempfile::tempfile().unwrap();
            image.set_len(*size).unwrap();
            let arguments = json!({"fdset-id": set, "opaque": format!("image {set}")});
            pending.push(client.send_with_fd("add-fd", &arguments, image.into()));
            let node = json!({"driver": "file", "node-name": format!("node{set}"),
                "filename": format!("/dev/fdset/{set}")});
            pending.push(client.send("blockdev-add", &node));
            pending.push(client.send("remove-fd", &json!({"fdset-id": set})));
        }
        for pending in pending {
            pending.answer().await.unwrap();
        }
        let nodes = client.execute("query-named-block-nodes", &Value::Null).await.unwrap();

        let size_of = |set: usize| {
            let node = nodes.as_array().unwrap().iter();
            let mut node = node.filter(|node| node["node-name"] == format!("node{set}"));
            node.next().unwrap()["image"]["virtual-size"].clone()
        };
        assert_eq!([size_of(0), size_of(1), size_of(2)], sizes.map(Value::from));
        let missing = client.execute("add-fd", &json!({"fdset-id": 7})).await.unwrap_err();
        assert_eq!(missing.class(), Some(&ErrorClass::GenericError));

        let null = File::open("/dev/null").unwrap();
        client.execute_with_fd("getfd", &json!({"fdname": "n"}), null.into()).await.unwrap();
        client.execute("closefd", &json!({"fdname": "n"})).await.unwrap();
        end(qemu, client).await;
    });
}

#[test]
fn another_client_takes_over_a_listening_monitor() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        let Some(qemu) = start("socket,id=qmp,fd=3,server=on,wait=off", listener.into()) else {
            return;
        };

        let (first, _events) = Client::connect(&path, LIMIT).await.unwrap();
        let node = json!({"driver": "null-co", "node-name": "kept"});
        first.execute("blockdev-add", &node).await.unwrap();
        let second = Client::connect(&path, Duration::from_millis(50)).await.unwrap_err();
        assert!(second.to_string().contains("QEMU's greeting"), "{second}");
        // Unanswered when we leave: its answer must not confuse the next.
        let unanswered = first.send("query-qmp-schema", &Value::Null);
        drop((unanswered, first));

        let (next, _events) = Client::connect(&path, LIMIT).await.unwrap();
        let nodes = next.execute("query-named-block-nodes", &Value::Null).await.unwrap();
        assert_eq!(nodes[0]["node-name"], "kept");
        end(qemu, next).await;
    });
}

#[test]
fn a_qemu_that_does_not_start_is_told_at_once() {
    block_on(async {
        let (near, far) = fd::socketpair().unwrap();
        let Some(mut qemu) = start("no-such-backend,id=qmp", far) else { return };

        let error = Client::open(Socket::try_from(near).unwrap(), LIMIT).await.unwrap_err();

        assert!(error.to_string().contains("closed the connection"), "{error}");
        assert_eq!(qemu.0.wait().unwrap().code(), Some(1));
    });
}

#[test]
fn a_client_of_the_multiplexer_is_answered_as_by_qemu_itself() {
    block_on(async {
        let Some((qemu, client, _events)) = connected().await else { return };
        let (near, far) = Socket::pair().unwrap();
        let others = client.clone();
        let serving =
            runtime::spawn(async move { mux::serve(&others, far, &[], |_| Ok(())).await });

        let (other, mut events) = Client::open(near, LIMIT).await.unwrap();
        let image = tempfile::tempfile().unwrap();
        let set = other.execute_with_fd("add-fd", &json!({"fdset-id": 5}), image.into()).await;
        assert_eq!(set.unwrap()["fdset-id"], 5);
        other.execute("cont", &Value::Null).await.unwrap();
        assert_eq!(name(events.try_next()), "RESUME");
        let again = other.execute("qmp_capabilities", &Value::Null).await.unwrap_err();
        assert_eq!(again.class(), Some(&ErrorClass::CommandNotFound));
        let schema = other.execute("query-qmp-schema", &Value::Null).await.unwrap();
        assert_eq!(schema, client.execute("query-qmp-schema", &Value::Null).await.unwrap());

        end(qemu, client).await;
        assert!(matches!(serving.await, mux::Ended::Disconnected));
        assert_eq!(name(events.find(|event| event.name == "SHUTDOWN").await), "SHUTDOWN");
        assert_eq!(events.next().await, None);
    });
}
