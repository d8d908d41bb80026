//! Displays without a port: SDL, desktop, egl-headless, D-Bus.

use base::{Positive, Yes, YesNo};
use xml::Xml;

/// A window of the user who runs the guest.
///
/// libvirt: `virDomainGraphicsDefParseXMLSDL`. QEMU: `-display sdl`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Sdl {
    /// The X display: `DISPLAY` of QEMU's environment. Absent: none is set.
    #[xml(attribute)]
    pub display: Option<String>,
    /// The X cookies: `XAUTHORITY` of QEMU's environment. Absent: none is set.
    #[xml(attribute)]
    pub xauth: Option<String>,
    /// Whether the window takes the whole screen. Absent: no.
    #[xml(attribute)]
    pub fullscreen: Option<Yes>,
    /// Whether the host's graphics card draws. Absent: no.
    #[xml(attribute_child = "enable")]
    pub gl: Option<YesNo>,
}

/// A window of VirtualBox; no other hypervisor has it.
///
/// libvirt: `virDomainGraphicsDefParseXMLDesktop`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Desktop {
    /// The X display.
    #[xml(attribute)]
    pub display: Option<String>,
    /// Whether the window takes the whole screen. Absent: no.
    #[xml(attribute)]
    pub fullscreen: Option<Yes>,
}

/// No display, but one that draws with the host's graphics card for another.
///
/// libvirt: `virDomainGraphicsDefParseXMLEGLHeadless`. QEMU: `-display egl-headless`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct EglHeadless {
    /// What draws.
    #[xml(child)]
    pub gl: Option<EglGl>,
}

/// `<gl>` of an egl-headless display.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct EglGl {
    /// The render node of the graphics card, such as `/dev/dri/renderD128`. Absent: completion of a
    /// start takes the first.
    #[xml(attribute)]
    pub rendernode: Option<String>,
}

/// A display on a D-Bus.
///
/// libvirt: `virDomainGraphicsDefParseXMLDBus`. QEMU: `-display dbus`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Dbus {
    /// Whether clients are handed connections to QEMU instead of finding it on a bus. Absent: no.
    #[xml(attribute)]
    pub p2p: Option<Yes>,
    /// The bus. Absent: one is started for the guest.
    #[xml(attribute)]
    pub address: Option<String>,
    /// Whether the host's graphics card draws. Absent: no.
    #[xml(child)]
    pub gl: Option<Gl>,
    /// The number of the `<audio>` that clients hear. Absent: none.
    #[xml(attribute_child = "id")]
    pub audio: Option<Positive>,
}

/// `<gl>` of a SPICE or D-Bus display.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Gl {
    /// Whether the host's graphics card draws.
    #[xml(attribute, required)]
    pub enable: Option<YesNo>,
    /// The render node of the graphics card, such as `/dev/dri/renderD128`. Absent: completion of a
    /// start takes the first.
    #[xml(attribute)]
    pub rendernode: Option<String>,
}
