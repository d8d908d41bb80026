//! What is behind a character device, from the document's words to QEMU's.

use base::{OnOff, YesNo};
use conf::device::chardev::{self as document, ChardevSource, MouseMode, SourceMode, TcpProtocol};
use conf::device::reconnect::Reconnect;

use super::chardev::{Backend, Chardev, Socket, SocketAddress};
use super::{Access, Builder, Open, secret};
use crate::answers::Question;
use crate::host::Host;

/// The words of the kind of device that differ from kind to kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// QEMU's backend for a device of the host.
    pub(super) device: &'static str,
    /// The type of a channel of SPICE.
    pub(super) spicevmc: &'static str,
}

impl Words {
    /// Those of most devices.
    pub(super) const USUAL: Self = Self { device: "serial", spicevmc: "vdagent" };
}

/// The character device behind a device called `alias`; a UNIX socket without a path is at
/// `default_path`. `None`: it was refused.
///
/// libvirt: `qemuBuildChardevStr`.
pub(super) fn chardev(
    builder: &mut Builder<'_>,
    alias: &str,
    chardev: &document::Chardev,
    words: Words,
    default_path: Option<String>,
) -> Option<Chardev> {
    let backend = backend(builder, alias, &chardev.source, words, default_path)?;
    let log = chardev.log.as_ref().and_then(|log| {
        let append = log.append == Some(OnOff::On);
        let fd = builder.fd(format!("{alias}-log"), log.file.clone()?, Open::Log { append });
        Some((builder.fdset(vec![fd]), true))
    });
    Some(Chardev { id: format!("char{alias}"), backend, log })
}

/// What to look at: where the secrets of certificates are, of VNC's too.
pub(super) fn questions(host: &Host) -> impl Iterator<Item = Question> {
    let certificates = [&host.settings.chardev_tls, &host.settings.vnc.tls];
    let lookups = certificates.into_iter().flatten().filter_map(secret::tls_lookup);
    lookups.map(|lookup| secret::question(host, "tls", &lookup))
}

fn backend(
    builder: &mut Builder<'_>,
    alias: &str,
    source: &ChardevSource,
    words: Words,
    default_path: Option<String>,
) -> Option<Backend> {
    let path = source.path().map(str::to_owned).or(default_path);
    let mut path = || {
        if path.is_none() {
            builder.refuse("<source> needs attribute 'path'");
        }
        path.clone()
    };
    Some(match source {
        ChardevSource::Null => Backend::Plain("null"),
        ChardevSource::Vc => Backend::Plain("vc"),
        ChardevSource::Pty(_) => Backend::Plain("pty"),
        ChardevSource::Stdio => Backend::Plain("stdio"),
        ChardevSource::File(file) => {
            let append = file.source.append == Some(OnOff::On);
            let path = path()?;
            let fd = builder.fd(format!("{alias}-source"), path, Open::Log { append });
            // It was emptied when it was opened, if that was asked for.
            Backend::File { path: builder.fdset(vec![fd]), append: true }
        }
        ChardevSource::Dev(_) => {
            let open = Open::Device { access: Access::Rw };
            let path = path()?;
            let fd = builder.fd(format!("{alias}-source"), path, open);
            Backend::Device { kind: words.device, path: builder.fdset(vec![fd]) }
        }
        ChardevSource::Pipe(_) => {
            // QEMU opens PATH.in and PATH.out if they are there.
            let path = path()?;
            let path = in_directory(builder, &format!("{alias}-directory"), &path);
            Backend::Device { kind: "pipe", path }
        }
        ChardevSource::Unix(unix) => {
            let path = path()?;
            let reconnect = unix.source.reconnect.as_ref();
            Backend::Socket(self::unix(builder, alias, unix.source.mode, path, reconnect))
        }
        ChardevSource::Tcp(tcp) => Backend::Socket(self::tcp(builder, alias, tcp)?),
        ChardevSource::Udp(udp) => {
            let end = |source: Option<&document::UdpSource>, host: &str| {
                let source = source?;
                Some((
                    source.host.clone().unwrap_or_else(|| host.to_owned()),
                    source.service.clone().unwrap_or_else(|| "0".to_owned()),
                ))
            };
            let remote = end(udp.connect(), "").unwrap_or_default();
            builder.by_path(
                format!("udp:{}:{}", remote.0, remote.1),
                "QEMU makes sockets for UDP by itself",
            );
            Backend::Udp { remote, local: end(udp.bind(), "") }
        }
        ChardevSource::Spicevmc => Backend::Spicevmc(words.spicevmc),
        ChardevSource::Spiceport(port) => {
            Backend::Spiceport(port.source.channel.clone().unwrap_or_default())
        }
        ChardevSource::Dbus(port) => Backend::Dbus(port.source.channel.clone().unwrap_or_default()),
        ChardevSource::QemuVdagent(agent) => Backend::Vdagent {
            clipboard: agent.source.clipboard.map(bool::from),
            mouse: agent.source.mouse.map(|mode| mode == MouseMode::Client),
        },
        ChardevSource::Nmdm(_) => {
            builder.refuse("a device of type 'nmdm' is only for FreeBSD");
            return None;
        }
    })
}

