//! The password of a display.

use conf::Devices;
use conf::device::Graphics;
use conf::device::graphics::{Auth, DisplayPort, GraphicsType, Listen};

use crate::change::Step;
use crate::host::Settings;
use crate::plan::password_commands;

/// The place of the display that an element means: there is one of each type.
///
/// libvirt: `qemuDomainFindGraphics`.
pub(super) fn find(devices: &Devices, wanted: &Graphics) -> Option<usize> {
    let word = wanted.kind.word();
    devices.graphics.iter().position(|display| display.kind.word() == word)
}

/// A display with another password. Everything else that the element says must be so already.
///
/// libvirt: `qemuDomainChangeGraphics`.
///
/// # Errors
/// What cannot change.
pub(super) fn merged(old: &Graphics, new: &Graphics) -> Result<Graphics, String> {
    let word = old.kind.word();
    let mut merged = old.clone();
    merged.origin = new.origin;
    let (ports, keymaps) = match (&mut merged.kind, &new.kind) {
        (GraphicsType::Vnc(old), GraphicsType::Vnc(new)) => {
            old.auth.clone_from(&new.auth);
            (are_same_port(old.port, new.port), old.keymap == new.keymap)
        }
        (GraphicsType::Spice(old), GraphicsType::Spice(new)) => {
            old.auth.clone_from(&new.auth);
            let ports = old.autoport.is_some() && new.autoport.is_some()
                || are_same_port(old.port, new.port) && are_same_port(old.tls_port, new.tls_port);
            (ports, old.keymap == new.keymap)
        }
        _ => return Err(format!("nothing of a {word} display can be changed")),
    };
    let (before, after) = (old.listens(), new.listens());
    let stays = [
        (ports, "port"),
        (keymaps, "keymap"),
        (before.len() == after.len() && before.iter().zip(after).all(are_same_place), "<listen>"),
    ];
    match stays.iter().find(|(is_same, _)| !is_same) {
        Some((_, what)) => Err(format!("the {what} of a {word} display cannot be changed")),
        None => Ok(merged),
    }
}

fn are_same_port(old: Option<DisplayPort>, new: Option<DisplayPort>) -> bool {
    let is_auto = |port: Option<DisplayPort>| port.is_none_or(DisplayPort::is_auto);
    old == new || is_auto(old) && is_auto(new)
}

/// An address that is not said is the one that it has.
fn are_same_place((old, new): (&Listen, &Listen)) -> bool {
    match (old, new) {
        (Listen::Address(old), Listen::Address(new)) => {
            new.address.is_none() || old.address == new.address
        }
        _ => old == new,
    }
}

/// What gives a display its password, and the old one back.
pub(super) fn steps(old: &Graphics, new: &Graphics, settings: &Settings) -> Vec<Step> {
    let (protocol, settings, old, new) = match (&old.kind, &new.kind) {
        (GraphicsType::Vnc(old), GraphicsType::Vnc(new)) => {
            ("vnc", &settings.vnc, &old.auth, &new.auth)
        }
        (GraphicsType::Spice(old), GraphicsType::Spice(new)) => {
            ("spice", &settings.spice, &old.auth, &new.auth)
        }
        _ => return Vec::new(),
    };
    let commands = |auth: &Auth| password_commands(protocol, auth, settings.password.as_deref());
    let mut before = commands(old).into_iter();
    let purpose = format!("{protocol} display");
    let steps = commands(new).into_iter();
    steps.map(|command| Step::with_undo(command, before.next(), &purpose)).collect()
}
