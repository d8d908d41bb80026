//! `<interface>`: network interfaces.

pub mod backend;
pub mod driver;
pub mod ip;
pub mod kind;
pub mod model;
pub mod virtualport;

use std::num::{NonZeroU32, NonZeroU64};

use base::{Mac, NonEmpty, Positive, YesNo, words};
use xml::{El, Origin, Part, Problem, Reader, Xml};

use crate::device::host_address::HostdevDriver;
use crate::device_info::DeviceInfo;

pub use backend::Backend;
pub use driver::Driver;
pub use ip::IpSettings;
pub use kind::InterfaceKind;
pub use model::InterfaceModel;
pub use virtualport::Virtualport;

/// A network interface of the guest.
///
/// libvirt: `virDomainNetDefParseXML`, `virDomainNetDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Interface::finish, ignores = "actual")]
pub struct Interface {
    /// Where it was written.
    pub origin: Origin,
    /// Its Ethernet address. Absent or all zero: completion makes one.
    #[xml(child)]
    pub mac: Option<MacElement>,
    /// Of a device of the host: whether the host lets go of it at start; `no` goes without saying.
    #[xml(attribute, read_if = Interface::is_hostdev)]
    pub managed: Option<YesNo>,
    /// Of a device of the host: the kernel's driver.
    #[xml(child, name = "driver", read_if = Interface::is_hostdev)]
    pub hostdev_driver: Option<HostdevDriver>,
    /// What it is connected to.
    #[xml(flatten, key_first, within = "source", required)]
    pub kind: InterfaceKind,
    /// Whether the host lets through what the guest asks its receive filters to.
    #[xml(attribute, name = "trustGuestRxFilters")]
    pub trust_guest_rx_filters: Option<YesNo>,
    /// The VLANs of what it sends and receives.
    #[xml(child)]
    pub vlan: Option<Vlan>,
    /// What the switch it is connected to wants to know.
    #[xml(child)]
    pub virtualport: Option<Virtualport>,
    /// Limits.
    #[xml(child)]
    pub bandwidth: Option<Bandwidth>,
    /// Its port of the bridge.
    #[xml(child)]
    pub port: Port,
    /// Addresses and routes that the guest gets, where something gives it any.
    #[xml(flatten)]
    pub ip: IpSettings,
    /// Of passt: connections that reach the guest.
    #[xml(child, name = "portForward", keep_empty)]
    pub port_forwards: Vec<PortForward>,
    /// The program that sets the device up.
    #[xml(attribute_child = "path")]
    pub script: Option<NonEmpty>,
    /// The program that takes the device down.
    #[xml(attribute_child = "path")]
    pub downscript: Option<NonEmpty>,
    /// The domain that does the work; only Xen has one.
    #[xml(attribute_child = "name", name = "backenddomain")]
    pub backend_domain: Option<NonEmpty>,
    /// The device of the host.
    #[xml(child)]
    pub target: Target,
    /// The device of a container.
    #[xml(child)]
    pub guest: GuestDevice,
    /// What the guest sees. Absent: completion chooses, except for a device of the host.
    #[xml(attribute_child = "type")]
    pub model: Option<InterfaceModel>,
    /// How a virtio interface is served.
    #[xml(child, read_if = Interface::can_be_virtio, print_if = Interface::is_virtio)]
    pub driver: Option<Driver>,
    /// What carries the packets.
    #[xml(child)]
    pub backend: Backend,
    /// The filter of packets.
    #[xml(child, read_if = Interface::can_be_filtered)]
    pub filterref: Option<Filterref>,
    /// Knobs of the device of the host.
    #[xml(child)]
    pub tune: Tune,
    /// Its part in a pair of which one can be unplugged for migration.
    #[xml(child)]
    pub teaming: Option<Teaming>,
    /// Whether the cable is plugged in. Absent: it is.
    #[xml(attribute_child = "state")]
    pub link: Option<LinkState>,
    /// The largest packet, in bytes.
    #[xml(attribute_child = "size")]
    pub mtu: Option<NonZeroU32>,
    /// How interrupts are saved.
    #[xml(child)]
    pub coalesce: Coalesce,
    /// Its boot order, ROM, name and address.
    #[xml(flatten, with = "boot rom")]
    pub info: DeviceInfo,
}

