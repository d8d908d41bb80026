//! `<redirdev>`: a USB port that a device elsewhere can be plugged into.

use base::words;
use xml::{El, Origin, Reader, Xml};

use crate::device::chardev::{Chardev, ChardevSource};
use crate::device_info::DeviceInfo;

/// A USB device that comes from elsewhere.
///
/// libvirt: `virDomainRedirdevDefParseXML`, `virDomainRedirdevDefFormat`. QEMU: `usb-redir`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Redirdev::finish)]
pub struct Redirdev {
    /// Where it was written.
    pub origin: Origin,
    /// The bus it is on.
    #[xml(attribute)]
    pub bus: RedirdevBus,
    /// Where the device comes from.
    #[xml(flatten)]
    pub chardev: Chardev,
    /// Boot order, name and address.
    #[xml(flatten, with = "boot")]
    pub info: DeviceInfo,
}

impl Redirdev {
    /// The name on the bus of a D-Bus display, where none is given.
    const DBUS_CHANNEL: &str = "org.qemu.usbredir";

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        self.chardev.finish_backend(el, reader);
        if let ChardevSource::Dbus(dbus) = &mut self.chardev.source {
            dbus.source.channel.get_or_insert_with(|| Self::DBUS_CHANNEL.to_owned());
        }
        self.info.need_usb_address("a redirected USB device", self.origin, reader);
    }
}

words! {
    /// The bus of a redirected device.
    ///
    /// libvirt: `virDomainRedirdevBus`.
    pub enum RedirdevBus {
        /// USB.
        Usb = "usb",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    #[test]
    fn a_redirected_device_must_say_where_it_comes_from() {
        assert_eq!(
            reprint::<Redirdev>("redirdev", "<redirdev bus='usb'/>").unwrap_err(),
            ["<redirdev> needs attribute 'type': expected a kind of character device"]
        );
    }

    #[test]
    fn on_a_d_bus_display_it_has_a_name_of_its_own() {
        assert_eq!(
            reprint::<Redirdev>("redirdev", "<redirdev type='dbus'/>").unwrap(),
            "<redirdev bus='usb' type='dbus'>\n  <source channel='org.qemu.usbredir'/>\n</redirdev>\n"
        );
    }
}
