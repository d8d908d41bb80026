//! Network interfaces.

use std::net::IpAddr;

use base::{PciAddress, Value as _, YesNo};
use conf::device::host_address::HostAddress;
use conf::device::interface::driver::{Driver, TransmitMode};
use conf::device::interface::kind::{
    DirectMode, Hostdev, InterfaceKind, Network as NetworkSource, SocketMode, Vdpa, VhostUser,
};
use conf::device::interface::model::{InterfaceModel, KnownModel};
use conf::device::interface::{LinkState, TeamingKind};
use conf::device::virtio::VirtioModel;
use conf::device::{DeviceKind, Interface};
use serde_json::{Value, json};

use super::blockdev::object;
use super::chardev::{Backend, Chardev, Socket, SocketAddress};
use super::device::Device;
use super::{Access, Builder, Open, boot, hostdev, memory, passt, source, switch, tap, vfio};
use crate::answers::{Answer, LinkKind, Question};
use crate::host::Host;

/// What to look at.
pub(super) fn questions(interface: &Interface, _host: &Host) -> Vec<Question> {
    let mut questions = Vec::new();
    if let Some(bridge) = interface.kind.bridge() {
        questions.push(Question::Link(bridge.to_owned()));
    }
    if let InterfaceKind::Hostdev(Hostdev { address: HostAddress::Pci(address), .. }) =
        &interface.kind
    {
        questions.push(Question::Pci(address.address().to_string()));
    }
    if interface.is_virtio() && is_tap(&interface.kind) {
        questions.push(Question::Path(tap::vhost_path(interface).to_owned()));
    }
    questions
}

fn is_tap(kind: &InterfaceKind) -> bool {
    use InterfaceKind::{Bridge, Direct, Ethernet, Network};
    matches!(kind, Network(_) | Bridge(_) | Ethernet(_) | Direct(_))
}

/// An interface with what is behind it, unless that is a device of the host.
///
/// libvirt: `qemuBuildInterfaceCommandLine`.
pub(super) fn interface(builder: &mut Builder<'_>, pos: usize, interface: &Interface) {
    if interface.is_hostdev() {
        return;
    }
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

/// What cannot be done on the host: left out in silence, the guest would reach what it must not
/// reach.
fn check(builder: &mut Builder<'_>, interface: &Interface) -> bool {
    let before = builder.problems.len();
    if let Some(filter) = &interface.filterref {
        let refused = builder.refuse(format!(
            "packets cannot be filtered by '{}': only libvirt's daemon does that",
            filter.filter
        ));
        refused.origin = filter.origin;
        refused.help =
            Some("filter on the host, by nftables, and leave out <filterref>".to_owned());
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
            let settings = switch::settings(builder, interface);
            if !switch::is_open_vswitch(&settings)
                && builder.ask(&Question::Link(bridge.clone()))
                    == Some(&Answer::Link(LinkKind::Missing))
            {
                let refused = builder.refuse(format!("this host has no bridge '{bridge}'"));
                refused.help = Some("make the bridge, or use <interface type='user'>".to_owned());
                return None;
            }
            tap::tap(builder, interface, &settings, alias, netdev, Some(bridge))
        }
        InterfaceKind::Network(network) => of_network(builder, interface, network, alias, netdev),
        InterfaceKind::Ethernet(_) => {
            let settings = switch::settings(builder, interface);
            tap::tap(builder, interface, &settings, alias, netdev, None)
        }
        InterfaceKind::Direct(direct) => {
            let settings = switch::settings(builder, interface);
            let place = (direct.dev.as_str(), direct.mode);
            tap::macvtap(builder, interface, &settings, (alias, netdev), place)
        }
        InterfaceKind::Vdpa(vdpa) => {
            vdpa_device(builder, interface, vdpa, alias, netdev);
            Some(())
        }
        InterfaceKind::VhostUser(_) if interface.is_passt() => {
            let socket = passt::vhost_user(builder, interface, alias)?;
            vhost_user_netdev(builder, interface, socket, alias, netdev);
            Some(())
        }
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
            builder.refuse(format!("QEMU has no interface of type '{kind}'"));
            None
        }
    }
}

