//! What an interface is connected to, and what is told to that switch: VLANs, limits, isolation.

use base::YesNo;
use conf::device::Interface;
use conf::device::interface::{InterfaceKind, NativeMode, Rate};

use super::{Builder, LinkSetup, Vlan};
use crate::host::{Network, PortBandwidth, PortGroup, PortRate, PortSettings, PortVlan};

/// The program that tells Open vSwitch of ports.
const OPEN_VSWITCH: &str = "ovs-vsctl";
/// The program that limits what a device sends and takes.
const TC: &str = "tc";

/// What an interface asks of its switch, together with what its network does.
///
/// libvirt: `networkAllocatePort` in `src/network/bridge_driver.c`.
pub(super) fn settings(builder: &Builder<'_>, interface: &Interface) -> PortSettings {
    let network = interface.kind.network().and_then(|name| builder.host.networks.get(name));
    let group = network.and_then(|network| group(network, interface));
    let below = [group.map(|group| &group.port), network.map(|network| &network.port)];
    let inherited = |pick: fn(&PortSettings) -> bool| {
        below.into_iter().flatten().find(|settings| pick(settings))
    };
    let virtualport = interface.virtualport.as_ref();
    PortSettings {
        virtualport: virtualport
            .and_then(|port| port.kind)
            .map(|kind| kind.to_string())
            .or_else(|| inherited(|port| port.virtualport.is_some())?.virtualport.clone()),
        profile: virtualport
            .and_then(|port| port.parameters.profileid.as_ref())
            .map(|profile| profile.0.clone())
            .or_else(|| inherited(|port| port.profile.is_some())?.profile.clone()),
        vlan: own_vlan(interface).or_else(|| inherited(|port| port.vlan.is_some())?.vlan.clone()),
        bandwidth: own_bandwidth(interface).or_else(|| group?.port.bandwidth.clone()),
    }
}

/// The group of settings that an interface names, or the network's default one.
fn group<'a>(network: &'a Network, interface: &Interface) -> Option<&'a PortGroup> {
    let InterfaceKind::Network(source) = &interface.kind else { return None };
    match &source.portgroup {
        Some(name) => network.portgroups.get(name),
        None => network.portgroups.values().find(|group| group.is_default),
    }
}

fn own_vlan(interface: &Interface) -> Option<PortVlan> {
    let vlan = interface.vlan.as_ref()?;
    let native = vlan.tags.iter().find(|tag| tag.native_mode.is_some());
    Some(PortVlan {
        trunk: vlan.trunk == Some(YesNo::Yes),
        tags: vlan.tags.iter().map(|tag| tag.id).collect(),
        native: native.map(|tag| tag.id),
        native_is_tagged: native.is_some_and(|tag| tag.native_mode == Some(NativeMode::Tagged)),
    })
}

fn own_bandwidth(interface: &Interface) -> Option<PortBandwidth> {
    let bandwidth = interface.bandwidth.as_ref()?;
    let rate = |rate: &Rate| PortRate {
        average: rate.average.map(u64::from),
        peak: rate.peak.map(u64::from),
        burst: rate.burst.map(u64::from),
    };
    Some(PortBandwidth {
        inbound: bandwidth.inbound.as_ref().map(rate),
        outbound: bandwidth.outbound.as_ref().map(rate),
    })
}

/// Whether the switch is Open vSwitch, which is not a bridge of the kernel's.
pub(super) fn is_open_vswitch(settings: &PortSettings) -> bool {
    settings.virtualport.as_deref() == Some("openvswitch")
}

/// What is set up on a tap called `{late}`. `None`: it was refused.
///
/// libvirt: `virNetDevTapAttachBridge`, `qemuBuildInterfaceConnect`.
pub(super) fn of_tap(
    builder: &mut Builder<'_>,
    interface: &Interface,
    settings: &PortSettings,
    bridge: Option<&str>,
    late: &str,
) -> Option<LinkSetup> {
    let mut setup = LinkSetup {
        isolated: interface.port.isolated == Some(YesNo::Yes),
        rx_frames: interface.coalesce.rx.frames.map(u32::from),
        ..LinkSetup::default()
    };
    match (settings.virtualport.as_deref(), bridge) {
        (Some("openvswitch"), Some(bridge)) => {
            open_vswitch(builder, interface, settings, bridge, late, &mut setup)?;
        }
        (Some("midonet"), _) => {
            builder.refuse("ports of MidoNet cannot be bound").help =
                Some("use a bridge or Open vSwitch".to_owned());
            return None;
        }
        (Some(kind), Some(_)) => {
            let warning = builder
                .warn(format!("a bridge of the kernel knows nothing of a <virtualport> '{kind}'"));
            warning.help = Some("write <interface type='direct'>, or leave it out".to_owned());
        }
        _ => {}
    }
    if let Some(vlan) = settings.vlan.as_ref().filter(|_| !is_open_vswitch(settings)) {
        setup.vlans = vlans(vlan);
    }
    if let Some(PortBandwidth { inbound, outbound }) = &settings.bandwidth {
        // What the guest receives is what its tap sends.
        limits(builder, inbound.as_ref(), outbound.as_ref(), late, &mut setup)?;
    }
    Some(setup)
}

