//! Network interfaces.

use std::net::IpAddr;

use base::YesNo;
use conf::device::interface::driver::{Driver, DriverName, TransmitMode};
use conf::device::interface::kind::{InterfaceKind, SocketMode, VhostUser};
use conf::device::interface::model::{InterfaceModel, KnownModel};
use conf::device::interface::{LinkState, TeamingKind};
use conf::device::virtio::VirtioModel;
use conf::device::{DeviceKind, Interface};
use serde_json::{Map, Value, json};

use super::blockdev::object;
use super::chardev::{Backend, Chardev, Socket, SocketAddress};
use super::device::Device;
use super::{Access, Builder, Fd, Open, Tap, boot, memory, passt, source};
use crate::answers::{Answer, LinkKind, PathKind, Question};
use crate::host::Host;

/// What the kernel moves packets with.
const VHOST_NET: &str = "/dev/vhost-net";
/// The name that the kernel completes for a tap that nobody named.
const ANY_TAP: &str = "vnet%d";

/// What to look at.
pub(super) fn questions(interface: &Interface, _host: &Host) -> Vec<Question> {
    let mut questions = Vec::new();
    if let Some(bridge) = interface.kind.bridge() {
        questions.push(Question::Link(bridge.to_owned()));
    }
    if interface.is_virtio() && is_tap(&interface.kind) {
        questions.push(Question::Path(vhost_path(interface).to_owned()));
    }
    questions
}

fn is_tap(kind: &InterfaceKind) -> bool {
    use InterfaceKind::{Bridge, Ethernet, Network};
    matches!(kind, Network(_) | Bridge(_) | Ethernet(_))
}

fn vhost_path(interface: &Interface) -> &str {
    interface.backend.vhost.as_deref().unwrap_or(VHOST_NET)
}

/// An interface with what is behind it.
///
/// libvirt: `qemuBuildInterfaceCommandLine`.
pub(super) fn interface(builder: &mut Builder<'_>, pos: usize, interface: &Interface) {
    let mac = interface.mac().map(|mac| mac.to_string()).unwrap_or_default();
    builder.part(format!("interface {mac}"), interface.origin);
    let alias = builder.aliases.get(DeviceKind::Interface, pos).to_owned();
    if !check(builder, interface) {
        return;
    }
    let netdev = format!("host{alias}");
    if backend(builder, interface, &alias, &netdev).is_none() {
        return;
    }
    let device = device(builder, pos, interface, &alias, &netdev);
    builder.device(device);
    if interface.link == Some(LinkState::Down) {
        builder.afterwards("set_link", json!({"name": alias, "up": false}));
    }
}

/// What is done to an interface on the host and cannot be done yet: left out in silence, the guest
/// would reach what it must not reach.
fn check(builder: &mut Builder<'_>, interface: &Interface) -> bool {
    let isolated = interface.port.isolated == Some(YesNo::Yes);
    let missing = [
        ("filterref", interface.filterref.as_ref().map(|filter| filter.origin)),
        ("vlan", interface.vlan.as_ref().map(|vlan| vlan.origin)),
        ("virtualport", interface.virtualport.as_ref().map(|_| interface.origin)),
        ("port isolated='yes'", isolated.then_some(interface.origin)),
        ("backend tap='…'", interface.backend.tap.as_ref().map(|_| interface.backend.origin)),
    ];
    let before = builder.problems.len();
    for (what, origin) in missing {
        if let Some(origin) = origin {
            builder.refuse(format!("cannot start a guest with <{what}> yet")).origin = origin;
        }
    }
    let bandwidth = interface.bandwidth.as_ref().map(|bandwidth| bandwidth.origin);
    let coalesce = (interface.coalesce != Default::default()).then_some(interface.origin);
    for (what, origin) in [("bandwidth", bandwidth), ("coalesce", coalesce)] {
        if let Some(origin) = origin {
            builder.warn(format!("<{what}> has no effect yet")).origin = origin;
        }
    }
    builder.problems.len() == before
}

