//! `<source>` of a disk on a server.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};

use base::{NonEmpty, YesNo, words};
use xml::{El, Origin, Part, Reader, Xml};

use crate::device::disk::source::SourceCommon;

/// `type='network'`: an image on a server.
///
/// libvirt: `virDomainDiskSourceNetworkParse`, `virDomainDiskSourceFormatNetwork`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Network::finish)]
pub struct Network {
    /// How the server is talked to.
    #[xml(attribute, required)]
    pub protocol: Protocol,
    /// The image: a path, an export, a pool and image, a target and unit.
    #[xml(attribute)]
    pub name: Option<NonEmpty>,
    /// What follows `?` in the address.
    #[xml(attribute, read_if = Network::is_http)]
    pub query: Option<NonEmpty>,
    /// Whether the connection is encrypted. Absent: as the host's settings say.
    #[xml(attribute)]
    pub tls: Option<YesNo>,
    /// The name that the server's certificate must have. Absent: the host's.
    #[xml(attribute, name = "tlsHostname")]
    pub tls_hostname: Option<String>,
    /// The servers.
    #[xml(child, name = "host")]
    pub hosts: Vec<Host>,
    /// As whom NFS is talked to.
    #[xml(child, name = "identity", read_if = Network::is_nfs, print_if = Network::is_nfs)]
    pub nfs_identity: Option<NfsIdentity>,
    /// Seconds for which NBD requests wait for the server to come back.
    #[xml(attribute_child = "delay", read_if = Network::is_nbd)]
    pub reconnect: Option<NonZeroU32>,
    /// The snapshot of the image that is used.
    #[xml(attribute_child = "name")]
    pub snapshot: Option<String>,
    /// The configuration file of the client library.
    #[xml(attribute_child = "file")]
    pub config: Option<String>,
    /// Who QEMU is to an iSCSI target.
    #[xml(child)]
    pub initiator: Initiator,
    /// Whether the server's certificate is checked.
    #[xml(attribute_child = "verify", name = "ssl", read_if = Network::has_certificate)]
    pub ssl_verify: Option<YesNo>,
    /// Cookies that go with each request.
    #[xml(child, name = "cookie", within = "cookies", read_if = Network::is_http)]
    pub cookies: Vec<Cookie>,
    /// How many bytes are read at once.
    #[xml(attribute_child = "size", read_if = Network::is_url)]
    pub readahead: Option<NonZeroU64>,
    /// Seconds after which a connection is given up.
    #[xml(attribute_child = "seconds", read_if = Network::is_url)]
    pub timeout: Option<NonZeroU64>,
    /// The file with the keys of SSH servers.
    #[xml(attribute_child = "path", name = "knownHosts", read_if = Network::is_ssh)]
    pub known_hosts: Option<String>,
    /// As whom SSH is talked to.
    #[xml(child, name = "identity", read_if = Network::is_ssh, print_if = Network::is_ssh)]
    pub ssh_identity: Option<SshIdentity>,
    /// What every source can have.
    #[xml(flatten, with = "auth startupPolicy")]
    pub common: SourceCommon,
}

impl Network {
    fn is_http(&self) -> bool {
        matches!(self.protocol, Protocol::Http | Protocol::Https)
    }

    fn has_certificate(&self) -> bool {
        matches!(self.protocol, Protocol::Https | Protocol::Ftps)
    }

    fn is_url(&self) -> bool {
        self.is_http() || matches!(self.protocol, Protocol::Ftp | Protocol::Ftps)
    }

    fn is_nbd(&self) -> bool {
        self.protocol == Protocol::Nbd
    }

    fn is_nfs(&self) -> bool {
        self.protocol == Protocol::Nfs
    }

    fn is_ssh(&self) -> bool {
        self.protocol == Protocol::Ssh
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let pool_and_image = matches!(self.protocol, Protocol::Gluster | Protocol::Rbd);
        match self.name.as_deref() {
            None if !self.is_nbd() => {
                let message = format!("<source> with protocol '{}' needs a 'name'", self.protocol);
                reader.error(el.origin(), Part::Name, message);
            }
            Some(name) if pool_and_image && name.find('/').is_none_or(|slash| slash == 0) => {
                let message = format!(
                    "'{name}' names no image in a volume or pool: 'name' of {} is of the form volume/image",
                    self.protocol
                );
                reader.error(el.origin(), Part::Attribute("name".to_owned()), message);
            }
            _ => {}
        }
    }
}

