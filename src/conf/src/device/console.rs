//! `<console>`: where the guest's system messages and logins go.

use base::words;
use xml::{El, Elsewhere, Origin, Reader, Xml};

use crate::device::chardev::Chardev;
use crate::device::serial::refuse_spicevmc;
use crate::device_info::DeviceInfo;

/// A console. The first one may be another name of the first serial port.
///
/// libvirt: `virDomainChrDefParseXML`, `virDomainChrDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Console::finish)]
pub struct Console {
    /// Where it was written.
    pub origin: Origin,
    /// What is behind it on the host.
    #[xml(flatten)]
    pub chardev: Chardev,
    /// The terminal of the source, once more.
    #[xml(attribute, print_with = Console::tty_attribute)]
    pub tty: Option<Elsewhere>,
    /// What the guest sees.
    #[xml(child)]
    pub target: ConsoleTarget,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Console {
    /// Whether it stands for a serial port.
    pub fn is_serial(&self) -> bool {
        matches!(self.target.kind, None | Some(ConsoleTargetType::Serial))
    }

    fn tty_attribute(&self) -> Option<String> {
        self.chardev.source.terminal().map(str::to_owned)
    }

    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        refuse_spicevmc(self.origin, &self.chardev, reader);
    }
}

/// `<target>` of a console.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct ConsoleTarget {
    /// Where it was written.
    pub origin: Origin,
    /// What carries it. Absent: the serial port.
    #[xml(attribute, name = "type")]
    pub kind: Option<ConsoleTargetType>,
    /// Its number. Completion replaces it by its position among the consoles.
    #[xml(attribute)]
    pub port: Option<u32>,
}

words! {
    /// What carries a console.
    ///
    /// libvirt: `virDomainChrConsoleTargetType`.
    pub enum ConsoleTargetType unset "none" {
        /// The serial port.
        Serial = "serial",
        /// Xen's console.
        Xen = "xen",
        /// A console of user-mode Linux.
        Uml = "uml",
        /// A virtio console.
        Virtio = "virtio",
        /// A terminal of a container.
        Lxc = "lxc",
        /// A terminal of an OpenVZ container.
        Openvz = "openvz",
        /// The operator console of s390.
        Sclp = "sclp",
        /// The line-mode operator console of s390.
        Sclplm = "sclplm",
    }
}
