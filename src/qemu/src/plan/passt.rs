//! passt: the host's own connections for a guest, by a process beside QEMU.

use base::YesNo;
use conf::device::Interface;
use conf::device::interface::kind::InterfaceKind;
use conf::device::interface::{PortForward, PortProtocol, PortRange};
use serde_json::json;

use super::blockdev::object;
use super::chardev::{Socket, SocketAddress};
use super::{Builder, HelperSocket, Open, memory, source};

/// The program.
const PASST: &str = "passt";
/// How many seconds QEMU waits before it connects again.
///
/// libvirt: `QEMU_PASST_RECONNECT_TIMEOUT`.
const RECONNECT: u32 = 5;

/// An interface that passt carries the packets of.
///
/// libvirt: `qemuPasstBuildCommandLine...` in `src/qemu/qemu_passt.c`.
pub(super) fn netdev(
    builder: &mut Builder<'_>,
    interface: &Interface,
    alias: &str,
    netdev: &str,
) -> Option<()> {
    let program = program(builder)?;
    let name = format!("{alias}-{PASST}");
    let argv = arguments(&program, interface, &["--fd"]);
    builder.helper(&name, argv).socket = HelperSocket::Pair;
    let source = builder.helper_source(PASST, alias, &name);
    let fd = builder.fd(format!("{alias}-socket"), source, Open::Helper { helper: name });
    // QEMU connects a stream in a thread of its own, which knows no names of descriptors.
    let number = builder.inherit(fd).to_string();
    let properties = object(json!({
        "type": "stream", "addr": {"type": "fd", "str": number}, "server": false, "id": netdev,
    }));
    builder.netdev(properties, Vec::new());
    Some(())
}

/// An interface that passt carries the packets of in the guest's own memory: the socket by which
/// QEMU talks to it.
pub(super) fn vhost_user(
    builder: &mut Builder<'_>,
    interface: &Interface,
    alias: &str,
) -> Option<Socket> {
    if !memory::is_shared(builder.domain) {
        let refused = builder.refuse("vhost-user needs the guest's memory to be shared");
        refused.help = Some(memory::HOW_TO_SHARE.to_owned());
        return None;
    }
    let program = program(builder)?;
    let name = format!("{alias}-{PASST}");
    let argv = arguments(&program, interface, &["--vhost-user", "--socket"]);
    builder.helper(&name, argv).socket = HelperSocket::Path;
    let source = builder.helper_source(PASST, alias, &name);
    // QEMU passes descriptors only over a socket that it has opened by a path.
    let fd = builder.fd(format!("{alias}-socket"), source, Open::HelperNode { helper: name });
    let mut socket = Socket::connected(SocketAddress::Unix(builder.inherited_path(fd)));
    socket.reconnect = Some(source::reconnect_after(builder, RECONNECT));
    Some(socket)
}

fn program(builder: &mut Builder<'_>) -> Option<String> {
    let program = builder.host.programs.get(PASST).cloned();
    if program.is_none() {
        let refused = builder.refuse(format!("this host has no {PASST}"));
        refused.help = Some(format!("install {PASST}, or leave out <backend type='{PASST}'/>"));
    }
    program
}

/// The arguments of passt; the options `socket` say how it gets its socket.
fn arguments(program: &str, interface: &Interface, socket: &[&str]) -> Vec<String> {
    let mut argv: Vec<String> = [program, "--foreground"].map(str::to_owned).to_vec();
    argv.extend(socket.iter().chain(&["{socket}"]).map(|word| (*word).to_owned()));
    let mut add = |option: &str, value: String| argv.extend([option.to_owned(), value]);
    if let Some(mtu) = interface.mtu {
        add("--mtu", mtu.to_string());
    }
    let dev = match &interface.kind {
        InterfaceKind::User(user) => user.dev.as_ref(),
        InterfaceKind::VhostUser(vhost) => vhost.dev.as_ref(),
        _ => None,
    };
    if let Some(dev) = dev {
        add("--interface", dev.clone());
    }
    if let Some(file) = &interface.backend.log_file {
        add("--log-file", file.clone());
    }
    if let Some(name) = &interface.backend.hostname {
        add("--hostname", name.clone());
    }
    if let Some(name) = &interface.backend.fqdn {
        add("--fqdn", name.clone());
    }
    for ip in &interface.ip.addresses {
        if let Some(address) = ip.address {
            add("--address", address.to_string());
            if let Some(prefix) = ip.prefix.filter(|_| address.is_ipv4()) {
                add("--netmask", prefix.to_string());
            }
        }
    }
    for forward in &interface.port_forwards {
        let option = match forward.proto {
            PortProtocol::Tcp => "--tcp-ports",
            PortProtocol::Udp => "--udp-ports",
        };
        add(option, ports(forward));
    }
    argv
}

/// The ports that reach the guest, as passt wants to be told: `192.0.2.1%eth0/22:2222,~25,80-90`.
fn ports(forward: &PortForward) -> String {
    let mut text = String::new();
    if let Some(address) = forward.address {
        text.push_str(&address.to_string());
    }
    if let Some(dev) = &forward.dev {
        text.push('%');
        text.push_str(dev);
    }
    let ranges: Vec<String> = forward.ranges.iter().map(range).collect();
    if !text.is_empty() {
        text.push('/');
    }
    match ranges.is_empty() {
        true => text.push_str("all"),
        false => text.push_str(&ranges.join(",")),
    }
    text
}

fn range(range: &PortRange) -> String {
    let mut text = String::new();
    if range.exclude == Some(YesNo::Yes) {
        text.push('~');
    }
    let Some(start) = range.start else { return text };
    text.push_str(&start.to_string());
    if let Some(end) = range.end {
        text.push_str(&format!("-{end}"));
    }
    if let Some(to) = range.to {
        text.push_str(&format!(":{to}"));
        if let Some(end) = range.end {
            let length = end.get().saturating_sub(start.get());
            text.push_str(&format!("-{}", to.get() + length));
        }
    }
    text
}
