//! `<ip>` and `<route>` of an interface.

use std::net::IpAddr;
use std::num::NonZeroU32;

use base::words;
use xml::{El, Origin, Part, Problem, Reader, Xml};

/// Addresses and routes: of the guest below `<interface>`, of the host below its `<source>`.
///
/// libvirt: `virDomainNetIPInfoParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct IpSettings {
    /// The addresses.
    #[xml(child, name = "ip")]
    pub addresses: Vec<Ip>,
    /// The routes.
    #[xml(child, name = "route")]
    pub routes: Vec<Route>,
}

/// `<ip>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Ip::finish)]
pub struct Ip {
    /// Where it was written.
    pub origin: Origin,
    /// The address; there after reading.
    #[xml(attribute, required)]
    pub address: Option<IpAddr>,
    /// Its family, which is always printed.
    #[xml(attribute)]
    pub family: Option<Family>,
    /// How many bits of it name the network. Absent: as its class says.
    #[xml(attribute)]
    pub prefix: Option<NonZeroU32>,
    /// The address of the other end.
    #[xml(attribute)]
    pub peer: Option<IpAddr>,
}

impl Ip {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let Some(address) = self.address else { return };
        let family = Family::of(address);
        for (name, other) in [("family", self.family), ("peer", self.peer.map(Family::of))] {
            if other.is_some_and(|other| other != family) {
                let part = Part::Attribute(name.to_owned());
                let message = format!("'{name}' of <ip> does not go with {address}");
                reader.push(Problem::error(el.origin(), part, message));
            }
        }
        self.family = Some(family);
    }
}

words! {
    /// The version of the Internet Protocol.
    pub enum Family {
        /// IPv4.
        Ipv4 = "ipv4",
        /// IPv6.
        Ipv6 = "ipv6",
    }
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

/// `<route>`.
///
/// libvirt: `virNetDevIPRouteParseXML`, `virNetDevIPRouteFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Route {
    /// Where it was written.
    pub origin: Origin,
    /// The family. Absent: IPv4.
    #[xml(attribute)]
    pub family: Option<Family>,
    /// The network that is reached; there after reading.
    #[xml(attribute, required)]
    pub address: Option<IpAddr>,
    /// Which bits of it name the network.
    #[xml(attribute)]
    pub netmask: Option<IpAddr>,
    /// How many bits of it name the network, in place of `netmask`.
    #[xml(attribute)]
    pub prefix: Option<u32>,
    /// By whom it is reached; there after reading.
    #[xml(attribute, required)]
    pub gateway: Option<IpAddr>,
    /// How far it is.
    #[xml(attribute)]
    pub metric: Option<NonZeroU32>,
}
