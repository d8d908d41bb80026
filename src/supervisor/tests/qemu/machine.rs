//! A guest without a machine, which every QEMU can run at once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use qemu::Plan;
use qemu::plan::{Access, Command, Fd, Helper, HelperSocket, Open};
use serde_json::json;
use supervisor::Request;
use supervisor::request::Lifecycle;

/// The binary, or a line that says what is missing.
pub(crate) fn qemu_binary() -> Option<String> {
    let path = "/usr/bin/qemu-system-x86_64";
    if Path::new(path).exists() {
        return Some(path.to_owned());
    }
    println!("not run: {path} is not installed");
    None
}

/// A guest without a machine: one image, one helper, one socket of its own.
pub(crate) fn request(binary: &str, home: &Path, name: &str) -> Request {
    let image = home.join("disk.img");
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    let argv = [
        binary,
        "-name",
        &format!("guest={name}"),
        "-S",
        "-no-user-config",
        "-nodefaults",
        "-no-shutdown",
        "-display",
        "none",
        "-machine",
        "none",
        "-chardev",
        "socket,id=charmonitor,fd=10,server=on,wait=off",
        "-mon",
        "chardev=charmonitor,id=monitor,mode=control",
        "-chardev",
        "socket,id=charchannel0,fd=11,server=on,wait=off",
        "-chardev",
        "pty,id=charserial0",
    ];
    let fd = |name: &str, source: &Path, open: Open, fd: Option<i32>| Fd {
        name: name.to_owned(),
        source: source.display().to_string(),
        open,
        fd,
        purpose: name.to_owned(),
        ..Fd::default()
    };
    let image_open = Open::File { access: Access::Rw, direct: false };
    Request {
        name: name.to_owned(),
        uuid: String::new(),
        run: home.join("run"),
        state: home.join("state"),
        machined: None,
        units: None,
        systemd: None,
        plan: Plan {
            argv: argv.map(str::to_owned).to_vec(),
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin".to_owned())]),
            helpers: vec![Helper {
                name: "fs0-virtiofsd".to_owned(),
                argv: vec!["/usr/bin/sleep".to_owned(), "1000".to_owned()],
                socket: HelperSocket::Inherited,
                purpose: "filesystem".to_owned(),
                ..Helper::default()
            }],
            fds: vec![
                fd("monitor", Path::new("monitor"), Open::Monitor, Some(10)),
                fd("channel0", &home.join("channel.sock"), Open::ListenUnix, Some(11)),
                fd("disk0", &image, image_open, None),
            ],
            qmp: vec![
                Command {
                    execute: "add-fd".to_owned(),
                    arguments: json!({ "fdset-id": 1 }),
                    fds: vec!["disk0".to_owned()],
                    purpose: "disk vda".to_owned(),
                    ..Command::default()
                },
                Command {
                    execute: "blockdev-add".to_owned(),
                    arguments: json!({
                        "driver": "file", "node-name": "n", "filename": "/dev/fdset/1",
                    }),
                    purpose: "disk vda".to_owned(),
                    ..Command::default()
                },
            ],
            ..Plan::default()
        },
        document: "<domain/>\n".to_owned(),
        lifecycle: Lifecycle {
            poweroff: "destroy".to_owned(),
            reboot: "restart".to_owned(),
            crash: "destroy".to_owned(),
            watchdog_dumps: false,
        },
        consoles: vec!["charserial0".to_owned()],
        environment: Vec::new(),
        variables: Vec::new(),
    }
}
