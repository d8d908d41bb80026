//! Putting the parts of a machine into words: arguments of QEMU, or commands to it.

use qmp::Schema;
use serde_json::{Map, Value, json};
use xml::{Origin, Part as ElementPart, Problem};

use super::builder::{Part, Step};
use super::{Command, Fd, Open};

/// Puts parts into words.
pub(super) struct Writer<'a> {
    pub(super) argv: Vec<String>,
    pub(super) fds: Vec<Fd>,
    pub(super) qmp: Vec<Command>,
    pub(super) next_fd: i32,
    pub(super) schema: Option<Schema<'a>>,
    pub(super) problems: Vec<Problem>,
}

/// Which way a part goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// On the command line: it is there when the machine is made.
    CommandLine,
    /// Over QMP, to the machine that is made and has not run yet.
    Qmp,
}

impl Writer<'_> {
    /// What of a part is on the command line.
    pub(super) fn arguments(&mut self, part: &Part, way: Way) {
        for step in &part.steps {
            match step {
                Step::Argument(option, value) => {
                    self.argv.push(format!("-{option}"));
                    self.argv.extend(value.clone());
                }
                Step::Word(word) => self.argv.push(word.clone()),
                _ if way == Way::Qmp => {}
                Step::Fdset(set, fds) => {
                    for fd in fds {
                        let number = self.inherit(fd.clone(), Some(*set));
                        let value = format!("set={set},fd={number},opaque={}", fd.name);
                        self.option("add-fd", value);
                    }
                }
                Step::Secret(id) => {
                    // Arguments can be read by everybody on the host.
                    let fd = Fd {
                        name: id.clone(),
                        source: format!("secret:{id}"),
                        open: Open::Secret { late: id.clone() },
                        purpose: part.purpose.clone(),
                        origin: part.origin,
                        ..Fd::default()
                    };
                    let file = format!("/proc/self/fd/{}", self.inherit(fd, None));
                    self.option("object", secret(id, "file", &file).to_string());
                }
                Step::Create(..) => {
                    let message = format!(
                        "{}: its overlay is made when QEMU runs already, and QEMU wants a disk on \
                         this bus before",
                        part.purpose
                    );
                    self.problems.push(
                        Problem::error(part.origin, ElementPart::Name, message)
                            .help("write bus='virtio' or bus='scsi', or leave out <transient/>"),
                    );
                }
                Step::Blockdev(node) => {
                    self.check((&part.purpose, part.origin), "blockdev-add", node);
                    self.option("blockdev", node.to_string());
                }
                Step::Object(object) => {
                    self.check((&part.purpose, part.origin), "object-add", object);
                    self.option("object", object.to_string());
                }
                Step::Netdev(properties, fds) => {
                    let netdev = self.with_numbers(properties, fds);
                    self.check((&part.purpose, part.origin), "netdev_add", &netdev);
                    self.option("netdev", netdev.to_string());
                }
                Step::Chardev(chardev) => {
                    let number = chardev.fd().map(|fd| self.inherit(fd.clone(), None));
                    self.option("chardev", chardev.argument(number));
                }
                Step::Device(device) => {
                    let device = self.with_numbers(&device.properties, &device.fds);
                    self.option("device", device.to_string());
                }
            }
        }
    }

    /// What of a part goes over QMP, if the part goes that way.
    pub(super) fn commands(&mut self, part: &Part) {
        for step in &part.steps {
            match step {
                Step::Argument(..) | Step::Word(_) => {}
                Step::Fdset(set, fds) => {
                    for fd in fds {
                        let arguments = json!({"fdset-id": set, "opaque": fd.name});
                        self.send(part, "add-fd", arguments, Some(fd));
                        self.fds.push(Fd { fdset: Some(*set), ..fd.clone() });
                    }
                }
                Step::Secret(id) => {
                    let object = secret(id, "data", &format!("{{{id}}}"));
                    self.send(part, "object-add", object, None);
                }
                Step::Create(job, options) => {
                    let arguments = json!({"job-id": job, "options": options});
                    self.send(part, "blockdev-create", arguments, None);
                }
                Step::Blockdev(node) => self.send(part, "blockdev-add", node.clone(), None),
                Step::Object(object) => self.send(part, "object-add", object.clone(), None),
                Step::Netdev(properties, fds) => {
                    let netdev = self.with_names(part, properties, fds);
                    self.send(part, "netdev_add", netdev, None);
                }
                Step::Chardev(chardev) => {
                    if let Some(fd) = chardev.fd() {
                        self.getfd(part, fd);
                    }
                    self.send(part, "chardev-add", chardev.command(), None);
                }
                Step::Device(device) => {
                    let device = self.with_names(part, &device.properties, &device.fds);
                    self.send(part, "device_add", device, None);
                }
            }
        }
    }

    fn option(&mut self, option: &str, value: String) {
        self.argv.push(format!("-{option}"));
        self.argv.push(value);
    }

    /// Notes what this QEMU would not take of a command, or of an option that has the form of one.
    pub(super) fn check(
        &mut self,
        (purpose, origin): (&str, Origin),
        execute: &str,
        arguments: &Value,
    ) {
        let findings = self.schema.iter().flat_map(|schema| schema.check(execute, arguments));
        let errors = findings.filter(|finding| finding.is_error()).map(|finding| {
            let message = format!("{purpose}: this QEMU cannot do it: {finding}");
            Problem::error(origin, ElementPart::Name, message)
        });
        self.problems.extend(errors);
    }

    fn send(&mut self, part: &Part, execute: &str, arguments: Value, fd: Option<&Fd>) {
        self.check((&part.purpose, part.origin), execute, &arguments);
        self.qmp.push(Command {
            execute: execute.to_owned(),
            arguments,
            fds: fd.iter().map(|fd| fd.name.clone()).collect(),
            purpose: part.purpose.clone(),
            at: None,
            origin: part.origin,
        });
    }

    fn inherit(&mut self, fd: Fd, fdset: Option<u32>) -> i32 {
        let number = self.next_fd;
        self.next_fd += 1;
        self.fds.push(Fd { fd: Some(number), fdset, ..fd });
        number
    }

    fn getfd(&mut self, part: &Part, fd: &Fd) {
        self.send(part, "getfd", json!({"fdname": fd.name}), Some(fd));
        self.fds.push(Fd { getfd: true, ..fd.clone() });
    }

    fn with_numbers(
        &mut self,
        properties: &Map<String, Value>,
        fds: &[(&'static str, Vec<Fd>)],
    ) -> Value {
        let mut properties = properties.clone();
        for (property, fds) in fds {
            let numbers: Vec<String> =
                fds.iter().map(|fd| self.inherit(fd.clone(), None).to_string()).collect();
            put(&mut properties, property, numbers.join(":"));
        }
        properties.into()
    }

    fn with_names(
        &mut self,
        part: &Part,
        properties: &Map<String, Value>,
        fds: &[(&'static str, Vec<Fd>)],
    ) -> Value {
        let mut properties = properties.clone();
        for (property, fds) in fds {
            for fd in fds {
                self.getfd(part, fd);
            }
            let names: Vec<&str> = fds.iter().map(|fd| fd.name.as_str()).collect();
            put(&mut properties, property, names.join(":"));
        }
        properties.into()
    }
}

/// An object with a secret, whose value in base64 is in the property `member`.
fn secret(id: &str, member: &str, value: &str) -> Value {
    json!({"qom-type": "secret", "id": id, member: value, "format": "base64"})
}

/// Puts descriptors into a property: as its text, or as the text of a socket's address.
fn put(properties: &mut Map<String, Value>, property: &str, text: String) {
    match properties.get_mut(property) {
        Some(Value::Object(address)) => address.insert("str".to_owned(), text.into()),
        _ => properties.insert(property.to_owned(), text.into()),
    };
}
