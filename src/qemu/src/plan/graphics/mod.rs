//! Displays: `-vnc`, `-spice` and `-display`.

mod local;
mod password;
mod spice;
mod vnc;

use conf::Domain;
use conf::device::Graphics;
use conf::device::graphics::{GraphicsType, Listen};

pub(crate) use password::commands as password_commands;

use super::{Builder, Open};
use crate::answers::{Answer, Answers, Question};
use crate::host::{DisplaySettings, Host};

/// Where a display listens that is not told where.
///
/// libvirt: `VIR_LOOPBACK_IPV4_ADDR`, the default of `vnc_listen` and `spice_listen`.
const LOOPBACK: &str = "127.0.0.1";

/// A display.
///
/// libvirt: `qemuBuildGraphicsCommandLine`.
pub(super) fn graphics(builder: &mut Builder<'_>, pos: usize, graphics: &Graphics) {
    let kind = graphics.kind.word();
    builder.cold_part(format!("{kind} display"), graphics.origin);
    let name = format!("graphics{pos}");
    match &graphics.kind {
        GraphicsType::Vnc(vnc) => vnc::vnc(builder, vnc, &name),
        GraphicsType::Spice(spice) => spice::spice(builder, spice, &name),
        GraphicsType::Sdl(sdl) => local::sdl(builder, sdl),
        GraphicsType::EglHeadless(egl) => local::egl_headless(builder, egl, &name),
        GraphicsType::Dbus(dbus) => local::dbus(builder, dbus, &name),
        GraphicsType::Rdp(_) => {
            let message = "<graphics type='rdp'> is served by qemu-rdp, which is not started here";
            builder.refuse(message).help = Some(
                "write <graphics type='vnc'/> or 'spice', or type='dbus' and start qemu-rdp on its bus"
                    .to_owned(),
            );
        }
        GraphicsType::Desktop(_) => {
            builder.refuse("QEMU has no display of type 'desktop'");
        }
    }
}

/// Where a server listens.
enum Place {
    /// Nowhere.
    Nowhere,
    /// At a UNIX socket.
    Unix(String),
    /// At an address of the host.
    Tcp(String),
}

/// What to look at: which ports are free that QEMU is told of.
pub(super) fn questions(
    graphics: &Graphics,
    domain: &Domain,
    host: &Host,
    answers: &Answers,
) -> Vec<Question> {
    let (settings, word) = match &graphics.kind {
        GraphicsType::Vnc(_) => (&host.settings.vnc, "vnc"),
        GraphicsType::Spice(_) => (&host.settings.spice, "spice"),
        _ => return Vec::new(),
    };
    let Ok(Place::Tcp(address)) = place(host, domain, graphics.listens(), settings, word) else {
        return Vec::new();
    };
    match &graphics.kind {
        GraphicsType::Vnc(vnc) => vnc::questions(vnc, &address),
        GraphicsType::Spice(spice) => spice::questions(spice, domain, settings, &address, answers),
        _ => Vec::new(),
    }
}

/// Where a server listens whose kind has these settings.
///
/// libvirt: `qemuProcessGraphicsSetupListen`.
fn place(
    host: &Host,
    domain: &Domain,
    listens: &[Listen],
    settings: &DisplaySettings,
    kind: &str,
) -> Result<Place, String> {
    let own_socket = || {
        let directory = Host::of_guest(&host.directories.guest, &domain.name);
        Place::Unix(format!("{directory}/{kind}.sock"))
    };
    Ok(match listens.first() {
        None | Some(Listen::None) => Place::Nowhere,
        Some(Listen::Socket(socket)) => match socket.socket.as_deref() {
            Some(path) => Place::Unix(path.to_owned()),
            None => own_socket(),
        },
        Some(Listen::Address(listen)) => match listen.address.as_deref() {
            Some(address) => Place::Tcp(address.to_owned()),
            None if settings.auto_unix_socket => own_socket(),
            None => Place::Tcp(settings.listen.clone().unwrap_or_else(|| LOOPBACK.to_owned())),
        },
        Some(Listen::Network(listen)) => {
            let name = listen.network.as_deref().unwrap_or_default();
            match host.networks.get(name).map(|network| &network.address) {
                Some(Some(address)) => Place::Tcp(address.clone()),
                Some(None) => return Err(format!("the host has no address in network '{name}'")),
                None => return Err(format!("this host has no libvirt network '{name}'")),
            }
        }
    })
}

/// Where the display of the present part listens. `None`: it was refused.
fn place_of(
    builder: &mut Builder<'_>,
    listens: &[Listen],
    settings: &DisplaySettings,
    kind: &str,
) -> Option<Place> {
    match place(builder.host, builder.domain, listens, settings, kind) {
        Ok(place) => Some(place),
        Err(message) => {
            let help = "write <listen type='address' address='…'/>".to_owned();
            builder.refuse(message).help = Some(help);
            None
        }
    }
}

/// An address as it stands before a port.
fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

/// Tells QEMU where SASL's configuration is.
fn sasl(builder: &mut Builder<'_>, settings: &DisplaySettings) {
    let directory = settings.sasl_directory.clone();
    builder.by_path(
        directory.clone().unwrap_or_else(|| "/etc/sasl2".to_owned()),
        "QEMU's SASL library reads its configuration by itself",
    );
    let variable = directory.map(|directory| ("SASL_CONF_PATH".to_owned(), directory));
    builder.environment.extend(variable);
}

/// A free port that QEMU is told of: what was found from `from` on, or `unseen` where nobody looked.
/// `None`: there is none.
fn free_port(builder: &mut Builder<'_>, address: &str, from: u16, unseen: i64) -> Option<i64> {
    match builder.ask(&Question::FreePort(address.to_owned(), from)) {
        Some(Answer::Port(port)) => Some((*port).into()),
        Some(Answer::Failed(reason)) => {
            let message = format!("no port is free at {address}: {reason}");
            builder.refuse(message);
            None
        }
        _ => Some(unseen),
    }
}

/// The path of a render node that QEMU opens again: the one that is named, or the host's first.
///
/// libvirt: `qemuProcessGraphicsSetupRenderNode`.
fn render_node(builder: &mut Builder<'_>, name: &str, named: Option<&str>) -> Option<String> {
    let first = builder.host.render_node.as_deref();
    let Some(path) = named.or(first).map(str::to_owned) else {
        let refused = builder.refuse("this host has no graphics card that can draw for it");
        refused.help = Some("name one with rendernode='/dev/dri/…', or leave out <gl>".to_owned());
        return None;
    };
    let open = Open::Device { access: super::Access::Rw };
    let fd = builder.fd(format!("{name}-rendernode"), path, open);
    Some(builder.inherited_path(fd))
}
