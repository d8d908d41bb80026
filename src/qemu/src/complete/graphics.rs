//! Displays: where they listen.

use conf::Domain;
use conf::device::graphics::{AddressListen, GraphicsType, Listen};

use super::context::Context;

/// A VNC socket that libvirt made for an earlier start is forgotten.
///
/// libvirt: `qemuDomainDefGraphicsPostParse` (`qemuDomainRecheckInternalPaths`).
pub(super) fn own_sockets(domain: &mut Domain, context: &mut Context<'_>) {
    let own = format!("{}/", context.host.directories.lib);
    for graphics in &mut domain.devices.graphics {
        let GraphicsType::Vnc(vnc) = &mut graphics.kind else { continue };
        for listen in &mut vnc.listens {
            if let Listen::Socket(socket) = listen
                && socket.socket.as_deref().is_some_and(|path| path.starts_with(&own))
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
