//! `<graphics type='spice'>`: a SPICE server.

use base::{NonEmpty, OnOff, Yes, YesNo, words};
use xml::{El, Elsewhere, Origin, Part, Reader, Xml};

use crate::device::chardev::MouseMode;
use crate::device::graphics::auth::Auth;
use crate::device::graphics::listen::{self, Listen};
use crate::device::graphics::local::Gl;
use crate::device::graphics::port::DisplayPort;

/// A SPICE server.
///
/// libvirt: `virDomainGraphicsDefParseXMLSpice`, `virDomainGraphicsDefFormatSpice`. QEMU: `-spice`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Spice::finish)]
pub struct Spice {
    /// The port for connections without TLS. Absent: none, or a free one with `autoport`.
    #[xml(attribute, print_if = Spice::has_ports)]
    pub port: Option<DisplayPort>,
    /// The port for connections with TLS. Absent: none, or a free one with `autoport`.
    #[xml(attribute, name = "tlsPort", print_if = Spice::has_ports)]
    pub tls_port: Option<DisplayPort>,
    /// Whether free ports are taken where they are needed. Absent: no.
    #[xml(attribute, print_with = Spice::autoport_attribute, print_if = Spice::has_ports)]
    pub autoport: Option<Yes>,
    /// The address of the first `<listen>`, once more.
    #[xml(attribute, print_with = Spice::listen_attribute)]
    pub listen: Option<Elsewhere<NonEmpty>>,
    /// The layout of the clients' keyboards. Absent: clients send key codes.
    #[xml(attribute)]
    pub keymap: Option<String>,
    /// Which port a channel must use of which `channels` says nothing. Absent: either.
    #[xml(attribute, name = "defaultMode")]
    pub default_mode: Option<ChannelMode>,
    /// The password.
    #[xml(flatten)]
    pub auth: Auth,
    /// Where it can be reached; at least one.
    #[xml(child, name = "listen")]
    pub listens: Vec<Listen>,
    /// Which port a channel must use: at most one for each, in the order of [`ChannelName`].
    #[xml(child, name = "channel")]
    pub channels: Vec<Channel>,
    /// How images are compressed. Absent: QEMU's `auto_glz`.
    #[xml(attribute_child = "compression")]
    pub image: Option<ImageCompression>,
    /// Whether images are also compressed with JPEG, for clients far away. Absent: QEMU's `auto`.
    #[xml(attribute_child = "compression")]
    pub jpeg: Option<FarCompression>,
    /// Whether images are also compressed with zlib, for clients far away. Absent: QEMU's `auto`.
    #[xml(attribute_child = "compression")]
    pub zlib: Option<FarCompression>,
    /// Whether sound is compressed. Absent: it is.
    #[xml(attribute_child = "compression")]
    pub playback: Option<OnOff>,
    /// What is taken for a video and sent as one. Absent: QEMU's `off`.
    #[xml(attribute_child = "mode")]
    pub streaming: Option<StreamingMode>,
    /// Who moves the pointer. Absent: the client, where the guest's agent takes part.
    #[xml(attribute_child = "mode")]
    pub mouse: Option<MouseMode>,
    /// Whether guest and clients share a clipboard. Absent: yes.
    #[xml(attribute_child = "copypaste")]
    pub clipboard: Option<YesNo>,
    /// Whether clients may send files. Absent: yes.
    #[xml(attribute_child = "enable")]
    pub filetransfer: Option<YesNo>,
    /// Whether the host's graphics card draws. Absent: no.
    #[xml(child)]
    pub gl: Option<Gl>,
}

impl Spice {
    /// Which port a channel must use, where it is said of this channel.
    pub fn channel(&self, name: ChannelName) -> Option<ChannelMode> {
        self.channels.iter().find(|channel| channel.name == name)?.mode
    }

    fn has_ports(&self) -> bool {
        listen::has_ports(&self.listens)
    }

    fn autoport_attribute(&self) -> Option<String> {
        Some(YesNo::from(self.autoport.is_some()).to_string())
    }

    fn listen_attribute(&self) -> Option<String> {
        listen::address(&self.listens)
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        listen::finish(&mut self.listens, el, reader);
        if self.port == Some(DisplayPort::Auto) && self.tls_port == Some(DisplayPort::Auto) {
            self.autoport = Some(Yes::Yes);
        }
        if self.autoport.is_some() {
            self.port = None;
            self.tls_port = None;
        }
        if !self.has_ports() {
            self.forget_ports(el, reader);
        }
        self.sort_channels(reader);
    }

    /// Without an address there is no port, whatever was written.
    fn forget_ports(&mut self, el: El<'_>, reader: &mut Reader) {
        for (name, port) in [("port", self.port), ("tlsPort", self.tls_port)] {
            if port.is_some() {
                let message = format!("'{name}' has no effect without an address to listen at");
                reader.warning(el.origin(), Part::AttributeName(name.to_owned()), message);
            }
        }
        self.port = None;
        self.tls_port = None;
        self.autoport = None;
    }

