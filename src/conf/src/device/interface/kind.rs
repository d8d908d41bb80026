//! `type` of an interface, and what its `<source>` says: what it is connected to.

use base::{Uuid, YesNo, words};
use xml::{Origin, Xml};

use crate::device::disk::source::SocketKind;
use crate::device::host_address::HostAddress;
use crate::device::interface::ip::IpSettings;
use crate::device::reconnect::Reconnect;

/// What an interface is connected to: `type` stands on `<interface>`, the rest on `<source>`.
///
/// libvirt: `virDomainNetType`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type", default = "user")]
pub enum InterfaceKind {
    /// The host's own connections, by QEMU or passt.
    #[xml(word = "user")]
    User(User),
    /// A tap that somebody else connects.
    #[xml(word = "ethernet")]
    Ethernet(Ethernet),
    /// A vhost-user process.
    #[xml(word = "vhostuser")]
    VhostUser(VhostUser),
    /// A TCP socket that waits for another QEMU.
    #[xml(word = "server")]
    Server(Socket),
    /// A TCP socket of another QEMU.
    #[xml(word = "client")]
    Client(Socket),
    /// A multicast group.
    #[xml(word = "mcast")]
    Mcast(Socket),
    /// A libvirt network.
    #[xml(word = "network")]
    Network(Network),
    /// A bridge of the host.
    #[xml(word = "bridge")]
    Bridge(Bridge),
    /// A network of some other hypervisors.
    #[xml(word = "internal")]
    Internal(Internal),
    /// A device of the host, by macvtap.
    #[xml(word = "direct")]
    Direct(Direct),
    /// A device of the host that the guest gets.
    #[xml(word = "hostdev")]
    Hostdev(Hostdev),
    /// A UDP socket.
    #[xml(word = "udp")]
    Udp(Udp),
    /// A vDPA device.
    #[xml(word = "vdpa")]
    Vdpa(Vdpa),
    /// Nothing; only bhyve.
    #[xml(word = "null")]
    Null,
    /// A distributed switch of VMware.
    #[xml(word = "vds")]
    Vds(Vds),
}

impl InterfaceKind {
    /// The name of the libvirt network.
    pub fn network(&self) -> Option<&str> {
        match self {
            Self::Network(network) => Some(&network.network),
            _ => None,
        }
    }

    /// The name of the bridge of the host.
    pub fn bridge(&self) -> Option<&str> {
        match self {
            Self::Bridge(bridge) => Some(&bridge.bridge),
            _ => None,
        }
    }

    /// What only a device of the host has.
    pub fn hostdev(&self) -> Option<&Hostdev> {
        match self {
            Self::Hostdev(hostdev) => Some(hostdev),
            _ => None,
        }
    }

    /// Addresses and routes of the host's end.
    pub fn host_ip(&self) -> Option<&IpSettings> {
        match self {
            Self::User(user) => Some(&user.ip),
            Self::Ethernet(ethernet) => Some(&ethernet.ip),
            Self::VhostUser(vhost) => Some(&vhost.ip),
            Self::Server(socket) | Self::Client(socket) | Self::Mcast(socket) => Some(&socket.ip),
            Self::Network(network) => Some(&network.ip),
            Self::Bridge(bridge) => Some(&bridge.ip),
            Self::Internal(internal) => Some(&internal.ip),
            Self::Direct(direct) => Some(&direct.ip),
            Self::Udp(udp) => Some(&udp.ip),
            Self::Vdpa(vdpa) => Some(&vdpa.ip),
            Self::Hostdev(_) | Self::Null | Self::Vds(_) => None,
        }
    }

    /// Whether there can be a `<virtualport>`.
    pub(super) fn takes_virtualport(&self) -> bool {
        matches!(self, Self::Network(_) | Self::Bridge(_) | Self::Direct(_) | Self::Hostdev(_))
    }
}

/// `<source>` of `type='user'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct User {
    /// Of passt: the device of the host whose addresses the guest gets.
    #[xml(attribute)]
    pub dev: Option<String>,
    /// Addresses and routes of the host's end.
    #[xml(flatten)]
    pub ip: IpSettings,
}

/// `<source>` of `type='ethernet'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Ethernet {
    /// Addresses and routes of the host's end.
    #[xml(flatten)]
    pub ip: IpSettings,
}