impl Interface {
    /// The Ethernet address, unless completion is to make one.
    pub fn mac(&self) -> Option<Mac> {
        self.mac.as_ref().map(|mac| mac.address).filter(|mac| !mac.is_zero())
    }

    /// Whether it is a device of the host that the guest gets.
    pub fn is_hostdev(&self) -> bool {
        matches!(self.kind, InterfaceKind::Hostdev(_))
    }

    /// Whether the model, as far as it is known, is one of virtio's.
    pub fn is_virtio(&self) -> bool {
        !self.is_hostdev() && self.model.as_ref().is_some_and(InterfaceModel::is_virtio)
    }

    /// Whether passt carries the packets.
    pub fn is_passt(&self) -> bool {
        self.backend.is_passt()
    }

    /// The device of the host, as the user calls it.
    pub fn target_dev(&self) -> Option<&str> {
        self.target.dev.as_deref()
    }

    fn can_be_virtio(&self) -> bool {
        !self.is_hostdev()
    }

    fn can_be_filtered(&self) -> bool {
        use InterfaceKind::{Bridge, Ethernet, Network};
        matches!(self.kind, Network(_) | Bridge(_) | Ethernet(_))
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if let Some(virtualport) = el.child("virtualport")
            && !self.kind.takes_virtualport()
        {
            let message =
                format!("<interface type='{}'> cannot have a <virtualport>", self.kind.word());
            reader.error(virtualport.origin(), Part::Name, message);
        }
        self.managed.take_if(|managed| *managed == YesNo::No);
        self.finish_driver(el, reader);
        self.finish_backend(reader);
        self.finish_source(el, reader);
    }

    /// libvirt reads the node of vhost, and all but the virtio options of the driver, only where
    /// the model is given and one of virtio's.
    fn finish_driver(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.is_virtio() {
            return;
        }
        if self.backend.vhost.take().is_some() {
            let part = Part::AttributeName("vhost".to_owned());
            let message = "'vhost' has no effect without <model type='virtio'/>";
            reader.warning(self.backend.origin, part, message);
        }
        let Some(driver) = &mut self.driver else { return };
        let Some(el) = el.child("driver") else { return };
        let kept =
            Driver { origin: driver.origin, virtio: driver.virtio.clone(), ..Driver::default() };
        let dropped = kept != *driver;
        let has_effect = self.model.is_none() || kept != Driver::default();
        self.driver = Some(kept).filter(|_| has_effect);
        if dropped {
            let message = "<driver> has no effect without <model type='virtio'/>";
            reader.warning(el.origin(), Part::Name, message);
        }
    }

    /// Only packets of virtio can be carried by vhost.
    fn finish_backend(&mut self, reader: &mut Reader) {
        if !self.is_virtio() && self.backend.vhost.take().is_some() {
            let part = Part::AttributeName("vhost".to_owned());
            let message = "'vhost' has no effect without <model type='virtio'/>";
            reader.warning(self.backend.origin, part, message);
        }
    }

    /// What a source needs depends on the backend.
    fn finish_source(&mut self, el: El<'_>, reader: &mut Reader) {
        let is_passt = self.is_passt();
        let source = el.child("source").unwrap_or(el);
        match &mut self.kind {
            InterfaceKind::User(user) if !is_passt && user.dev.is_some() => {
                user.dev = None;
                let part = Part::AttributeName("dev".to_owned());
                let message = "'dev' has no effect without <backend type='passt'/>";
                reader.warning(source.origin(), part, message);
            }
            InterfaceKind::VhostUser(vhost) if !is_passt && !vhost.is_complete() => {
                let message = "<interface type='vhostuser'> needs <source type='unix' path='…'/> \
                               or <backend type='passt'/>";
                reader.error(source.origin(), Part::Name, message);
            }
            InterfaceKind::Client(socket) | InterfaceKind::Mcast(socket)
                if socket.address.is_none() =>
            {
                reader.error(source.origin(), Part::Name, "<source> needs attribute 'address'");
            }
            _ => {}
        }
    }
}

/// `<mac>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = MacElement::finish)]
pub struct MacElement {
    /// Where it was written.
    pub origin: Origin,
    /// The address.
    #[xml(attribute, required)]
    pub address: Mac,
    /// Where the address comes from; only VMware asks.
    #[xml(attribute, name = "type")]
    pub kind: Option<MacKind>,
    /// Whether the address must be of the range that it says it is; only VMware asks.
    #[xml(attribute)]
    pub check: Option<YesNo>,
}

