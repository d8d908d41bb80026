//! `<graphics type='vnc'>`: a VNC server.

use base::{NonEmpty, Positive, YesNo, words};
use xml::{El, Elsewhere, Part, Reader, Xml};

use crate::device::graphics::auth::{Auth, Connected};
use crate::device::graphics::listen::{self, Listen};
use crate::device::graphics::port::DisplayPort;

/// A VNC server.
///
/// libvirt: `virDomainGraphicsDefParseXMLVNC`, `virDomainGraphicsDefFormatVNC`. QEMU: `-vnc`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Vnc::finish)]
pub struct Vnc {
    /// The socket of the first `<listen>`, once more.
    #[xml(attribute, print_with = Vnc::socket_attribute)]
    pub socket: Option<Elsewhere<NonEmpty>>,
    /// The port; 5900 and above. Absent: 0.
    #[xml(attribute, print_if = Vnc::has_ports)]
    pub port: Option<DisplayPort>,
    /// Whether a free port is taken, which `port` says.
    #[xml(attribute, print_with = Vnc::autoport_attribute, print_if = Vnc::has_ports)]
    pub autoport: Option<Elsewhere<YesNo>>,
    /// The port for web sockets. Absent: none.
    #[xml(attribute, print_if = Vnc::has_ports)]
    pub websocket: Option<DisplayPort>,
    /// The address of the first `<listen>`, once more.
    #[xml(attribute, print_with = Vnc::listen_attribute)]
    pub listen: Option<Elsewhere<NonEmpty>>,
    /// The layout of the clients' keyboards. Absent: clients send key codes.
    #[xml(attribute)]
    pub keymap: Option<String>,
    /// How many may look at once. Absent: `allow-exclusive`.
    #[xml(attribute, name = "sharePolicy")]
    pub share_policy: Option<SharePolicy>,
    /// Whether clients may switch the guest off and reset it. Absent: no.
    #[xml(attribute, name = "powerControl")]
    pub power_control: Option<YesNo>,
    /// The password.
    #[xml(flatten)]
    pub auth: Auth,
    /// Where it can be reached; at least one.
    #[xml(child, name = "listen")]
    pub listens: Vec<Listen>,
    /// The number of the `<audio>` that clients hear. Absent: none.
    #[xml(attribute_child = "id")]
    pub audio: Option<Positive>,
}

impl Vnc {
    fn has_ports(&self) -> bool {
        listen::has_ports(&self.listens)
    }

    fn socket_attribute(&self) -> Option<String> {
        self.listens.first()?.socket().map(str::to_owned)
    }

    fn listen_attribute(&self) -> Option<String> {
        listen::address(&self.listens)
    }

    fn autoport_attribute(&self) -> Option<String> {
        let auto = self.port.is_some_and(DisplayPort::is_auto);
        Some(YesNo::from(auto).to_string())
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        listen::finish(&mut self.listens, el, reader);
        match el.attribute("autoport") {
            Some("yes") => self.port = Some(DisplayPort::Auto),
            Some("no") => self.port = self.port.filter(|port| *port != DisplayPort::Auto),
            _ if el.attribute("port").is_none() => self.port = Some(DisplayPort::Auto),
            _ => {}
        }
        if self.auth.connected.is_some_and(|connected| connected != Connected::Keep) {
            let message = "a VNC server can only keep those who are connected: write 'keep'";
            reader.error(el.origin(), Part::Attribute("connected".to_owned()), message);
        }
    }
}

words! {
    /// How many may look at once.
    ///
    /// libvirt: `virDomainGraphicsVNCSharePolicy`. QEMU: `-vnc share=`.
    pub enum SharePolicy unset "default" {
        /// One who asks to be alone is.
        AllowExclusive = "allow-exclusive",
        /// Nobody can be alone.
        ForceShared = "force-shared",
        /// Everybody gets in, and nobody is disconnected.
        Ignore = "ignore",
    }
}

#[cfg(test)]
mod tests {
    use crate::device::Graphics;
    use crate::testing::reprint;

    fn printed(attributes: &str, listens: &str) -> String {
        let text = format!("<graphics type='vnc' {attributes}>{listens}</graphics>");
        reprint::<Graphics>("graphics", &text).unwrap()
    }

    #[test]
    fn a_port_that_is_left_out_or_automatic_is_forgotten() {
        let automatic = "<graphics type='vnc' port='-1' autoport='yes'>\n  \
                         <listen type='address'/>\n</graphics>\n";
        for attributes in ["", "port='-1'", "port='5905' autoport='yes'"] {
            assert_eq!(printed(attributes, ""), automatic, "{attributes}");
        }
        assert_eq!(
            printed("port='-1' autoport='no'", ""),
            "<graphics type='vnc' autoport='no'>\n  <listen type='address'/>\n</graphics>\n"
        );
    }

    #[test]
    fn a_socket_of_the_server_takes_the_place_of_the_first_address() {
        let socket = "<graphics type='vnc' socket='/a'>\n  \
                      <listen type='socket' socket='/a'/>\n</graphics>\n";
        for listens in ["", "<listen type='address' address='::1'/>", "<listen type='socket'/>"] {
            assert_eq!(printed("socket='/a' port='5901'", listens), socket, "{listens}");
        }
    }

    #[test]
    fn the_address_of_the_server_and_of_its_first_listen_are_one() {
        let text = |address| {
            format!(
                "<graphics type='vnc' listen='::1'><listen type='address' {address}/></graphics>"
            )
        };
        let printed = reprint::<Graphics>("graphics", &text("")).unwrap();
        assert!(printed.contains("<listen type='address' address='::1'/>"), "{printed}");
        assert_eq!(
            reprint::<Graphics>("graphics", &text("address='::2'")).unwrap_err(),
            ["'listen' of <graphics> is '::1', but 'address' of its first <listen> is '::2'; \
              leave one of them out"]
        );
    }

    #[test]
    fn a_socket_belongs_to_a_listen_of_that_type() {
        let text = "<graphics type='vnc'><listen type='address' socket='/a'/></graphics>";
        assert_eq!(
            reprint::<Graphics>("graphics", text).unwrap_err(),
            ["'socket' is only for a <listen> of type 'socket'"]
        );
    }

    #[test]
    fn what_goes_with_a_password_is_nothing_without_one() {
        let printed = printed("username='a' passwdValidTo='2010-04-09T15:51:00'", "");
        assert!(!printed.contains("username") && !printed.contains("Valid"), "{printed}");
    }
}
