//! Displays: where they listen.

use conf::Domain;
use conf::device::graphics::{AddressListen, GraphicsType, Listen};

use super::context::Context;

/// Where libvirt's QEMU driver keeps what it makes for guests.
const LIBVIRT_DIRECTORY: &str = "/var/lib/libvirt/qemu";

/// A VNC socket that libvirt made for an earlier start is forgotten.
///
/// libvirt: `qemuDomainDefGraphicsPostParse` (`qemuDomainRecheckInternalPaths`).
pub(super) fn own_sockets(domain: &mut Domain, context: &mut Context<'_>) {
    let own = [context.host.directories.lib.as_str(), LIBVIRT_DIRECTORY];
    for graphics in &mut domain.devices.graphics {
        let GraphicsType::Vnc(vnc) = &mut graphics.kind else { continue };
        for listen in &mut vnc.listens {
            if let Listen::Socket(socket) = listen
                && let Some(path) = socket.socket.as_deref()
                && own.iter().any(|directory| path.starts_with(directory))
            {
                let origin = socket.origin;
                *listen = Listen::Address(AddressListen { origin, address: None });
            }
        }
    }
}

/// A SPICE server without any port listens nowhere.
///
/// libvirt: `virDomainDefPostParseGraphics`.
pub(super) fn spice_without_ports(domain: &mut Domain, _context: &mut Context<'_>) {
    for graphics in &mut domain.devices.graphics {
        let GraphicsType::Spice(spice) = &mut graphics.kind else { continue };
        let has_port = spice.port.is_some() || spice.tls_port.is_some() || spice.autoport.is_some();
        if let Some(first @ Listen::Address(_)) = spice.listens.first_mut()
            && !has_port
        {
            *first = Listen::None;
        }
    }
}
