//! `list`, `domstate`, and the commands to a guest that does not run.

use std::fs;
use std::os::unix::net::UnixListener;
use std::thread;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::common::Home;
use crate::document;

#[test]
fn the_list_is_a_table_as_virsh_prints_it() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));
    home.define(&document("database", ""));

    let all = home.vdomain(&["list", "--all"]).done().out;
    let running = home.vdomain(&["list"]).done().out;

    assert_eq!(
        all,
        " Id   Name       State\n\
         ---------------------------\n \
         -    database   shut off\n \
         -    web        shut off\n"
    );
    assert_eq!(running.lines().count(), 2, "{running}");
}

#[test]
fn the_list_as_json_says_the_same() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));

    let list = home.vdomain(&["list", "--all", "--json"]).done().out;

    assert_eq!(
        serde_json::from_str::<Value>(&list).unwrap(),
        json!([{ "name": "web", "id": null, "state": "shut off", "persistent": true }])
    );
}

#[test]
fn a_list_of_nothing_is_empty_json() {
    assert_eq!(Home::new().vdomain(&["list", "--all", "--json"]).done().out, "[]\n");
}

#[test]
fn the_state_of_a_guest_that_does_not_run_is_shut_off() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));

    assert_eq!(home.vdomain(&["domstate", "web"]).done().out, "shut off\n");
    let state = home.vdomain(&["domstate", "--json", "web"]).done().out;
    assert_eq!(serde_json::from_str::<Value>(&state).unwrap()["state"], "shut off");
}

#[test]
fn a_guest_that_does_not_run_cannot_be_told_anything() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));

    for command in ["shutdown", "destroy", "suspend", "resume", "console"] {
        let said = home.vdomain(&[command, "web"]).fails(4);
        assert_eq!(said, "error: domain 'web' is not running\n", "{command}");
    }
}

#[test]
fn several_domains_are_told_at_once_and_each_says_what_came_of_it() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));
    home.define(&document("database", ""));

    let both = home.vdomain(&["destroy", "web", "database", "web"]).fails(4);
    let one_unknown = home.vdomain(&["destroy", "web", "nowhere"]).fails(1);
    let console = home.vdomain(&["start", "--console", "web", "database"]).fails(2);

    let mut lines: Vec<&str> = both.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["error: domain 'database' is not running", "error: domain 'web' is not running"]
    );
    assert!(one_unknown.contains("error: no domain 'nowhere'\n"), "{one_unknown}");
    assert!(one_unknown.contains("error: domain 'web' is not running\n"), "{one_unknown}");
    assert!(console.contains("--console is for one domain"), "{console}");
}

#[test]
fn what_there_is_to_know_is_printed_as_virsh_does() {
    let Some(home) = Home::with_qemu() else { return };
    let uuid = "f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff";
    let with_uuid = ["</name><uuid>", uuid, "</uuid>"].concat();
    home.define(&document("web", "").replace("</name>", &with_uuid));

    let text = home.vdomain(&["dominfo", "web"]).done().out;
    let json = home.vdomain(&["dominfo", "--json", "web"]).done().out;

    assert_eq!(
        text,
        format!(
            "Id:             -
Name:           web
UUID:           {uuid}
OS Type:        hvm
State:          shut off
CPU(s):         1
Max memory:     65536 KiB
Used memory:    65536 KiB
Persistent:     yes
Autostart:      disable
"
        )
    );
    assert_eq!(
        serde_json::from_str::<Value>(&json).unwrap(),
        json!({
            "id": null, "name": "web", "uuid": uuid, "os_type": "hvm", "state": "shut off",
            "vcpus": 1, "max_memory_kib": 65536, "used_memory_kib": 65536, "persistent": true,
            "autostart": false,
        })
    );
    assert_eq!(home.vdomain(&["domstate", "--reason", "web"]).done().out, "shut off (unknown)\n");
}

#[test]
fn a_wrong_command_line_is_said_to_be_one() {
    let home = Home::new();

    home.vdomain(&[]).fails(2);
    home.vdomain(&["define"]).fails(2);
    home.vdomain(&["list", "--al"]).fails(2);
    let said = home.vdomain(&["defin", "guest.xml"]).fails(2);

    assert!(said.contains("'define'"), "{said}");
}

#[test]
fn output_that_nobody_reads_is_no_error() {
    let Some(home) = Home::with_qemu() else { return };
    home.define(&document("web", ""));
    let mut reader = home.command(&["dumpxml", "web"]);
    let (read, write) = std::io::pipe().unwrap();
    drop(read);

    let mut child = reader.stdout(write).spawn().unwrap();

    assert!(child.wait().unwrap().success());
}

#[test]
fn a_supervisor_that_ends_before_it_replies_is_replaced() {
    let home = Home::new();
    let run = home.path("home/run/ghost");
    fs::create_dir_all(&run).unwrap();
    let listener = UnixListener::bind(run.join("control")).unwrap();
    let supervisor = thread::spawn(move || {
        let connection = listener.accept().unwrap();
        drop(listener);
        drop(connection);
    });

    let said = home.vdomain(&["domstate", "ghost"]).done().out;

    assert_eq!(said, "shut off\n");
    assert!(!run.exists(), "what is left of a guest that is gone is cleared away");
    supervisor.join().unwrap();
}
