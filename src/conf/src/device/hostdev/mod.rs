//! `<hostdev>`: devices of the host that the guest gets.

pub mod scsi;
pub mod usb;

use base::{OnOff, Uuid, YesNo, words};
use xml::{El, Origin, Part, Reader, Xml};

use crate::device::host_address::{HostPciAddress, HostdevDriver};
use crate::device::interface::Teaming;
use crate::device_info::DeviceInfo;

pub use scsi::{Scsi, ScsiHost};
pub use usb::Usb;

/// A device of the host that the guest gets.
///
/// libvirt: `virDomainHostdevDefParseXML`, `virDomainHostdevDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Hostdev::finish)]
pub struct Hostdev {
    /// Where it was written.
    pub origin: Origin,
    /// How the guest gets it.
    #[xml(attribute)]
    pub mode: HostdevMode,
    /// Whether the host lets go of it at start and takes it back at the end; there after reading.
    #[xml(attribute)]
    pub managed: Option<YesNo>,
    /// Its bus, and what only devices of that bus have.
    #[xml(flatten, key_after = "mode")]
    pub kind: HostdevKind,
    /// Its part in a pair of which one can be unplugged for migration.
    #[xml(child)]
    pub teaming: Option<Teaming>,
    /// Of SCSI: the guest cannot write.
    #[xml(flag, read_if = Hostdev::is_scsi)]
    pub readonly: bool,
    /// Of SCSI: several guests may write at once.
    #[xml(flag, read_if = Hostdev::is_scsi)]
    pub shareable: bool,
    /// Its boot order, ROM, name and address.
    #[xml(flatten, with = "boot rom")]
    pub info: DeviceInfo,
}

impl Hostdev {
    /// Whether the host lets go of it at start.
    pub fn is_managed(&self) -> bool {
        self.managed == Some(YesNo::Yes)
    }

    /// Whether it is a SCSI unit, by an adapter of the host or iSCSI.
    pub fn is_scsi(&self) -> bool {
        matches!(self.kind, HostdevKind::Scsi(_))
    }

    /// Where the host finds a PCI device.
    pub fn pci_address(&self) -> Option<&HostPciAddress> {
        match &self.kind {
            HostdevKind::Pci(pci) => Some(&pci.source.address),
            _ => None,
        }
    }

    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let refuse = |reader: &mut Reader, el: El<'_>, name: &str, needed: &str| {
            if el.attribute(name).is_some() {
                let part = Part::AttributeName(name.to_owned());
                reader.error(el.origin(), part, format!("'{name}' needs type='{needed}'"));
            }
        };
        self.managed.get_or_insert(YesNo::No);
        for name in ["sgio", "rawio"] {
            if !self.is_scsi() {
                refuse(reader, el, name, "scsi");
            }
        }
        if !matches!(self.kind, HostdevKind::ScsiHost(_) | HostdevKind::Mdev(_)) {
            refuse(reader, el, "model", "mdev");
        }
        if let Some(source) =
            el.child("source").filter(|_| !matches!(self.kind, HostdevKind::Usb(_)))
        {
            refuse(reader, source, "startupPolicy", "usb");
        }
    }
}

words! {
    /// How the guest gets a device. Containers have another way.
    ///
    /// libvirt: `virDomainHostdevMode`.
    pub enum HostdevMode {
        /// With its bus.
        Subsystem = "subsystem",
    }
}

/// The bus of a device of the host.
///
/// libvirt: `virDomainHostdevSubsysType`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type")]
pub enum HostdevKind {
    /// USB.
    #[xml(word = "usb")]
    Usb(Usb),
    /// PCI.
    #[xml(word = "pci")]
    Pci(Pci),
    /// A SCSI unit.
    #[xml(word = "scsi")]
    Scsi(Scsi),
    /// A SCSI target of the kernel, by vhost.
    #[xml(word = "scsi_host")]
    ScsiHost(ScsiHost),
    /// A mediated device: a part of a device that the kernel's driver deals out.
    #[xml(word = "mdev")]
    Mdev(Mdev),
}