/// `<source>` of `type='vhostuser'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct VhostUser {
    /// Of passt: the device of the host whose addresses the guest gets.
    #[xml(attribute)]
    pub dev: Option<String>,
    /// How the process is reached; there unless passt is the process.
    #[xml(attribute, name = "type")]
    pub kind: Option<SocketKind>,
    /// Its socket; there unless passt is the process.
    #[xml(attribute)]
    pub path: Option<String>,
    /// QEMU's part. Absent: client, which completion fills in unless passt is the process.
    #[xml(attribute)]
    pub mode: Option<SocketMode>,
    /// Whether QEMU connects again.
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
    /// Addresses and routes of the host's end.
    #[xml(flatten)]
    pub ip: IpSettings,
}

impl VhostUser {
    /// Whether it says which socket.
    pub(super) fn is_complete(&self) -> bool {
        self.kind.is_some() && self.path.is_some()
    }
}

words! {
    /// QEMU's part in talking to a vhost-user process.
    pub enum SocketMode {
        /// It connects.
        Client = "client",
        /// It waits for a connection.
        Server = "server",
    }
}

/// `<source>` of `type='server'`, `'client'` or `'mcast'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Socket {
    /// The address of the other side, or to listen on. Absent, to listen on: any.
    #[xml(attribute)]
    pub address: Option<String>,
    /// The port.
    #[xml(attribute, required)]
    pub port: u32,
    /// Addresses and routes of the host's end.
    #[xml(flatten)]
    pub ip: IpSettings,
}

/// `<source>` of `type='udp'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Udp {
    /// The address of the other side.
    #[xml(attribute, required)]
    pub address: String,
    /// The port of the other side.
    #[xml(attribute, required)]
    pub port: u32,
    /// This side.
    #[xml(child, required)]
    pub local: UdpLocal,
    /// Addresses and routes of the host's end.
    #[xml(flatten)]
    pub ip: IpSettings,
}

/// `<local>` of `type='udp'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct UdpLocal {
    /// The address to listen on.
    #[xml(attribute, required)]
    pub address: String,
    /// The port to listen on.
    #[xml(attribute, required)]
    pub port: u32,
}

/// `<source>` of `type='network'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(ignores = "portid bridge")]
pub struct Network {
    /// The name of the network.
    #[xml(attribute, required)]
    pub network: String,
    /// A group of settings of the network.
    #[xml(attribute)]
    pub portgroup: Option<String>,
    /// Addresses and routes of the host's end.
    #[xml(flatten)]
    pub ip: IpSettings,
}

/// `<source>` of `type='bridge'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Bridge {
    /// The name of the bridge.
    #[xml(attribute, required)]
    pub bridge: String,
    /// Addresses and routes of the host's end.
    #[xml(flatten)]
    pub ip: IpSettings,
}

/// `<source>` of `type='internal'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Internal {
    /// The name of the network.
    #[xml(attribute, required)]
    pub name: String,
    /// Addresses and routes of the host's end.
    #[xml(flatten)]
    pub ip: IpSettings,
}

/// `<source>` of `type='direct'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Direct {
    /// The device.
    #[xml(attribute, required)]
    pub dev: String,
    /// Whom the guest reaches.
    #[xml(attribute)]
    pub mode: DirectMode,
    /// Addresses and routes of the host's end.
    #[xml(flatten)]
    pub ip: IpSettings,
}

words! {
    /// Whom guests on the same device reach.
    ///
    /// libvirt: `virNetDevMacVLanMode`.
    pub enum DirectMode {
        /// The switch, which sends packets back that are for the same host.
        Vepa = "vepa",
        /// Only each other.
        Private = "private",
        /// Each other and what is beyond the device.
        Bridge = "bridge",
        /// The device is the guest's alone.
        Passthrough = "passthrough",
    }
}

/// `<source>` of `type='vdpa'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Vdpa {
    /// The device node.
    #[xml(attribute, required)]
    pub dev: String,
    /// Addresses and routes of the host's end.
    #[xml(flatten)]
    pub ip: IpSettings,
}

/// `<source>` of `type='hostdev'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Hostdev {
    /// Where it was written.
    pub origin: Origin,
    /// Whether the guest may write to the device's configuration (Xen).
    #[xml(attribute, name = "writeFiltering")]
    pub write_filtering: Option<YesNo>,
    /// Where the host finds it.
    #[xml(child, required)]
    pub address: HostAddress,
}

/// `<source>` of `type='vds'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Vds {
    /// The switch.
    #[xml(attribute, required)]
    pub switchid: Uuid,
    /// The port.
    #[xml(attribute)]
    pub portid: Option<i64>,
    /// The group of ports.
    #[xml(attribute, required)]
    pub portgroupid: String,
    /// The connection.
    #[xml(attribute)]
    pub connectionid: Option<i64>,
}