/// What is behind an interface. `None`: it was refused.
fn backend(
    builder: &mut Builder<'_>,
    interface: &Interface,
    alias: &str,
    netdev: &str,
) -> Option<()> {
    match &interface.kind {
        InterfaceKind::User(_) if interface.is_passt() => {
            passt::netdev(builder, interface, alias, netdev)
        }
        InterfaceKind::User(_) | InterfaceKind::Internal(_) => {
            user(builder, interface, netdev);
            Some(())
        }
        InterfaceKind::Bridge(bridge) => {
            let bridge = bridge.bridge.clone();
            if builder.ask(&Question::Link(bridge.clone()))
                == Some(&Answer::Link(LinkKind::Missing))
            {
                let refused = builder.refuse(format!("this host has no bridge '{bridge}'"));
                refused.help = Some("make the bridge, or use <interface type='user'>".to_owned());
                return None;
            }
            tap(builder, interface, alias, netdev, Some(bridge))
        }
        InterfaceKind::Network(network) => {
            let bridge = bridge_of(builder, &network.network)?;
            tap(builder, interface, alias, netdev, Some(bridge))
        }
        InterfaceKind::Ethernet(_) => tap(builder, interface, alias, netdev, None),
        InterfaceKind::VhostUser(vhost) if !interface.is_passt() => {
            vhost_user(builder, interface, vhost, alias, netdev)
        }
        InterfaceKind::Server(socket) => {
            let source = socket;
            let address = source.address.as_deref().unwrap_or_default();
            by_socket(builder, netdev, "listen", address, source.port, None);
            Some(())
        }
        InterfaceKind::Client(socket) => {
            let source = socket;
            let address = source.address.as_deref().unwrap_or_default();
            by_socket(builder, netdev, "connect", address, source.port, None);
            Some(())
        }
        InterfaceKind::Mcast(socket) => {
            let source = socket;
            let address = source.address.as_deref().unwrap_or_default();
            by_socket(builder, netdev, "mcast", address, source.port, None);
            Some(())
        }
        InterfaceKind::Udp(udp) => {
            let source = udp;
            let local = format!("{}:{}", source.local.address, source.local.port);
            by_socket(builder, netdev, "udp", &source.address, source.port, Some(local));
            Some(())
        }
        kind => {
            let kind = kind.word();
            builder.refuse(format!("cannot start a guest with an interface of type '{kind}' yet"));
            None
        }
    }
}

/// The bridge of a libvirt network.
fn bridge_of(builder: &mut Builder<'_>, name: &str) -> Option<String> {
    let help = "use <interface type='bridge'> or <interface type='user'>, or start with --adapt, \
                which makes it the latter";
    let (message, help) = match builder.host.networks.get(name) {
        Some(network) => match &network.bridge {
            Some(bridge) => return Some(bridge.clone()),
            None => (format!("the network '{name}' has no bridge"), help.to_owned()),
        },
        None => (
            format!("this host has no libvirt network '{name}'"),
            format!("define it with 'virsh net-define', {help}"),
        ),
    };
    builder.refuse(message).help = Some(help);
    None
}

/// A tap, and the kernel's help with it.
fn tap(
    builder: &mut Builder<'_>,
    interface: &Interface,
    alias: &str,
    netdev: &str,
    bridge: Option<String>,
) -> Option<()> {
    let queues = interface.driver.as_ref().and_then(|driver| driver.queues).map_or(1, u32::from);
    let existing = interface.target.managed == Some(YesNo::No);
    let late = format!("{alias}-name");
    let tap = Tap {
        name: interface.target_dev().unwrap_or(ANY_TAP).to_owned(),
        late: late.clone(),
        bridge,
        // Bridges take the lowest address of their ports as their own; this one is never it.
        mac: interface
            .mac()
            .map(|mac| format!("fe{}", &mac.to_string()[2..]))
            .filter(|_| !existing),
        mtu: interface.mtu.map(u32::from),
        queue: 0,
        queues,
        existing,
    };
    let fds = (0..queues)
        .map(|queue| {
            let open = Open::Tap(Tap { queue, ..tap.clone() });
            builder.fd(format!("{alias}-tap{queue}"), format!("tap:{{{late}}}"), open)
        })
        .collect::<Vec<_>>();
    let mut properties = object(json!({"type": "tap"}));
    let plural = queues > 1;
    let mut descriptors = Vec::new();
    let mut pass = |properties: &mut Map<String, Value>, one, many, fds| {
        let name = if plural { many } else { one };
        properties.insert(String::from(name), Value::Null);
        descriptors.push((name, fds));
    };
    pass(&mut properties, "fd", "fds", fds);
    if let Some(fds) = vhost(builder, interface, alias, queues)? {
        properties.insert("vhost".to_owned(), true.into());
        pass(&mut properties, "vhostfd", "vhostfds", fds);
    }
    if let Some(size) = interface.tune.sndbuf {
        properties.insert("sndbuf".to_owned(), size.into());
    }
    properties.insert("id".to_owned(), netdev.into());
    builder.netdev(properties, descriptors);
    Some(())
}

