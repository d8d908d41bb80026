//! `<hostdev type='scsi'>` and `type='scsi_host'`: SCSI units and targets of the host.

use base::{BadValue, Datatype, Value, YesNo, words};
use xml::{El, Origin, Part, Reader, Xml};

use crate::device::disk::Sgio;
use crate::device::disk::auth::Auth;
use crate::device::disk::network_source::{Host, Initiator};
use crate::device::virtio::VirtioModel;

/// `type='scsi'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Scsi {
    /// Which SCSI commands pass.
    #[xml(attribute)]
    pub sgio: Option<Sgio>,
    /// Whether QEMU may send any SCSI command (`CAP_SYS_RAWIO`).
    #[xml(attribute)]
    pub rawio: Option<YesNo>,
    /// Its `<source>`.
    #[xml(child, required)]
    pub source: ScsiSource,
}

/// `<source>` of `type='scsi'`.
///
/// libvirt: `virDomainHostdevSubsysSCSIDefParseXML`, `virDomainHostdevDefFormatSubsysSCSI`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(key = "protocol", default = "adapter", quiet)]
pub enum ScsiSource {
    /// A unit of an adapter of the host.
    #[xml(word = "adapter")]
    Adapter(AdapterUnit),
    /// A unit of an iSCSI target.
    #[xml(word = "iscsi")]
    Iscsi(IscsiUnit),
}

/// A unit of an adapter of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = AdapterUnit::finish)]
pub struct AdapterUnit {
    /// Where it was written.
    pub origin: Origin,
    /// The adapter, such as `scsi_host0`.
    #[xml(attribute_child = "name", required)]
    pub adapter: String,
    /// The place on the adapter.
    #[xml(child, required)]
    pub address: AdapterAddress,
}

impl AdapterUnit {
    /// libvirt: `virDomainHostdevSubsysSCSIHostDefParseXML`.
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if let Some(adapter) = el.child("adapter").filter(|_| self.adapter.is_empty()) {
            let part = Part::Attribute("name".to_owned());
            reader.error(adapter.origin(), part, "an adapter of the host has a name");
        }
    }
}

/// `<address>` of a unit of an adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct AdapterAddress {
    /// The bus.
    #[xml(attribute, required)]
    pub bus: u32,
    /// The target.
    #[xml(attribute, required)]
    pub target: u32,
    /// The unit.
    #[xml(attribute, required)]
    pub unit: u64,
}

/// A unit of an iSCSI target.
///
/// libvirt: `virDomainHostdevSubsysSCSIiSCSIDefParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct IscsiUnit {
    /// Where it was written.
    pub origin: Origin,
    /// The target, perhaps with a slash and the unit; completion adds `/0` where there is none.
    #[xml(attribute, required)]
    pub name: String,
    /// The server; one.
    #[xml(child, name = "host")]
    pub hosts: Vec<Host>,
    /// Who QEMU is to the server.
    #[xml(child)]
    pub auth: Option<Auth>,
    /// Who QEMU is to the target.
    #[xml(child)]
    pub initiator: Initiator,
}

/// `type='scsi_host'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct ScsiHost {
    /// The generation of virtio. Absent: `virtio`.
    #[xml(attribute)]
    pub model: Option<VirtioModel>,
    /// Its `<source>`.
    #[xml(child, required)]
    pub source: ScsiHostSource,
}

/// `<source>` of `type='scsi_host'`.
///
/// libvirt: `virDomainHostdevSubsysSCSIVHostDefParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct ScsiHostSource {
    /// Where it was written.
    pub origin: Origin,
    /// How the target is reached.
    #[xml(attribute, required)]
    pub protocol: ScsiHostProtocol,
    /// The name of the target.
    #[xml(attribute, required)]
    pub wwpn: Wwpn,
}

words! {
    /// How a SCSI target of the kernel is reached.
    ///
    /// libvirt: `virDomainHostdevSubsysSCSIHostProtocolType`.
    pub enum ScsiHostProtocol {
        /// By vhost.
        Vhost = "vhost",
    }
}

/// The name of a SCSI target of the kernel: `naa.` and 16 hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wwpn(String);

impl Wwpn {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Wwpn {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let good = text.strip_prefix("naa.").is_some_and(|digits| {
            digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        let bad = || BadValue::new("'naa.' and 16 hexadecimal digits");
        if good { Ok(Some(Self(text.to_owned()))) } else { Err(bad()) }
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("naa\\.[0-9a-fA-F]{16}")
    }
}
