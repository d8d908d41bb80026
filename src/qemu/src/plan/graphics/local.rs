//! Displays without a server of QEMU's own: SDL, egl-headless, D-Bus.

use base::YesNo;
use conf::device::graphics::{Dbus, EglHeadless, Sdl};

use super::render_node;
use crate::plan::argument::Argument;
use crate::plan::{Builder, HelperSocket, Open, audio};

/// The program that is the bus of a guest.
const DBUS_DAEMON: &str = "dbus-daemon";

/// A window of the user who runs the guest.
///
/// libvirt: `qemuBuildGraphicsSDLCommandLine`.
pub(super) fn sdl(builder: &mut Builder<'_>, sdl: &Sdl) {
    let variables = [("XAUTHORITY", &sdl.xauth), ("DISPLAY", &sdl.display)];
    for (variable, value) in variables {
        let value = value.clone().map(|value| (variable.to_owned(), value));
        builder.environment.extend(value);
    }
    let screen = sdl.display.as_deref().unwrap_or("the screen");
    builder.by_path(screen, "SDL opens its window by itself");
    if sdl.fullscreen.is_some() {
        builder.flag("full-screen");
    }
    let mut argument = Argument::new("sdl");
    argument.switch("gl", sdl.gl);
    builder.argument("display", argument.into_text());
}

/// What draws with the host's graphics card for another display.
///
/// libvirt: `qemuBuildGraphicsEGLHeadlessCommandLine`.
pub(super) fn egl_headless(builder: &mut Builder<'_>, egl: &EglHeadless, name: &str) {
    let named = egl.gl.as_ref().and_then(|gl| gl.rendernode.as_deref());
    let Some(node) = render_node(builder, name, named) else { return };
    let mut argument = Argument::new("egl-headless");
    argument.add("rendernode", node);
    builder.argument("display", argument.into_text());
}

/// A display on a D-Bus: on the one that is named, on one of the guest's own, or on none.
///
/// libvirt: `qemuBuildGraphicsDBusCommandLine`.
pub(super) fn dbus(builder: &mut Builder<'_>, dbus: &Dbus, name: &str) {
    let mut argument = Argument::new("dbus");
    if dbus.p2p.is_some() {
        argument.add("p2p", "on");
    } else if let Some(address) = &dbus.address {
        builder.by_path(address, "QEMU connects to the bus by itself");
        argument.add("addr", address);
    } else {
        let Some(path) = bus(builder, name) else { return };
        argument.add("addr", format!("unix:path={path}"));
    }
    if let Some(gl) = &dbus.gl {
        argument.switch("gl", gl.enable);
        if gl.enable == Some(YesNo::Yes) {
            let Some(node) = render_node(builder, name, gl.rendernode.as_deref()) else { return };
            argument.add("rendernode", node);
        }
    }
    if dbus.audio.is_some() {
        argument.maybe("audiodev", audio::name(builder.domain, dbus.audio));
    }
    builder.argument("display", argument.into_text());
}

/// The path of the socket of a bus that is started for the guest, whose users are its own.
///
/// libvirt: `qemuDBusStart`.
fn bus(builder: &mut Builder<'_>, name: &str) -> Option<String> {
    let program = builder.program(DBUS_DAEMON)?;
    let helper = format!("{name}-dbus");
    let address = "--address=unix:path={socket}".to_owned();
    let argv = [program, "--session".to_owned(), "--nofork".to_owned(), "--nopidfile".to_owned()];
    let argv = argv.into_iter().chain([address]).collect();
    builder.helper(&helper, argv).socket = HelperSocket::Path;
    let source = builder.helper_source(DBUS_DAEMON, name, &helper);
    let fd = builder.fd(format!("{name}-bus"), source, Open::HelperNode { helper });
    Some(builder.inherited_path(fd))
}
