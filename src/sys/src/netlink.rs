//! Network devices by rtnetlink: what ioctls cannot do.

use std::io;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::{context, invalid};

/// How long an answer can be: an error with the request that it is about.
const ANSWER: usize = 8192;

// include/uapi/linux/if_link.h and if_bridge.h, as far as libc lacks them.
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_VF_INFO: u16 = 1;
const IFLA_VF_MAC: u16 = 1;
const IFLA_VF_VLAN: u16 = 2;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_VLAN_INFO_PVID: u16 = 2;
const BRIDGE_VLAN_INFO_UNTAGGED: u16 = 4;
const BRIDGE_VLAN_INFO_RANGE_BEGIN: u16 = 8;
const BRIDGE_VLAN_INFO_RANGE_END: u16 = 16;

/// The highest VLAN that a port can have.
const LAST_VLAN: u16 = 4094;

/// Whom devices on the same device reach.
///
/// Linux: `enum macvlan_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacvlanMode {
    /// Nobody on this host.
    Private,
    /// The switch, which sends packets back.
    Vepa,
    /// Each other.
    Bridge,
    /// The device is its alone.
    Passthrough,
}

/// Makes a macvtap called `name` on the device with the number `on`. It is down.
///
/// # Errors
/// `AlreadyExists` when the name is taken; `PermissionDenied` without `CAP_NET_ADMIN`; what else the
/// kernel says.
pub fn add_macvtap(
    name: &str,
    on: u32,
    mode: MacvlanMode,
    mac: Option<[u8; 6]>,
    mtu: Option<u32>,
) -> io::Result<()> {
    let mode: u32 = match mode {
        MacvlanMode::Private => 1,
        MacvlanMode::Vepa => 2,
        MacvlanMode::Bridge => 4,
        MacvlanMode::Passthrough => 8,
    };
    let mut message = Message::new(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
    message.link(libc::AF_UNSPEC, 0);
    message.attribute(libc::IFLA_IFNAME, &zero_ended(name)?);
    message.attribute(libc::IFLA_LINK, &on.to_ne_bytes());
    if let Some(mac) = mac {
        message.attribute(libc::IFLA_ADDRESS, &mac);
    }
    if let Some(mtu) = mtu {
        message.attribute(libc::IFLA_MTU, &mtu.to_ne_bytes());
    }
    message.nest(libc::IFLA_LINKINFO, |info| {
        info.attribute(IFLA_INFO_KIND, b"macvtap");
        info.nest(IFLA_INFO_DATA, |data| {
            data.attribute(IFLA_MACVLAN_MODE, &mode.to_ne_bytes());
        });
    });
    message.send().map_err(|error| context(error, format_args!("cannot make macvtap '{name}'")))
}

/// Removes a network device.
///
/// # Errors
/// What the kernel says; the text names the device.
pub fn remove(name: &str) -> io::Result<()> {
    let mut message = Message::new(libc::RTM_DELLINK, 0);
    message.link(libc::AF_UNSPEC, 0);
    message.attribute(libc::IFLA_IFNAME, &zero_ended(name)?);
    message.send().map_err(|error| context(error, format_args!("cannot remove '{name}'")))
}

/// The VLAN of a bridge's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortVlan {
    /// Its tag.
    pub id: u16,
    /// Whether packets without a tag belong to it.
    pub native: bool,
    /// Whether its packets leave without a tag.
    pub untagged: bool,
}

/// Sets the VLANs of a bridge's port: those, and no others.
///
/// # Errors
/// What the kernel says.
pub fn set_port_vlans(port: u32, vlans: &[PortVlan]) -> io::Result<()> {
    let doing = |error| context(error, "cannot set the VLANs of the bridge's port");
    let range = [(BRIDGE_VLAN_INFO_RANGE_BEGIN, 1), (BRIDGE_VLAN_INFO_RANGE_END, LAST_VLAN)];
    port_vlans(libc::RTM_DELLINK, port, &range).map_err(doing)?;
    for vlan in vlans {
        let native = if vlan.native { BRIDGE_VLAN_INFO_PVID } else { 0 };
        let untagged = if vlan.untagged { BRIDGE_VLAN_INFO_UNTAGGED } else { 0 };
        port_vlans(libc::RTM_SETLINK, port, &[(native | untagged, vlan.id)]).map_err(doing)?;
    }
    Ok(())
}

