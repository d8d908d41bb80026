//! Processes that play a device for the guest over a UNIX socket.

use conf::device::reconnect::Reconnect;

use super::chardev::{Backend, Chardev, Socket, SocketAddress};
use super::{Builder, Open, source};

/// The character device by which QEMU talks to the process behind the device `alias`.
pub(super) fn chardev_id(alias: &str) -> String {
    format!("chr-vu-{alias}")
}

/// Connects to a process that listens at `path`.
///
/// libvirt: `qemuBuildVhostUserChardevStr`, `qemuBuildDiskVhostUser...`.
pub(super) fn chardev(
    builder: &mut Builder<'_>,
    alias: &str,
    path: &str,
    reconnect: Option<&Reconnect>,
) {
    let reconnect = source::reconnect(builder, reconnect);
    let name = format!("{alias}-socket");
    let mut socket = match reconnect {
        // QEMU connects again through the node of the socket, and cannot name another one.
        Some((_, time)) if time > 0 => {
            let fd = builder.fd(name, path, Open::SocketNode);
            Socket::connected(SocketAddress::Unix(builder.inherited_path(fd)))
        }
        _ => {
            let fd = builder.fd(name, path, Open::ConnectUnix);
            Socket::connected(SocketAddress::Fd(Box::new(fd)))
        }
    };
    socket.reconnect = reconnect.filter(|(_, time)| *time > 0);
    builder.chardev(Chardev::new(chardev_id(alias), Backend::Socket(socket)));
}