words! {
    /// How a server is talked to.
    ///
    /// libvirt: `virStorageNetProtocol`.
    pub enum Protocol {
        /// Network block device.
        Nbd = "nbd",
        /// Ceph's block device.
        Rbd = "rbd",
        /// Sheepdog, which QEMU has no more.
        Sheepdog = "sheepdog",
        /// GlusterFS.
        Gluster = "gluster",
        /// iSCSI.
        Iscsi = "iscsi",
        /// HTTP.
        Http = "http",
        /// HTTPS.
        Https = "https",
        /// FTP.
        Ftp = "ftp",
        /// FTP over TLS.
        Ftps = "ftps",
        /// TFTP.
        Tftp = "tftp",
        /// SSH.
        Ssh = "ssh",
        /// Veritas HyperScale, which QEMU has no more.
        Vxhs = "vxhs",
        /// NFS.
        Nfs = "nfs",
    }
}

impl Protocol {
    /// The port that a TCP host without one has.
    ///
    /// libvirt: `virStorageSourceNetworkDefaultPort`.
    pub fn default_port(self) -> Option<NonZeroU16> {
        let port = match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Ftp => 21,
            Self::Ftps => 990,
            Self::Tftp => 69,
            Self::Sheepdog => 7000,
            Self::Nbd => 10809,
            Self::Ssh => 22,
            Self::Iscsi => 3260,
            Self::Gluster => 24007,
            Self::Vxhs => 9999,
            Self::Rbd | Self::Nfs => 0,
        };
        NonZeroU16::new(port)
    }
}

/// `<host>`: a server.
///
/// libvirt: `virDomainStorageNetworkParseHost`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Host::finish)]
pub struct Host {
    /// Where it was written.
    pub origin: Origin,
    /// Its name or address.
    #[xml(attribute)]
    pub name: Option<String>,
    /// Its port. Absent: that of the protocol, which completion fills in.
    #[xml(attribute)]
    pub port: Option<NonZeroU16>,
    /// How it is reached. Absent: by TCP.
    #[xml(attribute)]
    pub transport: Option<Transport>,
    /// Its UNIX socket.
    #[xml(attribute)]
    pub socket: Option<String>,
}

impl Host {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let is_unix = self.transport == Some(Transport::Unix);
        let message = if is_unix && self.socket.is_none() {
            "<host transport='unix'> needs a 'socket'"
        } else if !is_unix && self.socket.is_some() {
            "'socket' of <host> needs transport='unix'"
        } else if self.transport.is_none() && self.name.is_none() {
            "<host> needs a 'name'"
        } else {
            return;
        };
        reader.error(el.origin(), Part::Name, message);
    }
}

words! {
    /// How a server is reached.
    ///
    /// libvirt: `virStorageNetHostTransport`.
    pub enum Transport unset "tcp" {
        /// By a UNIX socket of this host.
        Unix = "unix",
        /// By RDMA.
        Rdma = "rdma",
        /// By a descriptor, which only libvirt itself does.
        Fd = "fd",
    }
}

/// `<identity>` of NFS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct NfsIdentity {
    /// The user: a name, or a number behind `+`.
    #[xml(attribute)]
    pub user: Option<String>,
    /// The group: a name, or a number behind `+`.
    #[xml(attribute)]
    pub group: Option<String>,
}

/// `<identity>` of SSH.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = SshIdentity::finish)]
pub struct SshIdentity {
    /// The user's name.
    #[xml(attribute, required)]
    pub username: String,
    /// The file with the user's key.
    #[xml(attribute)]
    pub keyfile: Option<String>,
    /// The socket of the agent that has the user's key.
    #[xml(attribute)]
    pub agentsock: Option<String>,
}

impl SshIdentity {
    /// libvirt: `virDomainDiskSourceNetworkParse`.
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.keyfile.is_none() && self.agentsock.is_none() {
            let message = "<identity> of ssh needs 'keyfile' or 'agentsock'";
            reader.error(el.origin(), Part::Name, message);
        }
    }
}

/// `<initiator>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Initiator {
    /// Its iSCSI qualified name.
    #[xml(attribute_child = "name")]
    pub iqn: Option<String>,
}

/// `<cookie>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Cookie {
    /// Where it was written.
    pub origin: Origin,
    /// Its name.
    #[xml(attribute, required)]
    pub name: String,
    /// Its value.
    #[xml(text)]
    pub value: String,
}