impl MacElement {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.address.is_multicast() {
            let part = Part::Attribute("address".to_owned());
            let message = format!("'{}' is the address of a group of hosts", self.address);
            let problem = Problem::error(el.origin(), part, message);
            reader.push(problem.expected("one whose first byte is even"));
        }
    }
}

words! {
    /// Where an Ethernet address comes from.
    ///
    /// libvirt: `virDomainNetMacType`.
    pub enum MacKind {
        /// VMware made it.
        Generated = "generated",
        /// The user chose it.
        Static = "static",
    }
}

/// `<vlan>`.
///
/// libvirt: `virNetDevVlanParse`, `virNetDevVlanFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Vlan::finish)]
pub struct Vlan {
    /// Where it was written.
    pub origin: Origin,
    /// Whether packets carry their tag into the guest; so it is with more than one tag.
    #[xml(attribute)]
    pub trunk: Option<YesNo>,
    /// The tags.
    #[xml(child, name = "tag")]
    pub tags: Vec<VlanTag>,
}

impl Vlan {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.tags.is_empty() {
            reader.error(el.origin(), Part::Name, "<vlan> needs at least one <tag id='…'/>");
        }
        let many = self.tags.len() > 1 || self.tags.iter().any(|tag| tag.native_mode.is_some());
        if many && self.trunk == Some(YesNo::No) {
            let message = "trunk='no' contradicts more than one <tag>, or a nativeMode";
            reader.error(el.origin(), Part::Attribute("trunk".to_owned()), message);
        }
        let mut natives = self.tags.iter().filter(|tag| tag.native_mode.is_some());
        if let Some(second) = natives.nth(1) {
            let part = Part::Attribute("nativeMode".to_owned());
            reader.error(second.origin, part, "packets without a tag belong to one VLAN only");
        }
        let trunk = many || self.trunk == Some(YesNo::Yes);
        self.trunk = trunk.then_some(YesNo::Yes);
    }
}

/// `<tag>` of `<vlan>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = VlanTag::finish)]
pub struct VlanTag {
    /// Where it was written.
    pub origin: Origin,
    /// The VLAN, 0 to 4095.
    #[xml(attribute, required)]
    pub id: u16,
    /// Whether packets without a tag belong to this VLAN, and how they leave.
    #[xml(attribute, name = "nativeMode")]
    pub native_mode: Option<NativeMode>,
}

impl VlanTag {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.id > 4095 {
            let part = Part::Attribute("id".to_owned());
            let message = format!("'{}' is not a value of 'id' in <tag>", self.id);
            reader.push(Problem::error(el.origin(), part, message).expected("0 to 4095"));
        }
    }
}

words! {
    /// How packets of the native VLAN leave.
    ///
    /// libvirt: `virNativeVlanMode`.
    pub enum NativeMode unset "default" {
        /// With their tag.
        Tagged = "tagged",
        /// Without it.
        Untagged = "untagged",
    }
}

/// `<bandwidth>`: limits, seen from the guest.
///
/// libvirt: `virNetDevBandwidthParse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Bandwidth {
    /// Where it was written.
    pub origin: Origin,
    /// Of what the guest receives.
    #[xml(child)]
    pub inbound: Option<Rate>,
    /// Of what the guest sends.
    #[xml(child)]
    pub outbound: Option<Rate>,
}

/// `<inbound>` or `<outbound>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Rate {
    /// KiB a second, all the time.
    #[xml(attribute)]
    pub average: Option<NonZeroU64>,
    /// KiB a second, for a while.
    #[xml(attribute)]
    pub peak: Option<NonZeroU64>,
    /// KiB a second that are kept free for it; only received, and only from a network.
    #[xml(attribute)]
    pub floor: Option<NonZeroU64>,
    /// KiB that may be sent at the peak rate.
    #[xml(attribute)]
    pub burst: Option<NonZeroU64>,
}

/// `<port>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Port {
    /// Whether it reaches only ports that are not isolated.
    #[xml(attribute)]
    pub isolated: Option<YesNo>,
}

