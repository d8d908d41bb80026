//! Programs of others at the sockets of a guest: varlinkctl of systemd, and what speaks with QEMU as
//! QEMU's own `qmp-shell` does.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::common::{Home, Ran, not_tested, run};
use crate::document;

/// Runs varlinkctl, to which the socket is given behind the first word.
fn varlinkctl(socket: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new("varlinkctl");
    command.arg(arguments[0]).arg(socket).args(&arguments[1..]);
    run(command)
}

#[test]
fn varlinkctl_reads_every_interface_and_calls_their_methods() {
    if Command::new("varlinkctl").arg("--version").stdout(Stdio::null()).status().is_err() {
        return not_tested("varlinkctl is not installed");
    }
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("varlink", ""));
    home.vdomain(&["start", "--paused", "varlink"]).done();
    let socket = home.path("home/run/varlink/control");

    let interfaces = varlinkctl(&socket, &["list-interfaces"]).done().out;
    assert_eq!(interfaces.lines().count(), 5, "{interfaces}");
    for interface in interfaces.lines() {
        let description = varlinkctl(&socket, &["introspect", interface]).done().out;
        let described = home.write("described", &description);
        let mut validate = Command::new("varlinkctl");
        validate.arg("validate-idl").arg(described);
        run(validate).done();
    }
    let call = |method: &str| {
        let reply = varlinkctl(&socket, &["call", method, "{}"]).done().out;
        serde_json::from_str::<Value>(&reply).unwrap()
    };
    call("org.vdomain.Domain.Resume");
    assert_eq!(call("org.vdomain.Domain.GetState")["state"], "running");
    call("io.systemd.MachineInstance.Pause");
    assert_eq!(call("io.systemd.MachineInstance.Describe")["running"], false);
    assert_eq!(call("org.vdomain.Domain.Describe")["description"]["name"], "varlink");
    let early = varlinkctl(&socket, &["call", "org.vdomain.Domain.SubscribeEvents", "{}"]);
    assert!(early.err.contains("ExpectedMore"), "{}", early.err);

    let mut subscriber = Command::new("varlinkctl");
    subscriber.args(["call", "--more"]).arg(&socket);
    subscriber.args(["org.vdomain.Domain.SubscribeEvents", "{\"filter\":[\"RESUME\"]}"]);
    let mut subscriber = subscriber.stdout(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(subscriber.stdout.take().unwrap()).lines();
    let mut next = || -> Value {
        let line = events.next().unwrap().unwrap();
        // RFC 7464: several documents in a row begin with a record separator each.
        serde_json::from_str(line.trim_start_matches('\x1e')).unwrap()
    };
    assert_eq!(next()["event"], "READY");
    call("org.vdomain.Domain.Resume");
    assert_eq!(next()["event"], "RESUME");
    home.vdomain(&["destroy", "varlink"]).done();
    subscriber.wait().unwrap();
}

#[test]
fn a_program_that_knows_only_qemus_protocol_has_a_socket() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("protocol", ""));
    home.vdomain(&["start", "--paused", "protocol"]).done();

    let clients = [(); 2].map(|()| {
        let socket = UnixStream::connect(home.path("home/run/protocol/qmp")).unwrap();
        (BufReader::new(socket.try_clone().unwrap()), socket)
    });
    for (mut said, mut socket) in clients {
        let mut next = || {
            let mut line = String::new();
            said.read_line(&mut line).unwrap();
            serde_json::from_str::<Value>(&line).unwrap()
        };
        assert!(next()["QMP"]["version"].is_object());
        socket.write_all(b"{\"execute\":\"qmp_capabilities\"}\n").unwrap();
        assert_eq!(next(), json!({ "return": {} }));
        socket.write_all(b"{\"execute\":\"query-name\",\"id\":\"mine\"}\n").unwrap();
        assert_eq!(next(), json!({ "return": { "name": "protocol" }, "id": "mine" }));
    }
}
