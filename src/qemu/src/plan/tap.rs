//! Taps and macvtaps: what QEMU gets as descriptors, and the kernel's help with them.

use base::YesNo;
use conf::device::Interface;
use conf::device::interface::driver::DriverName;
use conf::device::interface::kind::DirectMode;
use serde_json::{Map, Value, json};

use super::blockdev::object;
use super::switch;
use super::{Access, Builder, Fd, Macvtap, Open, Tap};
use crate::answers::{Answer, PathKind, Question};
use crate::host::PortSettings;

/// What the kernel moves packets with.
const VHOST_NET: &str = "/dev/vhost-net";
/// The name that the kernel completes for a tap that nobody named.
const ANY_TAP: &str = "vnet%d";
/// The same for a macvtap.
const ANY_MACVTAP: &str = "macvtap%d";

/// The node of the kernel's help with an interface.
pub(super) fn vhost_path(interface: &Interface) -> &str {
    interface.backend.vhost.as_deref().unwrap_or(VHOST_NET)
}

/// A tap, and the kernel's help with it.
///
/// libvirt: `qemuInterfaceBridgeConnect`, `qemuInterfaceEthernetConnect`.
pub(super) fn tap(
    builder: &mut Builder<'_>,
    interface: &Interface,
    settings: &PortSettings,
    alias: &str,
    netdev: &str,
    bridge: Option<String>,
) -> Option<()> {
    let queues = interface.driver.as_ref().and_then(|driver| driver.queues).map_or(1, u32::from);
    let existing = interface.target.managed == Some(YesNo::No);
    let late = format!("{alias}-name");
    let setup = switch::of_tap(builder, interface, settings, bridge.as_deref(), &late)?;
    // Open vSwitch is told of ports by a program, not by the kernel.
    let bridge = bridge.filter(|_| !switch::is_open_vswitch(settings));
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
        device: interface.backend.tap.as_deref().map(str::to_owned),
        setup,
    };
    let fds = (0..queues)
        .map(|queue| {
            let open = Open::Tap(Tap { queue, ..tap.clone() });
            builder.fd(format!("{alias}-tap{queue}"), format!("tap:{{{late}}}"), open)
        })
        .collect::<Vec<_>>();
    connect(builder, interface, alias, netdev, fds)
}

/// A device on top of one of the host's, and the kernel's help with it.
///
/// libvirt: `qemuInterfaceDirectConnect`.
pub(super) fn macvtap(
    builder: &mut Builder<'_>,
    interface: &Interface,
    settings: &PortSettings,
    (alias, netdev): (&str, &str),
    (on, mode): (&str, DirectMode),
) -> Option<()> {
    let queues = interface.driver.as_ref().and_then(|driver| driver.queues).map_or(1, u32::from);
    let late = format!("{alias}-name");
    let setup = switch::of_macvtap(builder, interface, settings, &late)?;
    let macvtap = Macvtap {
        name: interface.target_dev().unwrap_or(ANY_MACVTAP).to_owned(),
        late: late.clone(),
        on: on.to_owned(),
        mode: mode.to_string(),
        mac: interface.mac().map(|mac| mac.to_string()),
        mtu: interface.mtu.map(u32::from),
        queue: 0,
        queues,
        setup,
    };
    let fds = (0..queues)
        .map(|queue| {
            let open = Open::Macvtap(Macvtap { queue, ..macvtap.clone() });
            builder.fd(format!("{alias}-tap{queue}"), format!("macvtap:{{{late}}}"), open)
        })
        .collect::<Vec<_>>();
    connect(builder, interface, alias, netdev, fds)
}

/// The network device of QEMU on descriptors, one a queue.
fn connect(
    builder: &mut Builder<'_>,
    interface: &Interface,
    alias: &str,
    netdev: &str,
    fds: Vec<Fd>,
) -> Option<()> {
    let queues = fds.len();
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
    queues: usize,
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
