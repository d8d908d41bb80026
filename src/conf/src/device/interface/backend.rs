//! `<backend>` of an interface: what carries the packets.

use base::{SanitizedPath, words};
use xml::{Origin, Xml};

/// `<backend>`.
///
/// libvirt: `virDomainNetBackendParseXML`, `virDomainNetBackendFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Backend {
    /// Where it was written.
    pub origin: Origin,
    /// What carries the packets. Absent: QEMU itself.
    #[xml(attribute, name = "type")]
    pub kind: Option<BackendKind>,
    /// The node that taps are made with. Absent: `/dev/net/tun`.
    #[xml(attribute)]
    pub tap: Option<SanitizedPath>,
    /// Of a virtio interface: the node of vhost. Absent: `/dev/vhost-net`.
    #[xml(attribute)]
    pub vhost: Option<SanitizedPath>,
    /// The log of passt.
    #[xml(attribute, name = "logFile")]
    pub log_file: Option<String>,
    /// Of passt: the name that the guest is told by DHCP. Absent: none. libvirt: since 11.8.0.
    #[xml(attribute)]
    pub hostname: Option<String>,
    /// Of passt: the name with its domain that the guest is told by DHCP. Absent: none. libvirt: since
    /// 11.8.0.
    #[xml(attribute)]
    pub fqdn: Option<String>,
}

impl Backend {
    /// Whether passt carries the packets.
    pub fn is_passt(&self) -> bool {
        self.kind == Some(BackendKind::Passt)
    }
}

words! {
    /// What carries the packets in place of QEMU itself.
    ///
    /// libvirt: `virDomainNetBackendType`.
    pub enum BackendKind unset "default" {
        /// passt.
        Passt = "passt",
    }
}
