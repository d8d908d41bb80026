//! `<graphics type='rdp'>`: a server of the remote desktop protocol.

use base::{NonEmpty, Yes};
use xml::{El, Elsewhere, Reader, Xml};

use crate::device::graphics::auth::Auth;
use crate::device::graphics::listen::{self, Listen};
use crate::device::graphics::port::DisplayPort;

/// A server of the remote desktop protocol, which for QEMU is a program beside it.
///
/// libvirt: `virDomainGraphicsDefParseXMLRDP`, `virDomainGraphicsDefFormatRDP`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Rdp::finish)]
pub struct Rdp {
    /// The port; a free one is printed as 0. Absent: 0.
    #[xml(attribute, print_with = Rdp::port_attribute)]
    pub port: Option<DisplayPort>,
    /// Whether a free port is taken, which `port` says.
    #[xml(attribute, print_with = Rdp::autoport_attribute)]
    pub autoport: Option<Elsewhere<Yes>>,
    /// Whether a second user takes the first one's place. Absent: no.
    #[xml(attribute, name = "replaceUser")]
    pub replace_user: Option<Yes>,
    /// Whether several users look at once. Absent: no.
    #[xml(attribute, name = "multiUser")]
    pub multi_user: Option<Yes>,
    /// The address of the first `<listen>`, once more.
    #[xml(attribute, print_with = Rdp::listen_attribute)]
    pub listen: Option<Elsewhere<NonEmpty>>,
    /// User and password.
    #[xml(flatten)]
    pub auth: Auth,
    /// Where it can be reached; at least one.
    #[xml(child, name = "listen")]
    pub listens: Vec<Listen>,
}

impl Rdp {
    fn is_automatic(&self) -> bool {
        self.port == Some(DisplayPort::Auto)
    }

    fn port_attribute(&self) -> Option<String> {
        self.is_automatic().then(|| "0".to_owned())
    }

    fn autoport_attribute(&self) -> Option<String> {
        self.is_automatic().then(|| Yes::Yes.to_string())
    }

    fn listen_attribute(&self) -> Option<String> {
        listen::address(&self.listens)
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        listen::finish(&mut self.listens, el, reader);
        if el.attribute("port").is_none() || el.attribute("autoport") == Some("yes") {
            self.port = Some(DisplayPort::Auto);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::device::Graphics;
    use crate::testing::reprint;

    #[test]
    fn a_free_port_is_printed_as_zero() {
        let automatic = "<graphics type='rdp' port='0' autoport='yes'>\n  \
                         <listen type='address'/>\n</graphics>\n";
        for attributes in ["", "port='-1'", "port='3389' autoport='yes'"] {
            let text = format!("<graphics type='rdp' {attributes}/>");
            assert_eq!(reprint::<Graphics>("graphics", &text).unwrap(), automatic, "{attributes}");
        }
    }
}
