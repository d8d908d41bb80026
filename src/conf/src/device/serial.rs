//! `<serial>`: a serial port.

use base::words;
use xml::{El, Origin, Part, Reader, Xml};

use crate::device::chardev::{Chardev, ChardevSource};
use crate::device_info::DeviceInfo;

/// A serial port.
///
/// libvirt: `virDomainChrDefParseXML`, `virDomainChrDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Serial::finish)]
pub struct Serial {
    /// Where it was written.
    pub origin: Origin,
    /// What is behind it on the host.
    #[xml(flatten)]
    pub chardev: Chardev,
    /// What the guest sees.
    #[xml(child)]
    pub target: SerialTarget,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Serial {
    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        refuse_spicevmc(self.origin, &self.chardev, reader);
        if self.target.kind == Some(SerialTargetType::UsbSerial) {
            self.info.need_usb_address("a usb-serial device", self.origin, reader);
        }
    }
}

/// Only a virtio channel can be the SPICE agent's.
pub(crate) fn refuse_spicevmc(origin: Origin, chardev: &Chardev, reader: &mut Reader) {
    if chardev.source == ChardevSource::Spicevmc {
        let message = "'spicevmc' is only for a <channel> with <target type='virtio'/>";
        reader.error(origin, Part::Attribute("type".to_owned()), message);
    }
}

/// `<target>` of a serial port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct SerialTarget {
    /// Where it was written.
    pub origin: Origin,
    /// The kind of port. Absent: completion chooses the one of the machine.
    #[xml(attribute, name = "type")]
    pub kind: Option<SerialTargetType>,
    /// Its number. Absent: completion chooses a free one.
    #[xml(attribute)]
    pub port: Option<u32>,
    /// The device. Absent: completion chooses the one of the kind.
    #[xml(attribute_child = "name", absent = "none")]
    pub model: Option<SerialTargetModel>,
}

words! {
    /// The kind of a serial port.
    ///
    /// libvirt: `virDomainChrSerialTargetType`.
    pub enum SerialTargetType unset "none" {
        /// One of the four COM ports.
        IsaSerial = "isa-serial",
        /// On a USB bus.
        UsbSerial = "usb-serial",
        /// On a PCI bus.
        PciSerial = "pci-serial",
        /// A virtual terminal of PowerPC.
        SpaprVioSerial = "spapr-vio-serial",
        /// The one that Arm and RISC-V machines have built in.
        SystemSerial = "system-serial",
        /// An operator console of s390.
        SclpSerial = "sclp-serial",
        /// The debug port of Bochs, which only takes output.
        IsaDebug = "isa-debug",
    }
}

words! {
    /// The device that is a serial port.
    ///
    /// libvirt: `virDomainChrSerialTargetModel`.
    pub enum SerialTargetModel unset "none" {
        /// QEMU's `isa-serial`.
        IsaSerial = "isa-serial",
        /// QEMU's `usb-serial`.
        UsbSerial = "usb-serial",
        /// QEMU's `pci-serial`.
        PciSerial = "pci-serial",
        /// QEMU's `spapr-vty`.
        SpaprVty = "spapr-vty",
        /// The UART of Arm's `virt` machine.
        Pl011 = "pl011",
        /// QEMU's `sclpconsole`.
        Sclpconsole = "sclpconsole",
        /// QEMU's `sclplmconsole`.
        Sclplmconsole = "sclplmconsole",
        /// The UART of RISC-V's `virt` machine.
        Uart16550a = "16550a",
        /// QEMU's `isa-debugcon`.
        IsaDebugcon = "isa-debugcon",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    #[test]
    fn a_port_on_a_usb_bus_has_no_other_address() {
        let text = "<serial><target type='usb-serial'/><address type='pci' slot='3'/></serial>";
        assert_eq!(
            reprint::<Serial>("serial", text).unwrap_err(),
            ["a usb-serial device needs an address of type 'usb'"]
        );
    }
}
