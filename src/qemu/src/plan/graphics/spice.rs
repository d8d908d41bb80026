//! A SPICE server.

use base::YesNo;
use base::words::Words;
use conf::Domain;
use conf::device::chardev::MouseMode;
use conf::device::graphics::spice::{ChannelMode, ChannelName};
use conf::device::graphics::{DisplayPort, GraphicsType, Spice};

use super::{Place, bracketed, free_port, password, place_of, render_node, sasl};
use crate::answers::{Answer, Answers, Question};
use crate::host::DisplaySettings;
use crate::plan::argument::Argument;
use crate::plan::source::in_directory;
use crate::plan::{Builder, Open};

/// The first port that is tried. libvirt: `QEMU_REMOTE_PORT_MIN`.
const FIRST_PORT: u16 = 5900;
/// What libvirt writes for a free port where it only shows what it would do.
///
/// libvirt: `qemuProcessSPICEAllocatePorts`.
const UNSEEN_PORT: i64 = 5901;

/// A SPICE server. Its library makes its TCP sockets by itself.
///
/// libvirt: `qemuBuildGraphicsSPICECommandLine`.
pub(super) fn spice(builder: &mut Builder<'_>, spice: &Spice, name: &str) {
    let settings = &builder.host.settings.spice;
    let Some(place) = place_of(builder, &spice.listens, settings, "spice") else { return };
    let mut argument = Argument::new("");
    let mut ports = Ports::default();
    match place {
        Place::Nowhere => {
            argument.add("port", 0);
        }
        Place::Unix(path) => {
            argument.add("unix", "on");
            argument.add("addr", in_directory(builder, &format!("{name}-directory"), &path));
        }
        Place::Tcp(address) => {
            let Some(found) = self::ports(builder, spice, settings, &address) else { return };
            ports = found;
            if ports.plain.is_some() || ports.tls.is_none() {
                argument.add("port", ports.plain.unwrap_or_default());
            }
            argument.maybe("tls-port", ports.tls);
            if ports != Ports::default() {
                argument.add("addr", &address);
            }
            for port in ports.plain.into_iter().chain(ports.tls) {
                let reason = "QEMU's SPICE library makes its TCP sockets by itself";
                builder.by_path(format!("tcp:{}:{port}", bracketed(&address)), reason);
            }
        }
    }
    if settings.sasl {
        argument.add("sasl", "on");
        sasl(builder, settings);
    }
    argument.switch("agent-mouse", spice.mouse.map(|mode| mode == MouseMode::Client));
    if spice.auth.passwd.is_none() && settings.password.is_none() {
        argument.add("disable-ticketing", "on");
    }
    if let Some(tls) = settings.tls.as_ref().filter(|_| ports.tls.is_some()) {
        let directory = builder.fd(format!("{name}-tls"), &tls.directory, Open::Directory);
        argument.add("x509-dir", builder.inherited_path(directory));
    }
    if !channels(builder, &mut argument, spice, &ports) {
        return;
    }
    pictures(&mut argument, spice);
    if spice.gl.as_ref().is_some_and(|gl| gl.enable == Some(YesNo::Yes)) {
        let named = spice.gl.as_ref().and_then(|gl| gl.rendernode.as_deref());
        let Some(node) = render_node(builder, name, named) else { return };
        argument.add("gl", "on").add("rendernode", node);
    }
    argument.add("seamless-migration", "on");
    builder.argument("spice", argument.into_text());
    if let Some(keymap) = &spice.keymap {
        builder.argument("k", keymap);
    }
    password::set(builder, "spice", &spice.auth, settings.password.as_deref());
}

/// What to look at: each free port is behind the one before.
pub(super) fn questions(
    spice: &Spice,
    domain: &Domain,
    settings: &DisplaySettings,
    address: &str,
    answers: &Answers,
) -> Vec<Question> {
    let (plain, tls) = needed(spice, settings);
    let own = usize::from(plain) + usize::from(tls);
    let count = if own > 0 { own + usize::from(is_beside_vnc(domain)) } else { 0 };
    let mut questions = Vec::new();
    let mut from = FIRST_PORT;
    for _ in 0..count {
        let question = Question::FreePort(address.to_owned(), from);
        let answer = answers.get(&question);
        questions.push(question);
        let Some(Answer::Port(port)) = answer else { break };
        from = port.saturating_add(1);
    }
    questions
}

