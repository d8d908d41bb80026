//! Network interfaces.
//!
//! libvirt: `virDomainNetDefValidate`, `qemuValidateDomainDeviceDefNetwork`.

use base::YesNo;
use conf::device::Interface;
use conf::device::interface::kind::SocketMode;
use conf::device::interface::{InterfaceKind, InterfaceModel, TeamingKind};
use xml::Part;

use super::{Check, Rule, attribute, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("queue-size-is-power-of-two", "virtio counts positions in a ring", queue_sizes),
    Rule::new("port-forward-needs-passt", "QEMU's own user network forwards otherwise", forwards),
    Rule::new("passt-is-for-user", "passt carries packets by the host's own sockets", passt),
    Rule::new(
        "vhost-interface-needs-shared-memory",
        "another process reads the packets in the guest's memory",
        vhost,
    ),
    Rule::new("guest-address-is-handed-out", "only the user network has a DHCP server", addresses),
    Rule::new("mtu-is-possible", "not every kind has a device whose MTU can be set", mtu),
    Rule::new("team-has-two", "one of a team stays, the other can go", teaming),
    Rule::new("isolated-port-of-a-bridge", "only a bridge has ports", isolated),
    Rule::new("guaranteed-rate-of-a-network", "a floor is kept among interfaces of one", floor),
    Rule::new("tap-is-made", "only type='ethernet' takes one that is there", managed),
    Rule::new("virtio-knobs-need-virtio", "other cards have none", virtio_only),
    Rule::new("coalesce-needs-a-tap", "the knob belongs to a device of the host", coalesce),
];

fn each(check: &mut Check<'_>, rule: impl Fn(&mut Check<'_>, &Interface)) {
    for interface in &check.domain.devices.interfaces {
        rule(check, interface);
    }
}

fn word(interface: &Interface) -> &'static str {
    interface.kind.word()
}

fn queue_sizes(check: &mut Check<'_>) {
    each(check, |check, interface| {
        let Some(driver) = interface.driver.as_ref().filter(|_| interface.is_virtio()) else {
            return;
        };
        let sizes =
            [("rx_queue_size", driver.rx_queue_size), ("tx_queue_size", driver.tx_queue_size)];
        for (name, size) in sizes {
            if let Some(size) = size.filter(|size| !size.get().is_power_of_two()) {
                let message = format!("{size} is not a value of '{name}'");
                check.refuse_value(driver.origin, name, message, "a power of two");
            }
        }
    });
}

fn forwards(check: &mut Check<'_>) {
    each(check, |check, interface| {
        let takes = matches!(interface.kind, InterfaceKind::User(_) | InterfaceKind::VhostUser(_));
        for forward in &interface.port_forwards {
            if !takes || !interface.is_passt() {
                let message = "<portForward> is done by passt alone";
                let help = "write <interface type='user'> and <backend type='passt'/>";
                check.refuse(forward.origin, Part::Name, message, help);
            }
            for range in forward.ranges.iter().filter(|range| range.start.is_none()) {
                if range.end.is_some() || range.to.is_some() || range.exclude.is_some() {
                    let message = "<range> does not say where it starts";
                    check.refuse(forward.origin, Part::Name, message, "add start='…'");
                }
            }
        }
    });
}

fn passt(check: &mut Check<'_>) {
    each(check, |check, interface| {
        let takes = matches!(interface.kind, InterfaceKind::User(_) | InterfaceKind::VhostUser(_));
        if interface.is_passt() && !takes {
            let message = format!("passt carries no interface of type '{}'", word(interface));
            let help = "write type='user', or leave out <backend type='passt'/>";
            check.refuse(interface.backend.origin, attribute("type"), message, help);
        }
    });
}

fn vhost(check: &mut Check<'_>) {
    each(check, |check, interface| {
        let InterfaceKind::VhostUser(vhost) = &interface.kind else { return };
        check.need_shared_memory(interface.origin, "an interface of type 'vhostuser'");
        if !interface.model.as_ref().is_some_and(InterfaceModel::is_virtio) {
            let message = "a vhost-user process serves only virtio interfaces";
            check.refuse(interface.origin, Part::Name, message, "write <model type='virtio'/>");
        }
        let reconnects = vhost.reconnect.as_ref().is_some_and(|r| r.enabled == Some(YesNo::Yes));
        if vhost.mode == Some(SocketMode::Server) && reconnects {
            let message = "one who waits for a connection does not connect again";
            check.refuse(interface.origin, Part::Name, message, "leave out <reconnect>");
        }
    });
    each(check, |check, interface| {
        let InterfaceKind::Vdpa(_) = interface.kind else { return };
        if interface.model != Some(InterfaceModel::VIRTIO) {
            let message = "a vDPA device is a virtio interface";
            check.refuse(interface.origin, Part::Name, message, "write <model type='virtio'/>");
        }
    });
}