fn port_vlans(kind: u16, port: u32, vlans: &[(u16, u16)]) -> io::Result<()> {
    let mut message = Message::new(kind, 0);
    message.link(libc::AF_BRIDGE, port);
    message.nest(libc::IFLA_AF_SPEC, |spec| {
        for (flags, id) in vlans {
            let info = [flags.to_ne_bytes(), id.to_ne_bytes()].concat();
            spec.attribute(IFLA_BRIDGE_VLAN_INFO, &info);
        }
    });
    message.send()
}

/// Sets address and VLAN of a virtual function by its card, the device with the number `card`.
///
/// # Errors
/// What the kernel says.
pub fn set_virtual_function(
    card: u32,
    function: u32,
    mac: Option<[u8; 6]>,
    vlan: Option<u16>,
) -> io::Result<()> {
    let mut message = Message::new(libc::RTM_SETLINK, 0);
    message.link(libc::AF_UNSPEC, card);
    message.nest(libc::IFLA_VFINFO_LIST, |list| {
        list.nest(IFLA_VF_INFO, |info| {
            let function = function.to_ne_bytes();
            if let Some(mac) = mac {
                let mut address = [0; 32];
                address[..6].copy_from_slice(&mac);
                info.attribute(IFLA_VF_MAC, &[&function[..], &address].concat());
            }
            if let Some(vlan) = vlan {
                let [vlan, qos] = [u32::from(vlan), 0].map(u32::to_ne_bytes);
                info.attribute(IFLA_VF_VLAN, &[function, vlan, qos].concat());
            }
        });
    });
    message.send().map_err(|error| context(error, "cannot set up the virtual function"))
}

fn zero_ended(name: &str) -> io::Result<Vec<u8>> {
    if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains(['\0', '/']) {
        return Err(invalid(format_args!("'{name}' cannot be the name of a network device")));
    }
    Ok([name.as_bytes(), b"\0"].concat())
}

/// A request: a header, what it is about, and attributes.
#[derive(Debug)]
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: libc::c_int) -> Self {
        let flags = (flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        // A sequence number, and whom it is from: there is only this one.
        bytes.extend([0; 8]);
        Self(bytes)
    }

    /// The device that it is about: `struct ifinfomsg`.
    fn link(&mut self, family: libc::c_int, index: u32) {
        self.0.extend([family as u8, 0, 0, 0]);
        self.0.extend(index.to_ne_bytes());
        self.0.extend([0; 8]);
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |message| message.0.extend(value));
    }

    fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        fill(self);
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// Sends it, and waits for the answer.
    fn send(mut self) -> io::Result<()> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // That of network devices is number 0.
            None,
        )?;
        rustix::net::send(&socket, &self.0, SendFlags::empty())?;
        let mut answer = vec![0; ANSWER];
        let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
        // After the header comes `struct nlmsgerr`, whose first member is the negative error number.
        let code = answer.get(..length).and_then(|bytes| bytes.get(16..20)).ok_or_else(|| {
            io::Error::other("the kernel's answer about a network device is too short")
        })?;
        match i32::from_ne_bytes([code[0], code[1], code[2], code[3]]) {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(-code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_say_their_length_without_it() {
        let mut message = Message::new(libc::RTM_NEWLINK, 0);
        message.nest(18, |info| info.attribute(1, b"macvtap"));
        assert_eq!(&message.0[16..], b"\x10\0\x12\0\x0b\0\x01\0macvtap\0");
    }

    #[test]
    fn what_is_not_there_cannot_be_removed() {
        let error = remove("nosuchdev0").unwrap_err();
        assert!(error.to_string().starts_with("cannot remove 'nosuchdev0': "), "{error}");
    }

    #[test]
    fn a_name_that_no_device_can_have_is_refused() {
        assert!(remove("sixteen-letters-").is_err());
        assert!(remove("").is_err());
    }
}
