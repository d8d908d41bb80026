//! What is behind a character device: the `type` attribute, `<source>`, `<protocol>` and `<log>` of
//! `<serial>`, `<parallel>`, `<console>`, `<channel>`, `<smartcard>`, `<redirdev>` and `<rng>`.

use base::{OnOff, YesNo, words};
use xml::{El, Elsewhere, Origin, Part, Problem, Reader, Xml};

use crate::device::reconnect::Reconnect;
use crate::seclabel::DeviceSeclabel;

/// What is behind a character device, and where its output is logged.
///
/// libvirt: `virDomainChrSourceDefParseXML`, `virDomainChrSourceDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Chardev {
    /// Where it was written: the device's element.
    pub origin: Origin,
    /// What is behind it.
    #[xml(flatten, key_first)]
    pub source: ChardevSource,
    /// A file that everything is copied to.
    #[xml(child, repeat = "error", print_if = Chardev::logs)]
    pub log: Option<Log>,
}

impl Chardev {
    /// A character device with `source` behind it and no log.
    pub fn new(source: ChardevSource) -> Self {
        Self { source, ..Self::default() }
    }

    /// The file that everything is copied to.
    pub fn log_file(&self) -> Option<&str> {
        self.log.as_ref()?.file.as_deref()
    }

    fn logs(&self) -> bool {
        self.log_file().is_some()
    }

    /// Rules of the places where the source is the backend of something that is no character device
    /// to the guest: `type` may not be left out, and security labels are not kept.
    pub(crate) fn finish_backend(&mut self, el: El<'_>, reader: &mut Reader) {
        if el.attribute("type").is_none() {
            let message = format!("<{}> needs attribute 'type'", el.name());
            reader.push(
                Problem::error(el.origin(), Part::Name, message)
                    .expected("a kind of character device"),
            );
        }
        if let Some(labels) = self.source.seclabels_mut().filter(|labels| !labels.is_empty()) {
            labels.clear();
            let message = format!("<seclabel> has no effect in the source of <{}>", el.name());
            reader.warning(el.origin(), Part::Name, message);
        }
    }
}

/// What is behind a character device.
///
/// libvirt: `virDomainChrType`. QEMU: `-chardev`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type", default = "pty")]
pub enum ChardevSource {
    /// Nothing: output is lost, input never comes.
    #[xml(word = "null")]
    Null,
    /// A text console in QEMU's own window.
    #[xml(word = "vc")]
    Vc,
    /// A pseudo-terminal, whose name is known when the guest runs.
    #[xml(word = "pty")]
    Pty(Pty),
    /// A character device of the host.
    #[xml(word = "dev")]
    Dev(Dev),
    /// A file that is written to.
    #[xml(word = "file")]
    File(File),
    /// A named pipe.
    #[xml(word = "pipe")]
    Pipe(Dev),
    /// Standard input and output of QEMU.
    #[xml(word = "stdio")]
    Stdio,
    /// UDP packets.
    #[xml(word = "udp")]
    Udp(Udp),
    /// A TCP connection.
    #[xml(word = "tcp")]
    Tcp(Tcp),
    /// A unix socket.
    #[xml(word = "unix")]
    Unix(Unix),
    /// The channel of a SPICE display that belongs to the device.
    #[xml(word = "spicevmc")]
    Spicevmc,
    /// A channel of a SPICE display, by name.
    #[xml(word = "spiceport")]
    Spiceport(Port),
    /// FreeBSD's null-modem device.
    #[xml(word = "nmdm")]
    Nmdm(Nmdm),
    /// QEMU's own end of the SPICE agent's protocol.
    #[xml(word = "qemu-vdagent")]
    QemuVdagent(QemuVdagent),
    /// A name on the bus of a D-Bus display.
    #[xml(word = "dbus")]
    Dbus(Port),
}

