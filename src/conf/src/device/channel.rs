//! `<channel>`: a connection between a program on the host and one in the guest.

use std::net::Ipv4Addr;

use xml::{El, Origin, Reader, Xml};

use crate::device::chardev::Chardev;
use crate::device::serial::refuse_spicevmc;
use crate::device_info::DeviceInfo;

/// A channel.
///
/// libvirt: `virDomainChrDefParseXML`, `virDomainChrDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Channel::finish)]
pub struct Channel {
    /// Where it was written.
    pub origin: Origin,
    /// What is behind it on the host.
    #[xml(flatten)]
    pub chardev: Chardev,
    /// What the guest sees.
    #[xml(child, required)]
    pub target: ChannelTarget,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Channel {
    /// The name by which the guest finds the port, of a virtio channel that has one.
    pub fn virtio_name(&self) -> Option<&str> {
        match &self.target {
            ChannelTarget::Virtio(target) => target.name.as_deref(),
            _ => None,
        }
    }

    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        if !matches!(self.target, ChannelTarget::Virtio(_)) {
            refuse_spicevmc(self.origin, &self.chardev, reader);
        }
    }
}

/// `<target>` of a channel.
///
/// libvirt: `virDomainChrChannelTargetType`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(key = "type")]
pub enum ChannelTarget {
    /// A port of a virtio-serial controller.
    #[xml(word = "virtio", ignores = "state")]
    Virtio(NamedTarget),
    /// TCP connections of the guest to an address of its user-mode network.
    #[xml(word = "guestfwd")]
    Guestfwd(GuestfwdTarget),
    /// A channel of Xen.
    #[xml(word = "xen")]
    Xen(NamedTarget),
}

/// `<target>` with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct NamedTarget {
    /// The name by which the guest finds it, such as `org.qemu.guest_agent.0`. Absent: QEMU's
    /// `com.redhat.spice.0`, where a SPICE agent is behind it.
    #[xml(attribute)]
    pub name: Option<String>,
}

/// `<target type='guestfwd'>`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
pub struct GuestfwdTarget {
    /// The address that the guest connects to.
    #[xml(attribute, required)]
    pub address: Ipv4Addr,
    /// The TCP port that it connects to.
    #[xml(attribute, required)]
    pub port: u16,
}

impl Default for GuestfwdTarget {
    fn default() -> Self {
        Self { address: Ipv4Addr::UNSPECIFIED, port: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    #[test]
    fn only_a_virtio_channel_is_the_agent_of_spice() {
        let channel = |target| {
            let text = format!("<channel type='spicevmc'><target type='{target}'/></channel>");
            reprint::<Channel>("channel", &text)
        };
        assert!(channel("virtio").is_ok());
        assert_eq!(
            channel("xen").unwrap_err(),
            ["'spicevmc' is only for a <channel> with <target type='virtio'/>"]
        );
    }

    #[test]
    fn a_forwarded_address_is_one_of_ipv4() {
        let text = "<channel><target type='guestfwd' address='::1' port='4600'/></channel>";
        assert_eq!(
            reprint::<Channel>("channel", text).unwrap_err(),
            ["'::1' is not a value of 'address' in <target>: \
              expected an IPv4 address such as 10.0.2.1"]
        );
    }
}