/// `<portForward>`: connections that reach the guest.
///
/// libvirt: `virDomainNetPortForwardsParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct PortForward {
    /// Where it was written.
    pub origin: Origin,
    /// The protocol.
    #[xml(attribute, required)]
    pub proto: PortProtocol,
    /// The address of the host. Absent: each.
    #[xml(attribute)]
    pub address: Option<std::net::IpAddr>,
    /// The device of the host. Absent: each.
    #[xml(attribute)]
    pub dev: Option<String>,
    /// The ports. None: all.
    #[xml(child, name = "range")]
    pub ranges: Vec<PortRange>,
}

words! {
    /// The protocol of a port.
    ///
    /// libvirt: `virDomainNetPortForwardProto`.
    pub enum PortProtocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
    }
}

/// `<range>` of `<portForward>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct PortRange {
    /// The first port of the host.
    #[xml(attribute)]
    pub start: Option<Positive>,
    /// The last port of the host. Absent: the first.
    #[xml(attribute)]
    pub end: Option<Positive>,
    /// The first port of the guest. Absent: the same as of the host.
    #[xml(attribute)]
    pub to: Option<Positive>,
    /// Whether these ports do not reach the guest.
    #[xml(attribute)]
    pub exclude: Option<YesNo>,
}

/// `<guest>` of an interface: the device inside a container.
///
/// libvirt: `virDomainNetDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct GuestDevice {
    /// The name that it is to have.
    #[xml(attribute)]
    pub dev: Option<NonEmpty>,
    /// The name that it got.
    #[xml(attribute)]
    pub actual: Option<NonEmpty>,
}

/// `<target>` of an interface: the device of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Target::finish)]
pub struct Target {
    /// Where it was written.
    pub origin: Origin,
    /// Its name. Absent: one is made at start, and names that look made are not kept.
    #[xml(attribute)]
    pub dev: Option<String>,
    /// Of `type='ethernet'`: whether the device is made at start; `no` means that it is there.
    #[xml(attribute)]
    pub managed: Option<YesNo>,
}

impl Target {
    /// Names that libvirt makes are for one start alone.
    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        let made = ["vnet", "macvtap", "macvlan"];
        if self.managed != Some(YesNo::No) {
            self.dev.take_if(|dev| made.iter().any(|prefix| dev.starts_with(prefix)));
        }
    }
}

/// `<filterref>`: a filter of packets, with values for its variables.
///
/// libvirt: `virNWFilterParseParamAttributes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Filterref::finish)]
pub struct Filterref {
    /// Where it was written.
    pub origin: Origin,
    /// The name of the filter.
    #[xml(attribute, required)]
    pub filter: String,
    /// The values, sorted by name.
    #[xml(child, name = "parameter")]
    pub parameters: Vec<FilterParameter>,
}

impl Filterref {
    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        self.parameters.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// `<parameter>` of `<filterref>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct FilterParameter {
    /// The variable.
    #[xml(attribute, required)]
    pub name: String,
    /// Its value.
    #[xml(attribute, required)]
    pub value: String,
}

/// `<tune>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Tune {
    /// How many bytes may wait to be sent (QEMU: `sndbuf`); 0 means any number.
    #[xml(text_child)]
    pub sndbuf: Option<u64>,
}

/// `<teaming>`: a virtio interface that stays, and a device of the host that can go.
///
/// libvirt: `virDomainNetTeamingInfoParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Teaming {
    /// Where it was written.
    pub origin: Origin,
    /// Which of the two it is.
    #[xml(attribute, name = "type", required)]
    pub kind: TeamingKind,
    /// Of the one that can go: the alias of the other.
    #[xml(attribute)]
    pub persistent: Option<String>,
}

words! {
    /// Which of the two of a team it is.
    ///
    /// libvirt: `virDomainNetTeamingType`.
    pub enum TeamingKind {
        /// The one that stays.
        Persistent = "persistent",
        /// The one that can go.
        Transient = "transient",
    }
}

words! {
    /// Whether the cable is plugged in.
    ///
    /// libvirt: `virDomainNetInterfaceLinkState`.
    pub enum LinkState unset "default" {
        /// It is.
        Up = "up",
        /// It is not.
        Down = "down",
    }
}

/// `<coalesce>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Coalesce {
    /// Of what the guest receives.
    #[xml(child)]
    pub rx: CoalesceReceived,
}

/// `<rx>` of `<coalesce>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct CoalesceReceived {
    /// How many packets may wait for an interrupt (ethtool: `rx-frames`).
    #[xml(attribute_child = "max")]
    pub frames: Option<NonZeroU32>,
}

#[cfg(test)]
mod tests;