fn addresses(check: &mut Check<'_>) {
    each(check, |check, interface| {
        let ips = &interface.ip;
        let is_user = matches!(interface.kind, InterfaceKind::User(_))
            || (matches!(interface.kind, InterfaceKind::VhostUser(_)) && interface.is_passt());
        let has_any = !ips.addresses.is_empty() || !ips.routes.is_empty();
        if has_any && !is_user {
            let message =
                format!("nobody hands out addresses on an interface of type '{}'", word(interface));
            check.refuse(interface.origin, Part::Name, message, "leave out <ip> and <route>");
        }
        if is_user && !ips.routes.is_empty() {
            let message = "the user network hands out no routes";
            check.refuse(interface.origin, Part::Name, message, "leave out <route>");
        }
        let of_family = |v4: bool| {
            ips.addresses.iter().filter(move |ip| ip.address.is_some_and(|a| a.is_ipv4() == v4))
        };
        for (v4, name) in [(true, "IPv4"), (false, "IPv6")] {
            if let Some(second) = of_family(v4).nth(1).filter(|_| is_user) {
                let message = format!("the user network hands out one {name} address");
                check.refuse(second.origin, Part::Name, message, "leave out the others");
            }
            for ip in of_family(v4).filter(|_| is_user && !interface.is_passt()) {
                let fits = |prefix: u32| if v4 { (4..=27).contains(&prefix) } else { prefix == 64 };
                if let Some(prefix) = ip.prefix.filter(|prefix| !fits(prefix.get())) {
                    let message = format!("{prefix} is no prefix of QEMU's {name} network");
                    let expected = if v4 { "4 to 27" } else { "64" };
                    check.refuse_value(ip.origin, "prefix", message, expected);
                }
            }
        }
        let host = interface.kind.host_ip();
        let has_host = host.is_some_and(|ip| !(ip.addresses.is_empty() && ip.routes.is_empty()));
        if has_host && !matches!(interface.kind, InterfaceKind::Ethernet(_)) {
            let message = "only the host's end of type='ethernet' can be given an address";
            check.refuse(interface.origin, Part::Name, message, "leave out <ip> in <source>");
        }
    });
}

/// libvirt: `qemuDomainNetSupportsMTU`.
fn mtu(check: &mut Check<'_>) {
    use InterfaceKind::{Bridge, Direct, Ethernet, Network, User, Vdpa, VhostUser};
    each(check, |check, interface| {
        let takes = match interface.kind {
            Network(_) | Bridge(_) | Ethernet(_) | VhostUser(_) | Vdpa(_) | Direct(_) => true,
            User(_) => interface.is_passt(),
            _ => false,
        };
        if interface.mtu.is_some() && !takes {
            let message = format!("an interface of type '{}' has no MTU to set", word(interface));
            check.refuse(interface.origin, Part::Name, message, "leave out <mtu>");
        }
    });
}

fn teaming(check: &mut Check<'_>) {
    each(check, |check, interface| {
        let Some(teaming) = &interface.teaming else { return };
        let can_go =
            matches!(interface.kind, InterfaceKind::Hostdev(_) | InterfaceKind::Network(_));
        let (message, help) = match (teaming.kind, &teaming.persistent) {
            (TeamingKind::Persistent, Some(_)) => {
                ("the one that stays names no other", "leave out 'persistent'")
            }
            (TeamingKind::Persistent, None) if !interface.is_virtio() => {
                ("the one that stays is a virtio interface", "write <model type='virtio'/>")
            }
            (TeamingKind::Transient, None) => (
                "the one that can go must name the one that stays",
                "write persistent='…' with the alias of the other",
            ),
            (TeamingKind::Transient, Some(_)) if !can_go => {
                ("the one that can go is a device of the host", "write type='hostdev'")
            }
            _ => return,
        };
        check.refuse(teaming.origin, Part::Name, message, help);
    });
}

fn isolated(check: &mut Check<'_>) {
    each(check, |check, interface| {
        if interface.port.isolated != Some(YesNo::Yes) {
            return;
        }
        let has_port =
            matches!(interface.kind, InterfaceKind::Network(_) | InterfaceKind::Bridge(_));
        let is_plain = interface.virtualport.as_ref().is_none_or(|port| port.kind.is_none());
        if !has_port || !is_plain {
            let message = "only a port of a Linux bridge can be isolated";
            check.refuse(interface.origin, Part::Name, message, "leave out <port isolated='yes'/>");
        }
    });
}

fn coalesce(check: &mut Check<'_>) {
    each(check, |check, interface| {
        let takes = matches!(interface.kind, InterfaceKind::Network(_) | InterfaceKind::Bridge(_));
        if interface.coalesce.rx.frames.is_some() && !takes {
            let message = format!("an interface of type '{}' has no <coalesce>", word(interface));
            check.refuse(interface.origin, Part::Name, message, "leave it out");
        }
    });
}

/// libvirt: `virNetDevBandwidthParse`.
fn floor(check: &mut Check<'_>) {
    each(check, |check, interface| {
        let Some(bandwidth) = &interface.bandwidth else { return };
        let is_of_network = matches!(interface.kind, InterfaceKind::Network(_));
        let rates = [
            ("inbound", &bandwidth.inbound, is_of_network),
            ("outbound", &bandwidth.outbound, false),
        ];
        for (name, rate, can) in rates {
            if rate.as_ref().is_some_and(|rate| rate.floor.is_some()) && !can {
                let message = "a rate is guaranteed only to what comes in from a network";
                let place = within(format!("bandwidth/{name}@floor"));
                check.refuse(interface.origin, place, message, "leave out 'floor'");
            }
        }
    });
}

fn managed(check: &mut Check<'_>) {
    each(check, |check, interface| {
        let takes = matches!(interface.kind, InterfaceKind::Ethernet(_));
        if interface.target.managed == Some(YesNo::No) && !takes {
            let message =
                format!("the device of an interface of type '{}' is made for it", word(interface));
            let help = "leave out managed='no', or write type='ethernet'";
            check.refuse(interface.origin, within("target@managed"), message, help);
        }
    });
}

fn virtio_only(check: &mut Check<'_>) {
    each(check, |check, interface| {
        if let Some(driver) = interface.driver.as_ref().filter(|_| !interface.is_virtio()) {
            check.refuse_virtio_options(driver.origin, &driver.virtio, "interface");
        }
    });
}