/// `type='pci'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Pci {
    /// Whether the device's picture is shown.
    #[xml(attribute)]
    pub display: Option<OnOff>,
    /// Whether the picture is there before the guest's driver is.
    #[xml(attribute)]
    pub ramfb: Option<OnOff>,
    /// The kernel's driver.
    #[xml(child)]
    pub driver: HostdevDriver,
    /// Its `<source>`.
    #[xml(child, required)]
    pub source: PciSource,
}

/// `<source>` of `type='pci'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct PciSource {
    /// Where it was written.
    pub origin: Origin,
    /// Whether the guest may write to the device's configuration (Xen).
    #[xml(attribute, name = "writeFiltering")]
    pub write_filtering: Option<YesNo>,
    /// Where the host finds it.
    #[xml(child, required)]
    pub address: HostPciAddress,
}

/// `type='mdev'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Mdev {
    /// What it is to QEMU.
    #[xml(attribute, required)]
    pub model: MdevModel,
    /// Whether the device's picture is shown. Absent, of `vfio-pci`: off, which completion fills
    /// in.
    #[xml(attribute)]
    pub display: Option<OnOff>,
    /// Whether the picture is there before the guest's driver is.
    #[xml(attribute)]
    pub ramfb: Option<OnOff>,
    /// Its `<source>`.
    #[xml(child, required)]
    pub source: MdevSource,
}

words! {
    /// What a mediated device is to QEMU.
    ///
    /// libvirt: `virMediatedDeviceModelType`.
    pub enum MdevModel {
        /// A PCI device.
        VfioPci = "vfio-pci",
        /// A channel device of s390.
        VfioCcw = "vfio-ccw",
        /// A crypto adapter of s390.
        VfioAp = "vfio-ap",
    }
}

/// `<source>` of `type='mdev'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct MdevSource {
    /// Where it was written.
    pub origin: Origin,
    /// The mediated device.
    #[xml(attribute_child = "uuid", name = "address", required)]
    pub uuid: Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn a_device_is_not_managed_unless_it_says_so() {
        let text = "<hostdev type='pci'><source><address bus='1'/></source></hostdev>";
        let printed = reprint::<Hostdev>("hostdev", text).unwrap();
        assert!(printed.starts_with("<hostdev mode='subsystem' type='pci' managed='no'>\n"));
        assert!(
            printed.contains("<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>")
        );
    }

    #[test]
    fn knobs_of_scsi_are_refused_elsewhere() {
        let text = "<hostdev type='scsi_host' rawio='yes'>\
                    <source protocol='vhost' wwpn='naa.5001405df3e54061'/></hostdev>";
        let problems = reprint::<Hostdev>("hostdev", text).unwrap_err();
        assert!(problems.contains(&"'rawio' needs type='scsi'".to_owned()));
    }

    #[test]
    fn a_scsi_unit_is_one_of_an_adapter_unless_a_protocol_says_otherwise() {
        let text = "<hostdev type='scsi'><source><adapter name='scsi_host0'/>\
                    <address bus='0' target='1' unit='2'/></source></hostdev>";
        let (hostdev, _) = read::<Hostdev>("hostdev", text).unwrap();
        let HostdevKind::Scsi(scsi) = &hostdev.kind else { panic!("{:?}", hostdev.kind) };
        assert!(matches!(&scsi.source, scsi::ScsiSource::Adapter(unit) if unit.address.unit == 2));
        assert!(xml::print(&hostdev, "hostdev").contains("  <source>\n"));
    }

    #[test]
    fn a_usb_device_is_named_by_make_or_place() {
        let text = "<hostdev type='usb'><source><vendor id='0x1234'/></source></hostdev>";
        let problems = reprint::<Hostdev>("hostdev", text).unwrap_err();
        assert_eq!(problems, ["<vendor> needs <product id='…'/> beside it"]);
        let text = "<hostdev type='usb'><source><address bus='0' device='0'/></source></hostdev>";
        assert!(reprint::<Hostdev>("hostdev", text).unwrap_err()[0].starts_with("<source> needs"));
    }
}