/// Whether a VNC server of the same guest takes the first free port.
fn is_beside_vnc(domain: &Domain) -> bool {
    domain.devices.graphics.iter().any(|graphics| match &graphics.kind {
        GraphicsType::Vnc(vnc) => vnc.port.and_then(DisplayPort::fixed).is_none(),
        _ => false,
    })
}

/// Whether free ports are taken, without TLS and with it.
///
/// libvirt: `qemuProcessSPICEAllocatePorts`.
fn needed(spice: &Spice, settings: &DisplaySettings) -> (bool, bool) {
    let mut plain = spice.port == Some(DisplayPort::Auto);
    let mut tls = spice.tls_port == Some(DisplayPort::Auto);
    if spice.autoport.is_some() {
        let modes = spice.channels.iter().filter_map(|channel| channel.mode);
        for mode in modes.map(Some).chain([spice.default_mode]) {
            plain |= mode != Some(ChannelMode::Secure);
            tls |= mode == Some(ChannelMode::Secure) || mode.is_none() && settings.tls.is_some();
        }
    }
    (plain, tls)
}

/// The ports of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ports {
    /// Without TLS.
    plain: Option<i64>,
    /// With TLS.
    tls: Option<i64>,
}

/// The ports that are named, and free ones where they are needed. `None`: it was refused.
///
/// libvirt: `qemuProcessSPICEAllocatePorts`.
fn ports(
    builder: &mut Builder<'_>,
    spice: &Spice,
    settings: &DisplaySettings,
    address: &str,
) -> Option<Ports> {
    let (plain, tls) = needed(spice, settings);
    let mut ports = Ports {
        plain: spice.port.and_then(DisplayPort::fixed).map(i64::from),
        tls: spice.tls_port.and_then(DisplayPort::fixed).map(i64::from),
    };
    let mut from = FIRST_PORT;
    let behind = |port| u16::try_from(port).unwrap_or(FIRST_PORT).saturating_add(1);
    if (plain || tls) && is_beside_vnc(builder.domain) {
        from = behind(free_port(builder, address, from, FIRST_PORT.into())?);
    }
    if plain {
        let port = free_port(builder, address, from, UNSEEN_PORT)?;
        from = behind(port);
        ports.plain = Some(port);
    }
    if tls {
        ports.tls = Some(free_port(builder, address, from, UNSEEN_PORT + 1)?);
    }
    if ports.tls.is_some() && settings.tls.is_none() {
        let refused = builder.refuse("this host has no certificates for SPICE, but a port for TLS");
        refused.help = Some("leave out tlsPort, and channels that are 'secure'".to_owned());
        return None;
    }
    Some(ports)
}

/// Which port each channel must use. Whether there is one for each.
fn channels(
    builder: &mut Builder<'_>,
    argument: &mut Argument,
    spice: &Spice,
    ports: &Ports,
) -> bool {
    let default = spice.default_mode.map(|mode| ("default", mode));
    let channels =
        ChannelName::ALL.iter().filter_map(|name| Some((name.word(), spice.channel(*name)?)));
    for (name, mode) in default.into_iter().chain(channels) {
        let (option, there, what) = match mode {
            ChannelMode::Secure => ("tls-channel", ports.tls.is_some(), "with TLS"),
            ChannelMode::Insecure => ("plaintext-channel", ports.plain.is_some(), "without TLS"),
        };
        if !there {
            builder.refuse(format!("channel '{name}' needs a port {what}, which there is not"));
            return false;
        }
        argument.add(option, name);
    }
    true
}

/// How pictures and sound are sent, and what guest and client exchange.
fn pictures(argument: &mut Argument, spice: &Spice) {
    argument.maybe("image-compression", spice.image);
    argument.maybe("jpeg-wan-compression", spice.jpeg);
    argument.maybe("zlib-glz-wan-compression", spice.zlib);
    argument.switch("playback-compression", spice.playback);
    argument.maybe("streaming-video", spice.streaming);
    if spice.clipboard == Some(YesNo::No) {
        argument.add("disable-copy-paste", "on");
    }
    if spice.filetransfer == Some(YesNo::No) {
        argument.add("disable-agent-file-xfer", "on");
    }
}