/// The kernel's help with each queue; the inner `None` if QEMU moves the packets.
///
/// libvirt: `qemuInterfaceOpenVhostNet`.
fn vhost(
    builder: &mut Builder<'_>,
    interface: &Interface,
    alias: &str,
    queues: u32,
) -> Option<Option<Vec<Fd>>> {
    let name = interface.driver.as_ref().and_then(|driver| driver.name);
    if !interface.is_virtio() || name == Some(DriverName::Qemu) {
        return Some(None);
    }
    let path = vhost_path(interface).to_owned();
    let seen = builder.ask(&Question::Path(path.clone()));
    if matches!(seen, Some(Answer::Path(PathKind::Missing) | Answer::Failed(_))) {
        if name == Some(DriverName::Vhost) {
            let refused = builder.refuse(format!("this host has no {path}"));
            refused.help =
                Some("load the kernel module vhost_net, or leave out name='vhost'".to_owned());
            return None;
        }
        return Some(None);
    }
    let open = match path.as_str() {
        VHOST_NET => Open::VhostNet,
        _ => Open::Device { access: Access::Rw },
    };
    let fd = |queue| builder.fd(format!("{alias}-vhost{queue}"), path.clone(), open.clone());
    Some(Some((0..queues).map(fd).collect()))
}

/// QEMU's own network of one guest.
fn user(builder: &mut Builder<'_>, interface: &Interface, netdev: &str) {
    let mut properties = object(json!({"type": "user"}));
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    for ip in &interface.ip.addresses {
        let prefix = ip.prefix.map(u32::from);
        match (ip.address, prefix) {
            (Some(IpAddr::V4(address)), Some(prefix)) => {
                set("net", format!("{address}/{prefix}").into());
            }
            (Some(IpAddr::V4(address)), None) => {
                set("net", address.to_string().into());
            }
            (Some(IpAddr::V6(address)), prefix) => {
                set("ipv6-prefix", address.to_string().into());
                if let Some(prefix) = prefix {
                    set("ipv6-prefixlen", prefix.into());
                }
            }
            (None, _) => {}
        }
    }
    set("id", netdev.into());
    builder.netdev(properties, Vec::new());
}

/// A socket of QEMU that other QEMUs talk to.
fn by_socket(
    builder: &mut Builder<'_>,
    netdev: &str,
    how: &str,
    address: &str,
    port: u32,
    local: Option<String>,
) {
    let address = format!("{address}:{port}");
    let mut properties = object(json!({"type": "socket"}));
    properties.insert(how.to_owned(), address.clone().into());
    if let Some(local) = local {
        properties.insert("localaddr".to_owned(), local.into());
    }
    properties.insert("id".to_owned(), netdev.into());
    builder.netdev(properties, Vec::new());
    builder.by_path(address, "an interface of this type is a socket of QEMU's own");
}