/// What an interface of a libvirt network is put on.
///
/// libvirt: `networkAllocatePort`.
fn of_network(
    builder: &mut Builder<'_>,
    interface: &Interface,
    source: &NetworkSource,
    alias: &str,
    netdev: &str,
) -> Option<()> {
    let name = &source.network;
    let help = "use <interface type='bridge'> or <interface type='user'>, or start with --adapt, \
                which makes it the latter";
    let host = builder.host;
    let Some(network) = host.networks.get(name) else {
        builder.refuse(format!("this host has no libvirt network '{name}'")).help =
            Some(format!("define it with 'virsh net-define', {help}"));
        return None;
    };
    if let Some(group) = &source.portgroup
        && !network.portgroups.contains_key(group)
    {
        builder.note(format!("the network '{name}' has no portgroup '{group}'"));
    }
    let settings = switch::settings(builder, interface);
    let mode = network.forward.as_deref().and_then(|word| DirectMode::parse(word).ok().flatten());
    match (&network.bridge, mode) {
        (Some(bridge), _) => {
            tap::tap(builder, interface, &settings, alias, netdev, Some(bridge.clone()))
        }
        (None, Some(mode)) if !network.devices.is_empty() => {
            let on = network.devices[0].as_str();
            tap::macvtap(builder, interface, &settings, (alias, netdev), (on, mode))
        }
        _ => {
            builder.refuse(format!("the network '{name}' has no bridge")).help =
                Some(help.to_owned());
            None
        }
    }
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
    vhost_user_netdev(builder, interface, socket, alias, netdev);
    Some(())
}

fn vhost_user_netdev(
    builder: &mut Builder<'_>,
    interface: &Interface,
    socket: Socket,
    alias: &str,
    netdev: &str,
) {
    let chardev = format!("char{alias}");
    builder.chardev(Chardev::new(chardev.clone(), Backend::Socket(socket)));
    let mut properties = object(json!({"type": "vhost-user", "chardev": chardev}));
    let queues = interface.driver.as_ref().and_then(|driver| driver.queues).map_or(1, u32::from);
    if queues > 1 {
        properties.insert("queues".to_owned(), queues.into());
    }
    properties.insert("id".to_owned(), netdev.into());
    builder.netdev(properties, Vec::new());
}

/// A vDPA device of the host.
///
/// libvirt: `qemuInterfaceVDPAConnect`.
fn vdpa_device(
    builder: &mut Builder<'_>,
    interface: &Interface,
    vdpa: &Vdpa,
    alias: &str,
    netdev: &str,
) {
    let open = Open::Device { access: Access::Rw };
    let fd = builder.fd(format!("{alias}-vdpa"), vdpa.dev.clone(), open);
    let device = builder.fdset(vec![fd]);
    let mut properties = object(json!({"type": "vhost-vdpa", "vhostdev": device}));
    let queues = interface.driver.as_ref().and_then(|driver| driver.queues).map_or(1, u32::from);
    if queues > 1 {
        properties.insert("queues".to_owned(), queues.into());
    }
    properties.insert("id".to_owned(), netdev.into());
    builder.netdev(properties, Vec::new());
}

/// An interface that is a device of the host. They come after all others: one of a team must find the
/// other.
///
/// libvirt: `qemuBuildHostdevCommandLine`, `virHostdevNetConfigReplace`.
pub(super) fn host_device(builder: &mut Builder<'_>, pos: usize, interface: &Interface) {
    let InterfaceKind::Hostdev(Hostdev { address, .. }) = &interface.kind else { return };
    let mac = interface.mac().map(|mac| mac.to_string()).unwrap_or_default();
    builder.part(format!("interface {mac}"), interface.origin);
    if !check(builder, interface) {
        return;
    }
    let alias = builder.aliases.get(DeviceKind::Interface, pos).to_owned();
    match address {
        HostAddress::Pci(address) => {
            of_host(builder, pos, interface, address.address(), &alias);
        }
        HostAddress::Usb(_) => {
            builder.refuse("only a PCI device of the host can be an interface").help =
                Some("write <hostdev type='usb'> in its place".to_owned());
        }
    }
}

fn of_host(
    builder: &mut Builder<'_>,
    pos: usize,
    interface: &Interface,
    address: PciAddress,
    alias: &str,
) {
    let driver = interface.hostdev_driver.clone().unwrap_or_default();
    let of_kernel = driver.model.clone().unwrap_or_else(|| hostdev::VFIO_PCI.to_owned());
    let is_managed = interface.managed == Some(YesNo::Yes);
    if hostdev::handover(builder, address, of_kernel, is_managed).is_none() {
        return;
    }
    let settings = switch::settings(builder, interface);
    if let Some(kind) = &settings.virtualport {
        let warning = builder.warn(format!(
            "a device that the guest gets knows nothing of a <virtualport> '{kind}'"
        ));
        warning.help = Some("leave it out".to_owned());
    }
    let vlan = settings.vlan.as_ref().and_then(|vlan| vlan.tags.first().copied());
    let mac = interface.mac().map(|mac| mac.to_string());
    builder.virtual_function(address.to_string(), mac, vlan);
    let mut device = vfio::pci(builder, address, &driver, alias);
    device.maybe("bootindex", boot::of_interface(builder.domain, pos));
    let teaming = interface.teaming.as_ref();
    device.maybe("failover_pair_id", teaming.and_then(|teaming| teaming.persistent.clone()));
    device.address(&interface.info, builder);
    device.rom(interface.info.rom.as_ref(), &format!("{alias}-rom"), builder);
    builder.device(device);
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