impl ChardevSource {
    /// The path on the host of a device, file, pipe or unix socket.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Dev(dev) | Self::Pipe(dev) => dev.source.path.as_deref(),
            Self::File(file) => file.source.path.as_deref(),
            Self::Unix(unix) => unix.source.path.as_deref(),
            _ => None,
        }
    }

    /// The terminal behind a pseudo-terminal, where the document is of a guest that runs.
    pub fn terminal(&self) -> Option<&str> {
        match self {
            Self::Pty(pty) => pty.source.terminal.as_deref(),
            _ => None,
        }
    }

    /// The unix socket.
    pub fn unix(&self) -> Option<&UnixSource> {
        match self {
            Self::Unix(unix) => Some(&unix.source),
            _ => None,
        }
    }

    /// The unix socket.
    pub fn unix_mut(&mut self) -> Option<&mut UnixSource> {
        match self {
            Self::Unix(unix) => Some(&mut unix.source),
            _ => None,
        }
    }

    /// The TCP connection.
    pub fn tcp(&self) -> Option<&TcpSource> {
        match self {
            Self::Tcp(tcp) => Some(&tcp.source),
            _ => None,
        }
    }

    /// The labels of the path on the host.
    pub fn seclabels(&self) -> &[DeviceSeclabel] {
        match self {
            Self::Dev(dev) | Self::Pipe(dev) => &dev.source.seclabels,
            Self::File(file) => &file.source.seclabels,
            Self::Unix(unix) => &unix.source.seclabels,
            _ => &[],
        }
    }

    fn seclabels_mut(&mut self) -> Option<&mut Vec<DeviceSeclabel>> {
        match self {
            Self::Dev(dev) | Self::Pipe(dev) => Some(&mut dev.source.seclabels),
            Self::File(file) => Some(&mut file.source.seclabels),
            Self::Unix(unix) => Some(&mut unix.source.seclabels),
            _ => None,
        }
    }
}

/// `type='pty'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Pty {
    /// `<source>`.
    #[xml(child)]
    pub source: PtySource,
}

/// `<source>` of a pseudo-terminal, which says something of a guest that runs only.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(ignores = "seclabel")]
pub struct PtySource {
    /// Where it was written.
    pub origin: Origin,
    /// The terminal. Reading forgets it.
    #[xml(attribute, print_with = PtySource::path_attribute)]
    pub path: Option<Elsewhere>,
    /// The terminal, where this is to be printed of a guest that runs.
    pub terminal: Option<String>,
}

impl PtySource {
    fn path_attribute(&self) -> Option<String> {
        self.terminal.clone()
    }
}

/// `type='dev'` and `type='pipe'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Dev {
    /// `<source>`.
    #[xml(child, repeat = "error")]
    pub source: PathSource,
}

/// `<source>` of a device or pipe.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct PathSource {
    /// Where it was written.
    pub origin: Origin,
    /// The path on the host. Absent: refused by validation.
    #[xml(attribute)]
    pub path: Option<String>,
    /// How it is labelled for QEMU.
    #[xml(child, name = "seclabel")]
    pub seclabels: Vec<DeviceSeclabel>,
}

/// `type='file'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct File {
    /// `<source>`.
    #[xml(child, repeat = "error")]
    pub source: FileSource,
}

/// `<source>` of a file.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct FileSource {
    /// Where it was written.
    pub origin: Origin,
    /// The path on the host. Absent: refused by validation.
    #[xml(attribute)]
    pub path: Option<String>,
    /// Whether output goes to the end of an existing file. Absent: off, it is truncated.
    #[xml(attribute)]
    pub append: Option<OnOff>,
    /// How it is labelled for QEMU.
    #[xml(child, name = "seclabel")]
    pub seclabels: Vec<DeviceSeclabel>,
}

words! {
    /// Who waits for whom.
    ///
    /// libvirt: `virDomainChrSourceMode`.
    pub enum SourceMode {
        /// QEMU connects to a socket that somebody else listens on.
        Connect = "connect",
        /// QEMU makes the socket and listens.
        Bind = "bind",
    }
}

/// `type='udp'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Udp::finish)]
pub struct Udp {
    /// At most one for each mode, the one that binds first.
    #[xml(child, name = "source")]
    pub sources: Vec<UdpSource>,
}

impl Udp {
    /// Where packets are sent.
    pub fn connect(&self) -> Option<&UdpSource> {
        self.sources.iter().find(|source| source.mode == SourceMode::Connect)
    }

