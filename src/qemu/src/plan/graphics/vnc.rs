//! A VNC server.

use conf::device::graphics::{DisplayPort, Vnc};
use serde_json::json;

use super::{Place, bracketed, free_port, password, place_of};
use crate::answers::Question;
use crate::plan::argument::Argument;
use crate::plan::{Builder, Open, audio, secret};

/// The port of display 0. libvirt: `QEMU_REMOTE_PORT_MIN`.
const FIRST_PORT: u16 = 5900;
/// The first port for web sockets that libvirt takes. libvirt: `QEMU_WEBSOCKET_PORT_MIN`.
const FIRST_WEBSOCKET: u16 = 5700;

/// What libvirt writes for a free one where it only shows what it would do.
const UNSEEN_WEBSOCKET: i64 = -1;

/// A VNC server. It gets a socket that listens already; QEMU makes those for web sockets only by
/// itself, and then the others too.
///
/// libvirt: `qemuBuildGraphicsVNCCommandLine`.
pub(super) fn vnc(builder: &mut Builder<'_>, vnc: &Vnc, name: &str) {
    let settings = &builder.host.settings.vnc;
    let Some(place) = place_of(builder, &vnc.listens, settings, "vnc") else { return };
    let mut web = None;
    let (first, fd) = match (&place, vnc.websocket) {
        (Place::Nowhere, _) => ("none".to_owned(), None),
        (Place::Unix(path), _) => {
            let fd = builder.fd(format!("{name}-listen"), path, Open::ListenUnix);
            ("none".to_owned(), Some(fd))
        }
        (Place::Tcp(address), None) => {
            let auto = vnc.port == Some(DisplayPort::Auto);
            let port = vnc.port.and_then(DisplayPort::fixed).unwrap_or(FIRST_PORT.into());
            let source = format!("tcp:{}:{port}", bracketed(address));
            let open = Open::ListenTcp { address: address.clone(), port, auto };
            ("none".to_owned(), Some(builder.fd(format!("{name}-listen"), source, open)))
        }
        (Place::Tcp(address), Some(websocket)) => {
            let ports = by_itself(builder, vnc, websocket, address);
            let Some((display, port)) = ports else { return };
            web = Some(port);
            (format!("{}:{display}", bracketed(address)), None)
        }
    };
    let mut argument = Argument::new(&first);
    argument.maybe("websocket", web);
    argument.maybe("share", vnc.share_policy);
    if vnc.auth.passwd.is_some() || settings.password.is_some() {
        argument.add("password", "on");
    }
    if let Some(tls) = &settings.tls {
        let id = "vnc-tls-creds0";
        let directory = builder.fd(format!("{name}-tls"), &tls.directory, Open::Directory);
        let directory = builder.inherited_path(directory);
        let mut object = json!({
            "qom-type": "tls-creds-x509",
            "id": id,
            "dir": directory,
            "endpoint": "server",
            "verify-peer": tls.verify,
        });
        if let Some(lookup) = secret::tls_lookup(tls) {
            let secret = format!("{id}-secret0");
            secret::of_host(builder, &secret, "tls", &lookup);
            object["passwordid"] = secret.into();
        }
        builder.object(object);
        argument.add("tls-creds", id);
    }
    if settings.sasl {
        argument.add("sasl", "on");
        super::sasl(builder, settings);
    }
    argument.switch("power-control", vnc.power_control);
    argument.maybe("audiodev", audio::name(builder.domain, vnc.audio));
    builder.argument("vnc", argument.into_text());
    if let Some(keymap) = &vnc.keymap {
        builder.argument("k", keymap);
    }
    if let Some(fd) = fd {
        let address = json!({"type": "fd", "str": fd.name});
        builder.afterwards_fd(fd);
        builder.afterwards("display-update", json!({"type": "vnc", "addresses": [address]}));
    }
    password::set(builder, "vnc", &vnc.auth, settings.password.as_deref());
}

/// What to look at.
pub(super) fn questions(vnc: &Vnc, address: &str) -> Vec<Question> {
    let Some(websocket) = vnc.websocket else { return Vec::new() };
    let ports =
        [(vnc.port.and_then(DisplayPort::fixed), FIRST_PORT), (websocket.fixed(), FIRST_WEBSOCKET)];
    let free = ports.into_iter().filter(|(fixed, _)| fixed.is_none());
    free.map(|(_, from)| Question::FreePort(address.to_owned(), from)).collect()
}

/// The display of a server that makes its sockets by itself, and the port of its web sockets.
fn by_itself(
    builder: &mut Builder<'_>,
    vnc: &Vnc,
    websocket: DisplayPort,
    address: &str,
) -> Option<(i64, i64)> {
    let port = match vnc.port.and_then(DisplayPort::fixed) {
        Some(port) => port.into(),
        None => free_port(builder, address, FIRST_PORT, FIRST_PORT.into())?,
    };
    let websocket = match websocket.fixed() {
        Some(port) => port.into(),
        None => free_port(builder, address, FIRST_WEBSOCKET, UNSEEN_WEBSOCKET)?,
    };
    let Some(display) = Some(port - i64::from(FIRST_PORT)).filter(|display| *display >= 0) else {
        builder.refuse(format!("VNC has no port below {FIRST_PORT}, which {port} is"));
        return None;
    };
    let reason = "QEMU makes sockets for web sockets by itself, and all other sockets of VNC then";
    for port in [port, websocket] {
        builder.by_path(format!("tcp:{}:{port}", bracketed(address)), reason);
    }
    Some((display, websocket))
}
