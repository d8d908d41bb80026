//! `<graphics>`: a display, or a way to one.

mod auth;
mod listen;
mod local;
mod port;
mod rdp;
pub mod spice;
mod vnc;

use xml::{Origin, Xml};

pub use auth::{Auth, Connected, ValidTo};
pub use listen::{AddressListen, Listen, NetworkListen, SocketListen};
pub use local::{Dbus, Desktop, EglGl, EglHeadless, Gl, Sdl};
pub use port::DisplayPort;
pub use rdp::Rdp;
pub use spice::Spice;
pub use vnc::{SharePolicy, Vnc};

/// A display.
///
/// libvirt: `virDomainGraphicsDefParseXML`, `virDomainGraphicsDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Graphics {
    /// Where it was written.
    pub origin: Origin,
    /// What it is.
    #[xml(flatten, key_first)]
    pub kind: GraphicsType,
}

/// What a display is.
///
/// libvirt: `virDomainGraphicsType`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type")]
pub enum GraphicsType {
    /// A window of the user who runs the guest.
    #[xml(word = "sdl")]
    Sdl(Sdl),
    /// A VNC server.
    #[xml(word = "vnc")]
    Vnc(Vnc),
    /// A server of the remote desktop protocol.
    #[xml(word = "rdp")]
    Rdp(Rdp),
    /// A window of VirtualBox.
    #[xml(word = "desktop")]
    Desktop(Desktop),
    /// A SPICE server.
    #[xml(word = "spice")]
    Spice(Spice),
    /// No display, but one that draws with the host's graphics card for another.
    #[xml(word = "egl-headless")]
    EglHeadless(EglHeadless),
    /// A display on a D-Bus.
    #[xml(word = "dbus")]
    Dbus(Dbus),
}

impl Graphics {
    /// Where it can be reached; empty for a display that cannot.
    pub fn listens(&self) -> &[Listen] {
        match &self.kind {
            GraphicsType::Vnc(vnc) => &vnc.listens,
            GraphicsType::Rdp(rdp) => &rdp.listens,
            GraphicsType::Spice(spice) => &spice.listens,
            GraphicsType::Sdl(_)
            | GraphicsType::Desktop(_)
            | GraphicsType::EglHeadless(_)
            | GraphicsType::Dbus(_) => &[],
        }
    }

    /// Where it can be reached; `None` for a display that cannot.
    pub fn listens_mut(&mut self) -> Option<&mut Vec<Listen>> {
        match &mut self.kind {
            GraphicsType::Vnc(vnc) => Some(&mut vnc.listens),
            GraphicsType::Rdp(rdp) => Some(&mut rdp.listens),
            GraphicsType::Spice(spice) => Some(&mut spice.listens),
            GraphicsType::Sdl(_)
            | GraphicsType::Desktop(_)
            | GraphicsType::EglHeadless(_)
            | GraphicsType::Dbus(_) => None,
        }
    }
}