/// What is set up on a macvtap called `{late}`. `None`: it was refused.
pub(super) fn of_macvtap(
    builder: &mut Builder<'_>,
    interface: &Interface,
    settings: &PortSettings,
    late: &str,
) -> Option<LinkSetup> {
    if let Some(kind) = &settings.virtualport {
        let refused = builder.refuse(format!(
            "a switch that wants a <virtualport> '{kind}' for macvtap needs lldpad, which vdomain \
             does not talk to"
        ));
        refused.help = Some("leave it out, or use a bridge".to_owned());
        return None;
    }
    if settings.vlan.is_some() {
        let refused = builder.refuse("macvtap has no VLANs of its own");
        refused.help =
            Some("put it on a VLAN device of the host, such as dev='eth0.42'".to_owned());
        return None;
    }
    let mut setup = LinkSetup {
        rx_frames: interface.coalesce.rx.frames.map(u32::from),
        ..LinkSetup::default()
    };
    if let Some(PortBandwidth { inbound, outbound }) = &settings.bandwidth {
        limits(builder, outbound.as_ref(), inbound.as_ref(), late, &mut setup)?;
    }
    Some(setup)
}

/// The VLANs of a bridge's port: one for packets without tags, or several that keep theirs.
///
/// libvirt: `virNetDevBridgeSetupVlans`.
fn vlans(vlan: &PortVlan) -> Vec<Vlan> {
    if !vlan.trunk {
        return vlan
            .tags
            .iter()
            .take(1)
            .map(|id| Vlan { id: *id, native: true, untagged: true })
            .collect();
    }
    let of = |id: &u16| {
        let native = vlan.native == Some(*id);
        Vlan { id: *id, native, untagged: native && !vlan.native_is_tagged }
    };
    vlan.tags.iter().map(of).collect()
}

/// A port of Open vSwitch.
///
/// libvirt: `virNetDevOpenvswitchAddPort`.
fn open_vswitch(
    builder: &mut Builder<'_>,
    interface: &Interface,
    settings: &PortSettings,
    bridge: &str,
    late: &str,
    setup: &mut LinkSetup,
) -> Option<()> {
    let program = builder.program(OPEN_VSWITCH)?;
    let port = format!("{{{late}}}");
    let begin =
        [&program, "--timeout=5", "--", "--if-exists", "del-port", &port].map(str::to_owned);
    let mut add = begin.to_vec();
    add.extend(["--", "add-port", bridge, &port].map(str::to_owned));
    if let Some(vlan) = &settings.vlan {
        add.extend(open_vswitch_vlan(vlan));
    }
    let mut ids = vec![("iface-status", "active".to_owned())];
    let parameters = interface.virtualport.as_ref().map(|port| &port.parameters);
    let mac = interface.mac().map(|mac| mac.to_string());
    ids.extend(mac.map(|mac| ("attached-mac", mac)));
    ids.extend(
        parameters.and_then(|found| found.interfaceid).map(|id| ("iface-id", id.to_string())),
    );
    ids.extend(builder.domain.uuid.map(|uuid| ("vm-id", uuid.to_string())));
    ids.extend(settings.profile.clone().map(|profile| ("port-profile", profile)));
    for (name, value) in ids {
        add.extend(["--", "set", "Interface", &port].map(str::to_owned));
        add.push(format!("external-ids:{name}=\"{value}\""));
    }
    setup.commands.push(add);
    setup.undo.push(begin.to_vec());
    Some(())
}

/// libvirt: `virNetDevOpenvswitchConstructVlans`.
fn open_vswitch_vlan(vlan: &PortVlan) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(native) = vlan.native {
        let mode = if vlan.native_is_tagged { "native-tagged" } else { "native-untagged" };
        words.extend([format!("vlan_mode={mode}"), format!("tag={native}")]);
    }
    if vlan.trunk {
        let tags: Vec<String> = vlan.tags.iter().map(u16::to_string).collect();
        words.push(format!("trunk={}", tags.join(",")));
    } else if let Some(tag) = vlan.tags.first() {
        words.push(format!("tag={tag}"));
    }
    words
}

/// Limits of what a device of the host sends and receives.
///
/// libvirt: `virNetDevBandwidthSet`, `virDomainNetTypeSharesHostView`.
fn limits(
    builder: &mut Builder<'_>,
    sent: Option<&PortRate>,
    received: Option<&PortRate>,
    late: &str,
    setup: &mut LinkSetup,
) -> Option<()> {
    let tc = builder.program(TC)?;
    let device = format!("{{{late}}}");
    let mut run = |words: &[&str], more: Vec<String>| {
        let words = [tc.as_str()].into_iter().chain(words.iter().copied()).map(str::to_owned);
        setup.commands.push(words.chain(more).collect());
    };
    if let Some(PortRate { average: Some(average), peak, burst }) = sent {
        let mut rate = vec!["htb".to_owned(), "rate".to_owned(), format!("{average}kbps")];
        rate.extend(peak.iter().flat_map(|peak| ["ceil".to_owned(), format!("{peak}kbps")]));
        rate.extend(burst.iter().flat_map(|burst| ["burst".to_owned(), format!("{burst}kb")]));
        run(
            &["qdisc", "add", "dev", &device, "root", "handle", "1:", "htb", "default", "1"],
            vec![],
        );
        run(&["class", "add", "dev", &device, "parent", "1:", "classid", "1:1"], rate);
        let fair = ["qdisc", "add", "dev", &device, "parent", "1:1", "handle", "2:", "sfq"];
        run(&fair, vec!["perturb".to_owned(), "10".to_owned()]);
    }
    if let Some(PortRate { average: Some(average), burst, .. }) = received {
        let burst = burst.unwrap_or(*average);
        run(&["qdisc", "add", "dev", &device, "ingress"], vec![]);
        let filter = [
            "filter", "add", "dev", &device, "parent", "ffff:", "protocol", "all", "u32", "match",
            "u32", "0", "0", "police", "rate",
        ];
        let police = [
            format!("{average}kbps"),
            "burst".to_owned(),
            format!("{burst}kb"),
            "mtu".to_owned(),
            "64kb".to_owned(),
            "drop".to_owned(),
            "flowid".to_owned(),
            ":1".to_owned(),
        ];
        run(&filter, police.to_vec());
    }
    Some(())
}
