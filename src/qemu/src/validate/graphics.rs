//! Displays.
//!
//! libvirt: `virDomainGraphicsDefValidate`, `qemuValidateDomainDeviceDefGraphics`.

use base::YesNo;
use conf::Domain;
use conf::device::chardev::ChardevSource;
use conf::device::graphics::{Gl, Graphics, GraphicsType, Listen};
use xml::Part;

use super::{Check, Rule, attribute, chardev};

/// How many characters of a password VNC looks at.
const VNC_PASSWORD: usize = 8;

pub(super) const RULES: &[Rule] = &[
    Rule::new("display-is-there", "not every QEMU has every display", there),
    Rule::new("egl-headless-draws-for-another", "it shows nothing by itself", egl_headless),
    Rule::new("listen-fits-display", "only VNC and SPICE have sockets", listens),
    Rule::new("vnc-password-is-short", "VNC looks at 8 characters", vnc_password),
    Rule::new("dbus-one-way", "peer to peer needs no bus", dbus),
    Rule::new("spice-devices-need-spice", "they are channels of a SPICE display", spice),
];

fn each(check: &mut Check<'_>, rule: impl Fn(&mut Check<'_>, &Graphics)) {
    for graphics in &check.domain.devices.graphics {
        rule(check, graphics);
    }
}

/// Whether the guest has a SPICE display.
pub(super) fn has_spice(domain: &Domain) -> bool {
    domain.devices.graphics.iter().any(|graphics| matches!(graphics.kind, GraphicsType::Spice(_)))
}

/// libvirt: `virQEMUCapsFillDomainDeviceGraphicsCaps`.
fn there(check: &mut Check<'_>) {
    each(check, |check, graphics| {
        let name = match &graphics.kind {
            GraphicsType::Vnc(_) => "vnc",
            GraphicsType::Spice(_) => "spice",
            GraphicsType::EglHeadless(_) => "egl-headless",
            // qemu-rdp, which serves it, looks at a display on a D-Bus.
            GraphicsType::Dbus(_) | GraphicsType::Rdp(_) => "dbus",
            GraphicsType::Desktop(_) => "desktop",
            GraphicsType::Sdl(_) => return,
        };
        if !check.capabilities.displays.contains(name) {
            let message = format!("this QEMU has no display of type '{name}'");
            let others = check.capabilities.displays.iter();
            let others: Vec<&str> = others.filter(|other| *other != "desktop").collect();
            let help = match &others[..] {
                [] => "leave it out, or use another QEMU".to_owned(),
                others => format!("use another QEMU, or one of: {}", others.join(", ")),
            };
            check.refuse(graphics.origin, attribute("type"), message, help);
        }
    });
}

fn egl_headless(check: &mut Check<'_>) {
    let all = &check.domain.devices.graphics;
    if !all.iter().any(|graphics| matches!(graphics.kind, GraphicsType::EglHeadless(_))) {
        return;
    }
    each(check, |check, graphics| {
        let gl = |gl: &Option<Gl>| gl.as_ref().is_some_and(|gl| gl.enable == Some(YesNo::Yes));
        match &graphics.kind {
            GraphicsType::EglHeadless(_) | GraphicsType::Vnc(_) => {}
            GraphicsType::Spice(spice) if !gl(&spice.gl) => {}
            GraphicsType::Spice(_) => {
                let message = "SPICE with <gl enable='yes'/> draws itself, as egl-headless does";
                check.refuse(graphics.origin, Part::Name, message, "leave out one of the two");
            }
            _ => {
                let message = "egl-headless draws only for VNC and SPICE";
                check.refuse(graphics.origin, attribute("type"), message, "write type='vnc'");
            }
        }
    });
}

fn listens(check: &mut Check<'_>) {
    each(check, |check, graphics| {
        let takes_all = matches!(graphics.kind, GraphicsType::Vnc(_) | GraphicsType::Spice(_));
        for listen in graphics.listens() {
            match listen {
                Listen::Network(network) if network.network.is_none() => {
                    let message = "<listen type='network'> does not say which network";
                    check.refuse(network.origin, Part::Name, message, "add network='…'");
                }
                Listen::Socket(socket) if !takes_all => {
                    let message = "only VNC and SPICE listen on a socket";
                    check.refuse(socket.origin, attribute("type"), message, "write type='address'");
                }
                _ => {}
            }
        }
    });
}

fn vnc_password(check: &mut Check<'_>) {
    each(check, |check, graphics| {
        let GraphicsType::Vnc(vnc) = &graphics.kind else { return };
        let length = vnc.auth.passwd.as_ref().map_or(0, String::len);
        if length > VNC_PASSWORD {
            let message =
                format!("VNC looks at {VNC_PASSWORD} characters of a password of {length}");
            check.refuse(graphics.origin, attribute("passwd"), message, "write a shorter one");
        }
    });
}

fn dbus(check: &mut Check<'_>) {
    each(check, |check, graphics| {
        if let GraphicsType::Dbus(dbus) = &graphics.kind
            && dbus.p2p.is_some()
            && dbus.address.is_some()
        {
            let message = "a D-Bus display is either on a bus or peer to peer";
            check.refuse(
                graphics.origin,
                attribute("address"),
                message,
                "leave out one of the two",
            );
        }
    });
}

fn spice(check: &mut Check<'_>) {
    if has_spice(check.domain) {
        return;
    }
    for (origin, source, _) in chardev::sources(check.domain) {
        let name = match source.source {
            ChardevSource::Spicevmc => "spicevmc",
            ChardevSource::Spiceport(_) => "spiceport",
            _ => continue,
        };
        let message = format!("'{name}' is a channel of a SPICE display, which there is not");
        let help = "add <graphics type='spice'/>, or leave this device out";
        check.refuse(origin, attribute("type"), message, help);
    }
}
