//! What is behind a character device, in the two forms that QEMU takes: `-chardev` and
//! `chardev-add`.

use serde_json::{Map, Value, json};

use super::Fd;
use super::argument::{Argument, on_off};

/// A character device of QEMU.
#[derive(Clone, Debug)]
pub(super) struct Chardev {
    /// QEMU's name for it.
    pub(super) id: String,
    /// What is behind it.
    pub(super) backend: Backend,
    /// Where everything is copied to, and whether what is there stays.
    pub(super) log: Option<(String, bool)>,
}

/// What is behind a character device.
#[derive(Clone, Debug)]
pub(super) enum Backend {
    /// One that needs to know nothing: `null`, `pty`, `vc`, `stdio`.
    Plain(&'static str),
    /// A file that is written to.
    File { path: String, append: bool },
    /// A device or pipe of the host: `serial`, `parallel`, `pipe`.
    Device { kind: &'static str, path: String },
    /// A stream socket.
    Socket(Socket),
    /// UDP packets.
    Udp { remote: (String, String), local: Option<(String, String)> },
    /// A channel of a SPICE display that belongs to a device, by its type.
    Spicevmc(&'static str),
    /// A channel of a SPICE display, by name.
    Spiceport(String),
    /// QEMU's own end of the SPICE agent's protocol.
    Vdagent { clipboard: Option<bool>, mouse: Option<bool> },
    /// A name on the bus of a D-Bus display.
    Dbus(String),
}

/// A stream socket.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    /// Which one.
    pub(super) address: SocketAddress,
    /// Whether QEMU listens.
    pub(super) server: bool,
    /// Whether telnet's negotiations are spoken.
    pub(super) telnet: bool,
    /// The object with the certificates.
    pub(super) tls: Option<String>,
    /// How long QEMU waits before it connects again, in the words of its version; 0 for never.
    pub(super) reconnect: Option<(&'static str, u64)>,
}

impl Socket {
    /// A connection to `address`, made once.
    pub(super) fn connected(address: SocketAddress) -> Self {
        Self { address, server: false, telnet: false, tls: None, reconnect: None }
    }

    /// A socket on which QEMU listens.
    pub(super) fn listening(address: SocketAddress) -> Self {
        Self { server: true, ..Self::connected(address) }
    }
}

/// Which stream socket.
#[derive(Clone, Debug)]
pub(super) enum SocketAddress {
    /// One that is open already.
    Fd(Box<Fd>),
    /// A UNIX socket that QEMU connects to by its path.
    Unix(String),
    /// A host and a port.
    Inet(String, String),
}

impl Chardev {
    /// One without a log.
    pub(super) fn new(id: impl Into<String>, backend: Backend) -> Self {
        Self { id: id.into(), backend, log: None }
    }

    /// The descriptor that it is made of, if it is one that QEMU takes by number or name.
    pub(super) fn fd(&self) -> Option<&Fd> {
        match &self.backend {
            Backend::Socket(Socket { address: SocketAddress::Fd(fd), .. }) => Some(fd),
            _ => None,
        }
    }

    /// Whether a SPICE agent is behind it.
    pub(super) fn is_spice_agent(&self) -> bool {
        matches!(self.backend, Backend::Spicevmc(_) | Backend::Vdagent { .. })
    }

    /// The value of `-chardev`; `number` is the one of its descriptor.
    pub(super) fn argument(&self, number: Option<i32>) -> String {
        let mut argument = Argument::new(self.backend.kind());
        argument.add("id", &self.id);
        let mut add = |name: &str, value: &str| {
            argument.add(name, value);
        };
        match &self.backend {
            Backend::Plain(_) => {}
            Backend::File { path, append } => {
                add("path", path);
                add("append", on_off(*append));
            }
            Backend::Device { path, .. } => add("path", path),
            Backend::Socket(socket) => {
                match &socket.address {
                    SocketAddress::Fd(_) => add("fd", &number.unwrap_or_default().to_string()),
                    SocketAddress::Unix(path) => add("path", path),
                    SocketAddress::Inet(host, port) => {
                        add("host", host);
                        add("port", port);
                    }
                }
                if socket.telnet {
                    add("telnet", "on");
                }
                if socket.server {
                    add("server", "on");
                    add("wait", "off");
                }
                if let Some((name, time)) = socket.reconnect {
                    add(name, &time.to_string());
                }
                if let Some(tls) = &socket.tls {
                    add("tls-creds", tls);
                }
            }
            Backend::Udp { remote, local } => {
                add("host", &remote.0);
                add("port", &remote.1);
                if let Some((host, port)) = local {
                    add("localaddr", host);
                    add("localport", port);
                }
            }
            Backend::Spicevmc(name) => add("name", name),
            Backend::Spiceport(name) | Backend::Dbus(name) => add("name", name),
            Backend::Vdagent { clipboard, mouse } => {
                add("name", "vdagent");
                if let Some(clipboard) = clipboard {
                    add("clipboard", on_off(*clipboard));
                }
                if let Some(mouse) = mouse {
                    add("mouse", on_off(*mouse));
                }
            }
        }
        if let Some((path, append)) = &self.log {
            add("logfile", path);
            add("logappend", on_off(*append));
        }
        argument.into_text()
    }

    /// The arguments of `chardev-add`.
    pub(super) fn command(&self) -> Value {
        let mut data = Map::new();
        let mut add = |name: &str, value: Value| {
            data.insert(name.to_owned(), value);
        };
        match &self.backend {
            Backend::Plain(_) => {}
            Backend::File { path, append } => {
                add("out", path.as_str().into());
                add("append", (*append).into());
            }
            Backend::Device { path, .. } => add("device", path.as_str().into()),
            Backend::Socket(socket) => {
                add("addr", socket.address.command());
                // QEMU's default differs between the two forms.
                add("server", socket.server.into());
                if socket.server {
                    add("wait", false.into());
                }
                if socket.telnet {
                    add("telnet", true.into());
                }
                if let Some((name, time)) = socket.reconnect {
                    add(name, time.into());
                }
                if let Some(tls) = &socket.tls {
                    add("tls-creds", tls.as_str().into());
                }
            }
            Backend::Udp { remote, local } => {
                add("remote", inet(&remote.0, &remote.1));
                local.iter().for_each(|(host, port)| add("local", inet(host, port)));
            }
            Backend::Spicevmc(name) => add("type", (*name).into()),
            Backend::Spiceport(name) => add("fqdn", name.as_str().into()),
            Backend::Dbus(name) => add("name", name.as_str().into()),
            Backend::Vdagent { clipboard, mouse } => {
                clipboard.iter().for_each(|clipboard| add("clipboard", (*clipboard).into()));
                mouse.iter().for_each(|mouse| add("mouse", (*mouse).into()));
            }
        }
        if let Some((path, append)) = &self.log {
            add("logfile", path.as_str().into());
            add("logappend", (*append).into());
        }
        json!({"id": self.id, "backend": {"type": self.backend.kind(), "data": data}})
    }
}

impl Backend {
    /// QEMU's name for what is behind it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Plain(kind) | Self::Device { kind, .. } => kind,
            Self::File { .. } => "file",
            Self::Socket(_) => "socket",
            Self::Udp { .. } => "udp",
            Self::Spicevmc(_) => "spicevmc",
            Self::Spiceport(_) => "spiceport",
            Self::Vdagent { .. } => "qemu-vdagent",
            Self::Dbus(_) => "dbus",
        }
    }
}

impl SocketAddress {
    fn command(&self) -> Value {
        match self {
            Self::Fd(fd) => json!({"type": "fd", "data": {"str": fd.name}}),
            Self::Unix(path) => json!({"type": "unix", "data": {"path": path}}),
            Self::Inet(host, port) => inet(host, port),
        }
    }
}

fn inet(host: &str, port: &str) -> Value {
    json!({"type": "inet", "data": {"host": host, "port": port}})
}