    /// Of several that are about one channel the last counts.
    fn sort_channels(&mut self, reader: &mut Reader) {
        let mut kept: Vec<Channel> = Vec::new();
        for channel in std::mem::take(&mut self.channels) {
            if let Some(at) = kept.iter().position(|earlier| earlier.name == channel.name) {
                let earlier = kept.remove(at);
                let message =
                    format!("<channel name='{}'> has no effect: it appears again", earlier.name);
                reader.warning(earlier.origin, Part::Name, message);
            }
            kept.push(channel);
        }
        kept.retain(|channel| channel.mode.is_some());
        kept.sort_by_key(|channel| channel.name);
        self.channels = kept;
    }
}

/// `<channel>` of a SPICE server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Channel {
    /// Where it was written.
    pub origin: Origin,
    /// The channel.
    #[xml(attribute, required)]
    pub name: ChannelName,
    /// The port it must use. Absent: either.
    #[xml(attribute, required)]
    pub mode: Option<ChannelMode>,
}

words! {
    /// A channel of SPICE.
    ///
    /// libvirt: `virDomainGraphicsSpiceChannelName`.
    pub enum ChannelName {
        /// The one that opens the others.
        Main = "main",
        /// What is on the screen.
        Display = "display",
        /// Keys and pointer movements.
        Inputs = "inputs",
        /// The pointer's shape and place.
        Cursor = "cursor",
        /// Sound of the guest.
        Playback = "playback",
        /// Sound for the guest.
        Record = "record",
        /// Smartcards.
        Smartcard = "smartcard",
        /// USB devices.
        Usbredir = "usbredir",
    }
}

words! {
    /// The port that a channel must use.
    ///
    /// libvirt: `virDomainGraphicsSpiceChannelMode`.
    pub enum ChannelMode unset "any" {
        /// The one with TLS.
        Secure = "secure",
        /// The one without.
        Insecure = "insecure",
    }
}

words! {
    /// How images are compressed.
    ///
    /// libvirt: `virDomainGraphicsSpiceImageCompression`. QEMU: `-spice image-compression=`.
    pub enum ImageCompression {
        /// As suits each image; those seen before count.
        AutoGlz = "auto_glz",
        /// As suits each image.
        AutoLz = "auto_lz",
        /// SPICE's own method for photographs.
        Quic = "quic",
        /// LZ with a dictionary of all images.
        Glz = "glz",
        /// LZ.
        Lz = "lz",
        /// Not at all.
        Off = "off",
    }
}

words! {
    /// Whether images are compressed further for clients far away.
    ///
    /// libvirt: `virDomainGraphicsSpiceJpegCompression`, `virDomainGraphicsSpiceZlibCompression`.
    pub enum FarCompression {
        /// For clients that are found to be far away.
        Auto = "auto",
        /// For none.
        Never = "never",
        /// For all.
        Always = "always",
    }
}

words! {
    /// What is taken for a video.
    ///
    /// libvirt: `virDomainGraphicsSpiceStreamingMode`. QEMU: `-spice streaming-video=`.
    pub enum StreamingMode {
        /// What looks like one.
        Filter = "filter",
        /// Everything that changes often.
        All = "all",
        /// Nothing.
        Off = "off",
    }
}

#[cfg(test)]
mod tests {
    use crate::device::Graphics;
    use crate::testing::{read, reprint};

    #[test]
    fn ports_that_are_both_automatic_are_forgotten() {
        let text = "<graphics type='spice' port='-1' tlsPort='-1'/>";
        assert_eq!(
            reprint::<Graphics>("graphics", text).unwrap(),
            "<graphics type='spice' autoport='yes'>\n  <listen type='address'/>\n</graphics>\n"
        );
        let text = "<graphics type='spice' port='-1' tlsPort='5901'/>";
        assert_eq!(
            reprint::<Graphics>("graphics", text).unwrap(),
            "<graphics type='spice' port='-1' tlsPort='5901' autoport='no'>\n  \
             <listen type='address'/>\n</graphics>\n"
        );
    }

    #[test]
    fn without_an_address_there_is_no_port() {
        let text =
            "<graphics type='spice' port='5901' autoport='no'><listen type='none'/></graphics>";
        let (graphics, warnings) = read::<Graphics>("graphics", text).unwrap();
        let printed = xml::print(&graphics, "graphics");
        assert_eq!(printed, "<graphics type='spice'>\n  <listen type='none'/>\n</graphics>\n");
        assert_eq!(read::<Graphics>("graphics", &printed).unwrap().0, graphics);
        assert_eq!(warnings, ["'port' has no effect without an address to listen at"]);
    }

    #[test]
    fn channels_are_printed_in_their_order_and_the_last_word_on_one_counts() {
        let text = "<graphics type='spice' autoport='yes'>\
            <channel name='record' mode='secure'/><channel name='main' mode='secure'/>\
            <channel name='cursor' mode='secure'/><channel name='cursor' mode='any'/>\
            <channel name='main' mode='insecure'/></graphics>";
        assert_eq!(
            reprint::<Graphics>("graphics", text).unwrap(),
            "<graphics type='spice' autoport='yes'>\n  <listen type='address'/>\n  \
             <channel name='main' mode='insecure'/>\n  \
             <channel name='record' mode='secure'/>\n</graphics>\n"
        );
    }
}