/// A vhost-user process.
fn vhost_user(
    builder: &mut Builder<'_>,
    interface: &Interface,
    source: &VhostUser,
    alias: &str,
    netdev: &str,
) -> Option<()> {
    if !memory::is_shared(builder.domain) {
        let refused = builder.refuse("vhost-user needs the guest's memory to be shared");
        refused.help = Some(format!("{}, or start with --adapt", memory::HOW_TO_SHARE));
        return None;
    }
    let path = source.path.clone().unwrap_or_default();
    let server = source.mode == Some(SocketMode::Server);
    // QEMU passes descriptors only over a socket that it has opened by a path.
    let address = if server {
        source::in_directory(builder, &format!("{alias}-directory"), &path)
    } else {
        let fd = builder.fd(format!("{alias}-socket"), path, Open::SocketNode);
        builder.inherited_path(fd)
    };
    let mut socket = match server {
        true => Socket::listening(SocketAddress::Unix(address)),
        false => Socket::connected(SocketAddress::Unix(address)),
    };
    socket.reconnect = source::reconnect(builder, source.reconnect.as_ref());
    let chardev = format!("char{alias}");
    builder.chardev(Chardev::new(chardev.clone(), Backend::Socket(socket)));
    let mut properties = object(json!({"type": "vhost-user", "chardev": chardev}));
    let queues = interface.driver.as_ref().and_then(|driver| driver.queues).map_or(1, u32::from);
    if queues > 1 {
        properties.insert("queues".to_owned(), queues.into());
    }
    properties.insert("id".to_owned(), netdev.into());
    builder.netdev(properties, Vec::new());
    Some(())
}

/// libvirt: `qemuBuildNicDevProps`.
fn device(
    builder: &mut Builder<'_>,
    pos: usize,
    interface: &Interface,
    alias: &str,
    netdev: &str,
) -> Device {
    let mut device = match interface.model.as_ref().filter(|model| model.is_virtio()) {
        Some(model) => virtio(interface, model),
        None => Device::new(interface.model.as_ref().map_or("rtl8139", InterfaceModel::as_str)),
    };
    device.set("netdev", netdev).set("id", alias);
    device.maybe("mac", interface.mac().map(|mac| mac.to_string()));
    device.maybe("bootindex", boot::of_interface(builder.domain, pos));
    device.address(&interface.info, builder);
    device.rom(interface.info.rom.as_ref(), &format!("{alias}-rom"), builder);
    device
}

fn virtio(interface: &Interface, model: &InterfaceModel) -> Device {
    let generation = match model {
        InterfaceModel::Known(KnownModel::VirtioTransitional) => VirtioModel::Transitional,
        InterfaceModel::Known(KnownModel::VirtioNonTransitional) => VirtioModel::NonTransitional,
        _ => VirtioModel::Virtio,
    };
    let default = Driver::default();
    let driver = interface.driver.as_ref().unwrap_or(&default);
    let mut device = Device::virtio("virtio-net-pci", Some(generation), Some(&driver.virtio));
    device.maybe(
        "tx",
        driver.txmode.map(|mode| match mode {
            TransmitMode::Iothread => "bh",
            TransmitMode::Timer => "timer",
        }),
    );
    device.switch("ioeventfd", driver.ioeventfd).switch("event_idx", driver.event_idx);
    let (host, guest) = (&driver.host, &driver.guest);
    device.switch("csum", host.csum).switch("gso", host.gso);
    device.switch("host_tso4", host.tso4).switch("host_tso6", host.tso6);
    device.switch("host_ecn", host.ecn).switch("host_ufo", host.ufo);
    device.switch("mrg_rxbuf", host.mrg_rxbuf).switch("guest_csum", guest.csum);
    device.switch("guest_tso4", guest.tso4).switch("guest_tso6", guest.tso6);
    device.switch("guest_ecn", guest.ecn).switch("guest_ufo", guest.ufo);
    if let Some(queues) = driver.queues.map(u32::from).filter(|queues| *queues > 1) {
        // Two for each pair of queues, one for the configuration, one for the control queue.
        device.set("mq", true).set("vectors", 2 * queues + 2);
    }
    device.maybe("rx_queue_size", driver.rx_queue_size.map(u32::from));
    device.maybe("tx_queue_size", driver.tx_queue_size.map(u32::from));
    device.switch("rss", driver.rss).switch("hash", driver.rss_hash_report);
    device.maybe("host_mtu", interface.mtu.map(u32::from));
    let teaming = interface.teaming.as_ref().map(|teaming| teaming.kind);
    if teaming == Some(TeamingKind::Persistent) {
        device.set("failover", true);
    }
    device
}