    /// Where packets are received. Absent: on any port.
    pub fn bind(&self) -> Option<&UdpSource> {
        self.sources.iter().find(|source| source.mode == SourceMode::Bind)
    }

    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        if let Some(third) = self.sources.get(2) {
            let message =
                "a udp device takes two <source> elements, one to bind and one to connect";
            reader.error(third.origin, Part::Name, message);
        }
        let mut kept: Vec<UdpSource> = Vec::new();
        for source in std::mem::take(&mut self.sources) {
            let empty = source.host.is_none() && source.service.is_none();
            if empty || kept.iter().any(|earlier| earlier.mode == source.mode) {
                let message = if empty {
                    "<source> without 'host' and 'service' has no effect".to_owned()
                } else {
                    format!("a second <source mode='{}'> has no effect", source.mode)
                };
                reader.warning(source.origin, Part::Name, message);
            } else {
                kept.push(source);
            }
        }
        kept.sort_by_key(|source| source.mode == SourceMode::Connect);
        self.sources = kept;
    }
}

/// `<source>` of a udp device.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct UdpSource {
    /// Where it was written.
    pub origin: Origin,
    /// Whether it says where packets are sent or where they are received.
    #[xml(attribute)]
    pub mode: SourceMode,
    /// A name or address. Absent: this host.
    #[xml(attribute)]
    pub host: Option<String>,
    /// A port, or the name of a service.
    #[xml(attribute)]
    pub service: Option<String>,
}

/// `type='tcp'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Tcp {
    /// `<source>`.
    #[xml(child, repeat = "error")]
    pub source: TcpSource,
    /// What the two sides speak.
    #[xml(attribute_child = "type", absent = "raw", repeat = "error")]
    pub protocol: TcpProtocol,
}

/// `<source>` of a TCP connection.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct TcpSource {
    /// Where it was written.
    pub origin: Origin,
    /// Whether QEMU connects or listens.
    #[xml(attribute)]
    pub mode: SourceMode,
    /// A name or address. Absent: refused by validation.
    #[xml(attribute)]
    pub host: Option<String>,
    /// A port, or the name of a service. Absent: refused by validation.
    #[xml(attribute)]
    pub service: Option<String>,
    /// Whether the connection is encrypted with the certificates of the host's settings. Absent: as
    /// those settings say.
    #[xml(attribute)]
    pub tls: Option<YesNo>,
    /// What happens when the other side goes away.
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
}

words! {
    /// What is spoken on a TCP connection.
    ///
    /// libvirt: `virDomainChrTcpProtocol`.
    pub enum TcpProtocol {
        /// Bytes as they come.
        Raw = "raw",
        /// With the negotiations of telnet.
        Telnet = "telnet",
        /// Telnet over TLS; QEMU has none.
        Telnets = "telnets",
        /// TLS; QEMU is asked for it with `tls='yes'` instead.
        Tls = "tls",
    }
}

/// `type='unix'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Unix::finish)]
pub struct Unix {
    /// `<source>`.
    #[xml(child, repeat = "error", print_if = Unix::has_path)]
    pub source: UnixSource,
}

impl Unix {
    fn has_path(&self) -> bool {
        self.source.path.is_some()
    }

    /// There is nothing to connect to at a socket that is yet to be named.
    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        if !self.has_path() {
            self.source.mode = SourceMode::Bind;
        }
    }
}

/// `<source>` of a unix socket.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct UnixSource {
    /// Where it was written.
    pub origin: Origin,
    /// Whether QEMU connects or listens; without a path, it listens.
    #[xml(attribute)]
    pub mode: SourceMode,
    /// The socket. Absent: completion of a start chooses one for a channel; refused elsewhere.
    #[xml(attribute)]
    pub path: Option<String>,
    /// How it is labelled for QEMU.
    #[xml(child, name = "seclabel")]
    pub seclabels: Vec<DeviceSeclabel>,
    /// What happens when the other side goes away.
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
}

/// `type='spiceport'` and `type='dbus'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Port {
    /// `<source>`.
    #[xml(child, repeat = "error")]
    pub source: PortSource,
}

/// `<source>` of a channel of a display.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct PortSource {
    /// Where it was written.
    pub origin: Origin,
    /// The name by which the display's clients find it, such as `org.qemu.console.serial.0`.
    #[xml(attribute)]
    pub channel: Option<String>,
}

