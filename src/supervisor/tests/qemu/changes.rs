//! Changes of a guest whose QEMU refuses a step: all that was done before is taken back.

use std::fs;
use std::path::Path;
use std::thread;

use pretty_assertions::assert_eq;
use qemu::Change;
use qemu::change::{Step, Undo};
use qemu::plan::{Access, Command, Fd, Open};
use serde_json::{Value, json};
use supervisor::change::{Order, Record};
use supervisor::client::AskError;
use supervisor::launch::{NoFaults, launch};
use supervisor::{Client, driver};
use sys::runtime::block_on;

use crate::control::Watched;
use crate::machine::{qemu_binary, request};

/// A step and what takes it back.
fn step(execute: &str, arguments: Value, undo: (&str, Value), fds: &[&str]) -> Step {
    let command = Command {
        execute: execute.to_owned(),
        arguments,
        fds: fds.iter().map(|name| (*name).to_owned()).collect(),
        purpose: "disk vdb".to_owned(),
        ..Command::default()
    };
    Step { command, undo: Some(Undo { execute: undo.0.to_owned(), arguments: undo.1 }) }
}

/// Something of each kind that can be added without a machine.
fn steps() -> Vec<Step> {
    let id = |id: &str| json!({ "id": id });
    vec![
        step("add-fd", json!({"fdset-id": 7}), ("remove-fd", json!({"fdset-id": 7})), &["image"]),
        step(
            "blockdev-add",
            json!({"driver": "file", "node-name": "m", "filename": "/dev/fdset/7"}),
            ("blockdev-del", json!({"node-name": "m"})),
            &[],
        ),
        step(
            "blockdev-add",
            json!({"driver": "raw", "node-name": "f", "file": "m"}),
            ("blockdev-del", json!({"node-name": "f"})),
            &[],
        ),
        step(
            "object-add",
            json!({"qom-type": "iothread", "id": "thread"}),
            ("object-del", id("thread")),
            &[],
        ),
        step(
            "chardev-add",
            json!({"id": "port", "backend": {"type": "null", "data": {}}}),
            ("chardev-remove", id("port")),
            &[],
        ),
    ]
}

/// A change of these steps, for which a file in `home` is opened.
fn order(home: &Path, revision: u64, steps: Vec<Step>) -> Order {
    let image = home.join("more.img");
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    let opens = steps.iter().any(|step| !step.command.fds.is_empty());
    let fd = Fd {
        name: "image".to_owned(),
        source: image.display().to_string(),
        open: Open::File { access: Access::Rw, direct: false },
        fdset: Some(7),
        ..Fd::default()
    };
    let change = Change {
        purpose: "attach disk vdb".to_owned(),
        revision,
        fds: opens.then_some(fd).into_iter().collect(),
        steps,
        document: "<domain><name>changed</name></domain>\n".to_owned(),
        ..Change::default()
    };
    Order { change, ..Order::default() }
}

/// What a QEMU has: block nodes, sets of descriptors, threads and character devices.
fn has(client: Client) -> Vec<Value> {
    let (qmp, _events) = client.qmp().unwrap();
    block_on(async {
        let mut has = Vec::new();
        for (command, arguments, name) in [
            ("query-named-block-nodes", Value::Null, "node-name"),
            ("query-fdsets", Value::Null, "fdset-id"),
            ("query-iothreads", Value::Null, "id"),
            ("query-chardev", Value::Null, "label"),
        ] {
            let list = qmp.execute(command, &arguments).await.unwrap();
            has.push(list.as_array().unwrap().iter().map(|one| one[name].clone()).collect());
        }
        has
    })
}

#[test]
fn whichever_step_fails_the_guest_is_as_before() {
    let Some(guest) = Watched::start("undone") else { return };
    // QEMU before 9.1 keeps a set that was removed until the guest runs.
    guest.client().call("Resume", json!({})).unwrap();
    let home = tempfile::tempdir().unwrap();
    let before = (has(guest.client()), Record::read(&guest.run).unwrap());
    let document = fs::read_to_string(guest.run.document()).unwrap();

    for at in 0..=steps().len() {
        let mut steps = steps();
        let refused = step("blockdev-del", json!({"node-name": "none"}), ("stop", json!({})), &[]);
        steps.insert(at, refused);
        let error = guest.client().change(&order(home.path(), 0, steps)).unwrap_err();
        assert!(error.to_string().starts_with("disk vdb: "), "{at}: {error}");
        let after = (has(guest.client()), Record::read(&guest.run).unwrap());
        assert_eq!(after, before, "step {at}");
    }
    assert_eq!(fs::read_to_string(guest.run.document()).unwrap(), document);

    assert!(guest.client().change(&order(home.path(), 0, steps())).unwrap());
    let record = Record::read(&guest.run).unwrap();
    assert_eq!(record.inventory.revision, 1);
    assert_eq!(record.inventory.told.len(), before.1.inventory.told.len() + steps().len());
    assert_ne!(has(guest.client()), before.0);
    assert!(fs::read_to_string(guest.run.document()).unwrap().contains("changed"));
    let late = guest.client().change(&order(home.path(), 0, steps())).unwrap_err();
    assert!(matches!(late, AskError::Changed), "{late}");
    guest.destroy();
}

#[test]
fn what_cannot_be_opened_is_said_before_anything_is_told() {
    let Some(guest) = Watched::start("unopened") else { return };
    let home = tempfile::tempdir().unwrap();
    let before = has(guest.client());
    let mut order = order(home.path(), 0, steps());
    order.change.fds[0].source = "/nowhere/image".to_owned();

    let error = guest.client().change(&order).unwrap_err();

    assert!(error.to_string().contains("cannot open '/nowhere/image'"), "{error}");
    assert_eq!(has(guest.client()), before);
    guest.destroy();
}

#[test]
fn a_change_that_nobody_finished_is_taken_back() {
    let Some(binary) = qemu_binary() else { return };
    let home = tempfile::tempdir().unwrap();
    let request = request(&binary, home.path(), "unfinished");
    let run = request.run_directory().unwrap();
    let guest = block_on(launch(request, &NoFaults)).unwrap();
    let node = json!({"driver": "null-co", "node-name": "half"});
    block_on(guest.client.execute("blockdev-add", &node)).unwrap();
    let mut record = Record::read(&run).unwrap();
    let arguments = json!({"node-name": "half"});
    record.undo.push(Undo { execute: "blockdev-del".to_owned(), arguments });
    record.write(&run).unwrap();

    let watcher = thread::spawn(|| block_on(driver::watch(guest)));

    let left = has(Client::connect(&run).unwrap());
    assert_eq!(left[0], json!(["n"]));
    assert!(Record::read(&run).unwrap().undo.is_empty());
    Client::connect(&run).unwrap().call("Destroy", json!({})).unwrap();
    watcher.join().unwrap().unwrap();
}