fn unix(
    builder: &mut Builder<'_>,
    alias: &str,
    mode: SourceMode,
    path: String,
    reconnect: Option<&Reconnect>,
) -> Socket {
    let name = format!("{alias}-source");
    if mode == SourceMode::Bind {
        let fd = builder.fd(name, path, Open::ListenUnix);
        return Socket::listening(SocketAddress::Fd(Box::new(fd)));
    }
    let reconnect = self::reconnect(builder, reconnect);
    if reconnect.is_some_and(|(_, time)| time > 0) {
        builder.by_path(path.clone(), "QEMU connects to it again after the other side went away");
        return Socket { reconnect, ..Socket::connected(SocketAddress::Unix(path)) };
    }
    let fd = builder.fd(name, path, Open::ConnectUnix);
    Socket::connected(SocketAddress::Fd(Box::new(fd)))
}

fn tcp(builder: &mut Builder<'_>, alias: &str, tcp: &document::Tcp) -> Option<Socket> {
    let source = &tcp.source;
    let host = source.host.clone().unwrap_or_default();
    let port = source.service.clone().unwrap_or_default();
    builder.by_path(format!("tcp:{host}:{port}"), "QEMU makes TCP connections by itself");
    let address = SocketAddress::Inet(host, port);
    let mut socket = match source.mode {
        SourceMode::Bind => Socket::listening(address),
        SourceMode::Connect => Socket::connected(address),
    };
    socket.telnet = tcp.protocol == TcpProtocol::Telnet;
    let settings = &builder.host.settings;
    if source.tls.map_or(settings.chardev_uses_tls, bool::from) {
        let Some(tls) = &settings.chardev_tls else {
            let refused = builder.refuse("this host has no certificates for character devices");
            refused.help =
                Some("put them into /etc/pki/libvirt-chardev or /etc/pki/qemu".to_owned());
            return None;
        };
        socket.tls =
            Some(secret::tls_chardev(builder, &format!("char{alias}"), tls, socket.server));
    }
    if source.mode == SourceMode::Connect {
        socket.reconnect = reconnect(builder, source.reconnect.as_ref());
    }
    Some(socket)
}

/// How long QEMU waits before it connects again: in milliseconds since QEMU 9.2.
pub(super) fn reconnect(
    builder: &Builder<'_>,
    reconnect: Option<&Reconnect>,
) -> Option<(&'static str, u64)> {
    let reconnect = reconnect?;
    let seconds = match reconnect.enabled? {
        YesNo::Yes => reconnect.timeout.unwrap_or_default(),
        YesNo::No => 0,
    };
    Some(reconnect_after(builder, seconds))
}

/// The property by which QEMU waits that many seconds before it connects again.
pub(super) fn reconnect_after(builder: &Builder<'_>, seconds: u32) -> (&'static str, u64) {
    match builder.capabilities.at_least(9, 2) {
        true => ("reconnect-ms", u64::from(seconds) * 1000),
        false => ("reconnect", seconds.into()),
    }
}

/// A path by which QEMU reaches a name in a directory that it has a descriptor of.
pub(super) fn in_directory(builder: &mut Builder<'_>, name: &str, path: &str) -> String {
    let (directory, file) = path.rsplit_once('/').unwrap_or((".", path));
    let directory = if directory.is_empty() { "/" } else { directory };
    let fd = builder.fd(name, directory, Open::Directory);
    format!("{}/{file}", builder.inherited_path(fd))
}