/// `type='nmdm'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Nmdm {
    /// `<source>`.
    #[xml(child, repeat = "error")]
    pub source: NmdmSource,
}

/// `<source>` of a null-modem device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct NmdmSource {
    /// Where it was written.
    pub origin: Origin,
    /// The end that the guest has.
    #[xml(attribute)]
    pub master: Option<String>,
    /// The end that the host has.
    #[xml(attribute)]
    pub slave: Option<String>,
}

/// `type='qemu-vdagent'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct QemuVdagent {
    /// `<source>`.
    #[xml(child, repeat = "error")]
    pub source: QemuVdagentSource,
}

/// `<source>` of QEMU's own end of the agent's protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct QemuVdagentSource {
    /// Where it was written.
    pub origin: Origin,
    /// Whether guest and display share a clipboard. Absent: no.
    #[xml(attribute_child = "copypaste")]
    pub clipboard: Option<YesNo>,
    /// Who draws the pointer. Absent: QEMU's choice.
    #[xml(attribute_child = "mode")]
    pub mouse: Option<MouseMode>,
}

words! {
    /// Who moves the pointer.
    ///
    /// libvirt: `virDomainMouseMode`.
    pub enum MouseMode {
        /// The guest, from relative movements.
        Server = "server",
        /// The client, which sends positions.
        Client = "client",
    }
}

/// `<log>`: a file that everything the guest sends is copied to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Log {
    /// Where it was written.
    pub origin: Origin,
    /// The file. Absent: nothing is copied.
    #[xml(attribute)]
    pub file: Option<String>,
    /// Whether what it holds is kept when the guest starts. Absent: off.
    #[xml(attribute)]
    pub append: Option<OnOff>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn a_device_without_type_is_a_pty_whose_path_is_of_the_running_guest_only() {
        let (chardev, warnings) =
            read::<Chardev>("serial", "<serial><source path='/dev/pts/3'/></serial>").unwrap();
        assert_eq!(chardev.source, ChardevSource::Pty(Pty::default()));
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn the_source_that_binds_is_printed_first_and_one_of_each_mode_counts() {
        let text = "<serial type='udp'>\
            <source host='a' service='1'/><source mode='bind' service='2'/></serial>";
        assert_eq!(
            reprint::<Chardev>("serial", text).unwrap(),
            "<serial type='udp'>\n  <source mode='bind' service='2'/>\n  \
             <source mode='connect' host='a' service='1'/>\n</serial>\n"
        );

        let text = "<serial type='udp'><source service='1'/><source service='2'/></serial>";
        let (chardev, warnings) = read::<Chardev>("serial", text).unwrap();
        let ChardevSource::Udp(udp) = chardev.source else { panic!("{chardev:?}") };
        assert_eq!(udp.connect().unwrap().service.as_deref(), Some("1"));
        assert_eq!(warnings, ["a second <source mode='connect'> has no effect"]);
    }

    #[test]
    fn a_unix_socket_without_path_listens_and_is_not_printed() {
        for text in
            ["<channel type='unix'><source mode='connect'/></channel>", "<channel type='unix'/>"]
        {
            let (chardev, _) = read::<Chardev>("channel", text).unwrap();
            assert_eq!(chardev.source.unix().unwrap().mode, SourceMode::Bind);
            assert_eq!(xml::print(&chardev, "channel"), "<channel type='unix'/>\n");
        }
    }

    #[test]
    fn tcp_always_prints_its_mode_and_protocol() {
        let text = "<serial type='tcp'><source host='a' service='1'/></serial>";
        assert_eq!(
            reprint::<Chardev>("serial", text).unwrap(),
            "<serial type='tcp'>\n  <source mode='connect' host='a' service='1'/>\n  \
             <protocol type='raw'/>\n</serial>\n"
        );
    }

    #[test]
    fn a_log_without_a_file_is_not_printed() {
        let text = "<serial type='null'><log append='on'/></serial>";
        assert_eq!(reprint::<Chardev>("serial", text).unwrap(), "<serial type='null'/>\n");
    }
}
