//! `<controller>`: what buses hang off.

use std::num::NonZeroU32;

use base::{BadValue, OnOff, words};
use xml::{El, Origin, Part, Problem, Reader, Xml};

use crate::address::Hex;
use crate::device::iothread_mapping::IothreadMapping;
use crate::device::virtio::{VirtioModel, VirtioOptions};
use crate::device_info::DeviceInfo;
use crate::memory::Kibibytes;

/// A controller of a bus.
///
/// libvirt: `virDomainControllerDefParseXML`, `virDomainControllerDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Controller::finish)]
pub struct Controller {
    /// Where it was written.
    pub origin: Origin,
    /// Its number among those of its type. Absent: the lowest that is free.
    #[xml(attribute)]
    pub index: Option<u32>,
    /// The bus, and what only controllers of that bus have.
    #[xml(flatten, key_first)]
    pub kind: ControllerKind,
    /// How requests are handled.
    #[xml(child)]
    pub driver: Option<Driver>,
    /// Its name and address.
    #[xml(flatten, with = "master")]
    pub info: DeviceInfo,
    /// Of `pci-root` and `pcie-root`: the size of the window for 64-bit addresses.
    #[xml(text_child, unit, read_if = Controller::is_pci_root)]
    pub pcihole64: Option<Kibibytes>,
}

impl Controller {
    /// A controller that a step of completion adds.
    pub fn added(kind: ControllerKind, index: u32, step: &'static str) -> Self {
        Self { origin: Origin::Step(step), index: Some(index), kind, ..Self::default() }
    }

    /// The model and ports of a USB controller.
    pub fn usb(&self) -> Option<&Usb> {
        match &self.kind {
            ControllerKind::Usb(usb) => Some(usb),
            _ => None,
        }
    }

    /// The model of a SCSI controller.
    pub fn scsi(&self) -> Option<&Scsi> {
        match &self.kind {
            ControllerKind::Scsi(scsi) => Some(scsi),
            _ => None,
        }
    }

    /// What only PCI controllers have.
    pub fn pci(&self) -> Option<&Pci> {
        match &self.kind {
            ControllerKind::Pci(pci) => Some(pci),
            _ => None,
        }
    }

    /// What only PCI controllers have.
    pub fn pci_mut(&mut self) -> Option<&mut Pci> {
        match &mut self.kind {
            ControllerKind::Pci(pci) => Some(pci),
            _ => None,
        }
    }

    /// Whether it is the root of the PCI buses.
    pub fn is_pci_root(&self) -> bool {
        let model = self.pci().and_then(|pci| pci.model);
        matches!(model, Some(PciModel::PciRoot | PciModel::PcieRoot))
    }

    /// Of a controller without ports their number has no effect, but it must be one.
    ///
    /// libvirt: `virDomainControllerDefParseXML`.
    fn check_ports(&self, el: El<'_>, reader: &mut Reader) {
        let has_ports =
            matches!(self.kind, ControllerKind::VirtioSerial(_) | ControllerKind::Usb(_));
        if let Some(text) = el.attribute("ports").filter(|_| !has_ports)
            && !matches!(text.parse(), Ok(0..=i32::MAX))
        {
            let part = Part::Attribute("ports".to_owned());
            reader.bad_value(el, part, text, BadValue::new("a number of zero or more"));
        }
    }

    /// The companions of an EHCI controller serve its ports two by two, from a fixed one on. Where
    /// there is no USB, nothing has an address.
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if !self.kind.has_models() && el.attribute("model").is_some() {
            let message = format!("a controller of type '{}' has no models", self.kind.word());
            let part = Part::AttributeName("model".to_owned());
            reader.push(Problem::error(el.origin(), part, message).help("leave out 'model'"));
        }
        self.check_ports(el, reader);
        let model = self.usb().and_then(|usb| usb.model);
        if self.info.master.is_none() {
            self.info.master = model.and_then(UsbModel::ich9_companion).map(|at| 2 * at);
        }
        if model == Some(UsbModel::None) && self.info != DeviceInfo::default() {
            let message = "a USB controller with model='none' has no name and no address";
            reader.warning(self.origin, Part::Name, message);
            self.info = DeviceInfo::default();
        }
    }
}

/// The bus of a controller. An index counts among controllers of the same type.
///
/// libvirt: `virDomainControllerType`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type", default = "ide")]
pub enum ControllerKind {
    /// IDE: two channels with two disks each.
    #[xml(word = "ide")]
    Ide(Ide),
    /// Floppy disks: two drives.
    #[xml(word = "fdc")]
    Fdc,
    /// SCSI.
    #[xml(word = "scsi")]
    Scsi(Scsi),
    /// SATA: six ports.
    #[xml(word = "sata")]
    Sata,
    /// Serial ports and channels of virtio.
    #[xml(word = "virtio-serial")]
    VirtioSerial(VirtioSerial),
    /// A reader of smartcards.
    #[xml(word = "ccid")]
    Ccid,
    /// USB.
    #[xml(word = "usb")]
    Usb(Usb),
    /// PCI and PCI Express.
    #[xml(word = "pci")]
    Pci(Pci),
    /// Xen's bus.
    #[xml(word = "xenbus")]
    Xenbus(Xenbus),
    /// ISA, which only bhyve shows as a controller.
    #[xml(word = "isa")]
    Isa,
    /// NVMe: each disk is a name space (QEMU: `nvme` and `nvme-ns`); since libvirt 11.5.
    #[xml(word = "nvme")]
    Nvme(Nvme),
}

impl ControllerKind {
    /// Whether there is more than one kind of such controllers to choose from.
    ///
    /// libvirt: `virDomainControllerModelTypeFromString`.
    fn has_models(&self) -> bool {
        !matches!(
            self,
            Self::Fdc | Self::Sata | Self::Ccid | Self::Xenbus(_) | Self::Isa | Self::Nvme(_)
        )
    }
}

/// `type='ide'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Ide {
    /// Its model, which is the machine's own.
    #[xml(attribute)]
    pub model: Option<IdeModel>,
}

words! {
    /// The model of an IDE controller; none of them can be chosen for QEMU.
    ///
    /// libvirt: `virDomainControllerModelIDE`.
    pub enum IdeModel {
        /// Of Intel's PIIX3.
        Piix3 = "piix3",
        /// Of Intel's PIIX4.
        Piix4 = "piix4",
        /// Of Intel's ICH6.
        Ich6 = "ich6",
    }
}

/// `type='scsi'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Scsi {
    /// Its model. Absent or `auto`: completion chooses.
    #[xml(attribute)]
    pub model: Option<ScsiModel>,
}

impl Scsi {
    /// Whether the model is one of virtio's.
    pub fn is_virtio(&self) -> bool {
        matches!(
            self.model,
            Some(
                ScsiModel::VirtioScsi
                    | ScsiModel::VirtioTransitional
                    | ScsiModel::VirtioNonTransitional
            )
        )
    }
}

words! {
    /// The model of a SCSI controller.
    ///
    /// libvirt: `virDomainControllerModelSCSI`.
    pub enum ScsiModel {
        /// Completion chooses.
        Auto = "auto",
        /// BusLogic; QEMU has none.
        Buslogic = "buslogic",
        /// LSI 53C895A (QEMU: `lsi`).
        Lsilogic = "lsilogic",
        /// LSI SAS1068; QEMU has none.
        Lsisas1068 = "lsisas1068",
        /// VMware's paravirtual controller (QEMU: `pvscsi`, which libvirt does not use).
        Vmpvscsi = "vmpvscsi",
        /// IBM's virtual SCSI of PowerPC (QEMU: `spapr-vscsi`).
        Ibmvscsi = "ibmvscsi",
        /// virtio-scsi.
        VirtioScsi = "virtio-scsi",
        /// LSI SAS1078 (QEMU: `megasas`).
        Lsisas1078 = "lsisas1078",
        /// virtio-scsi that also speaks virtio 0.9.
        VirtioTransitional = "virtio-transitional",
        /// virtio-scsi that speaks only virtio 1.0.
        VirtioNonTransitional = "virtio-non-transitional",
        /// NCR 53C90, built into some machines.
        Ncr53c90 = "ncr53c90",
        /// Tekram DC-390.
        Dc390 = "dc390",
        /// AMD Am53C974.
        Am53c974 = "am53c974",
    }
}

/// `type='virtio-serial'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct VirtioSerial {
    /// Its model. Absent: `virtio`.
    #[xml(attribute)]
    pub model: Option<VirtioModel>,
    /// How many ports. Absent: QEMU's default, 31.
    #[xml(attribute)]
    pub ports: Option<u32>,
    /// How many interrupt vectors; 0 means none. Absent: QEMU's default.
    #[xml(attribute)]
    pub vectors: Option<u32>,
}

/// `type='usb'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Usb {
    /// Its model. Absent: completion chooses.
    #[xml(attribute)]
    pub model: Option<UsbModel>,
    /// How many ports; of xHCI up to 15. Absent: as many as the model has.
    #[xml(attribute)]
    pub ports: Option<u32>,
}

words! {
    /// The model of a USB controller.
    ///
    /// libvirt: `virDomainControllerModelUSB`.
    pub enum UsbModel {
        /// UHCI of Intel's PIIX3.
        Piix3Uhci = "piix3-uhci",
        /// UHCI of Intel's PIIX4.
        Piix4Uhci = "piix4-uhci",
        /// EHCI of no particular make (QEMU: `usb-ehci`).
        Ehci = "ehci",
        /// EHCI of Intel's ICH9.
        Ich9Ehci1 = "ich9-ehci1",
        /// The first UHCI beside ICH9's EHCI.
        Ich9Uhci1 = "ich9-uhci1",
        /// The second UHCI beside ICH9's EHCI.
        Ich9Uhci2 = "ich9-uhci2",
        /// The third UHCI beside ICH9's EHCI.
        Ich9Uhci3 = "ich9-uhci3",
        /// UHCI of VIA's VT82C686B.
        Vt82c686bUhci = "vt82c686b-uhci",
        /// OHCI.
        PciOhci = "pci-ohci",
        /// xHCI by NEC.
        NecXhci = "nec-xhci",
        /// Xen's USB 1.1.
        Qusb1 = "qusb1",
        /// Xen's USB 2.
        Qusb2 = "qusb2",
        /// xHCI of no particular make.
        QemuXhci = "qemu-xhci",
        /// No USB at all.
        None = "none",
    }
}

impl UsbModel {
    /// Whether it speaks xHCI.
    pub fn is_xhci(self) -> bool {
        matches!(self, Self::NecXhci | Self::QemuXhci)
    }

    /// Whether it is a part of ICH9's USB 2 controller: the EHCI, or one of its companions.
    pub fn is_ich9(self) -> bool {
        self == Self::Ich9Ehci1 || self.ich9_companion().is_some()
    }

    /// The companion of ICH9's EHCI that this is, from 0.
    pub fn ich9_companion(self) -> Option<u32> {
        match self {
            Self::Ich9Uhci1 => Some(0),
            Self::Ich9Uhci2 => Some(1),
            Self::Ich9Uhci3 => Some(2),
            _ => None,
        }
    }
}

/// `type='pci'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Pci {
    /// What it is.
    #[xml(attribute)]
    pub model: Option<PciModel>,
    /// The device that plays the part. Absent: completion chooses.
    #[xml(attribute_child = "name", name = "model")]
    pub model_name: Option<PciModelName>,
    /// What the guest sees of it.
    #[xml(child)]
    pub target: PciTarget,
}

words! {
    /// What a PCI controller is.
    ///
    /// libvirt: `virDomainControllerModelPCI`.
    pub enum PciModel {
        /// The root of a machine with PCI.
        PciRoot = "pci-root",
        /// The root of a machine with PCI Express.
        PcieRoot = "pcie-root",
        /// A bridge between PCI buses.
        PciBridge = "pci-bridge",
        /// A bridge from PCI Express to PCI, without hotplug.
        DmiToPciBridge = "dmi-to-pci-bridge",
        /// A bridge from PCI Express to PCI.
        PcieToPciBridge = "pcie-to-pci-bridge",
        /// A PCI Express port for one device.
        PcieRootPort = "pcie-root-port",
        /// The upper end of a PCI Express switch.
        PcieSwitchUpstreamPort = "pcie-switch-upstream-port",
        /// A port of a PCI Express switch.
        PcieSwitchDownstreamPort = "pcie-switch-downstream-port",
        /// A further PCI root with a NUMA node of its own.
        PciExpanderBus = "pci-expander-bus",
        /// A further PCI Express root with a NUMA node of its own.
        PcieExpanderBus = "pcie-expander-bus",
    }
}

words! {
    /// The device of QEMU that a PCI controller is made of.
    ///
    /// libvirt: `virDomainControllerPCIModelName`.
    pub enum PciModelName unset "none" {
        /// For `pci-bridge`.
        PciBridge = "pci-bridge",
        /// For `dmi-to-pci-bridge`.
        I82801b11Bridge = "i82801b11-bridge",
        /// For `pcie-root-port`: Intel's.
        Ioh3420 = "ioh3420",
        /// For `pcie-switch-upstream-port`.
        X3130Upstream = "x3130-upstream",
        /// For `pcie-switch-downstream-port`.
        Xio3130Downstream = "xio3130-downstream",
        /// For `pci-expander-bus`.
        Pxb = "pxb",
        /// For `pcie-expander-bus`.
        PxbPcie = "pxb-pcie",
        /// For `pcie-root-port`: of no particular make.
        PcieRootPort = "pcie-root-port",
        /// For `pci-root` of PowerPC.
        SpaprPciHostBridge = "spapr-pci-host-bridge",
        /// For `pcie-to-pci-bridge`.
        PciePciBridge = "pcie-pci-bridge",
    }
}

/// `<target>` of a PCI controller. What is absent, completion chooses where the model has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = PciTarget::finish)]
pub struct PciTarget {
    /// Where it was written.
    pub origin: Origin,
    /// Of a `pci-bridge`: its chassis number, from 1.
    #[xml(attribute, name = "chassisNr")]
    pub chassis_nr: Option<u8>,
    /// Of a port: its chassis number.
    #[xml(attribute)]
    pub chassis: Option<u8>,
    /// Of a port: its number.
    #[xml(attribute)]
    pub port: Option<Hex<1, 0xff>>,
    /// Of an expander bus: the number of the bus, 1 to 254.
    #[xml(attribute, name = "busNr")]
    pub bus_nr: Option<u8>,
    /// Of a PowerPC host bridge: its index.
    #[xml(attribute)]
    pub index: Option<u8>,
    /// Whether devices behind it can come and go.
    #[xml(attribute)]
    pub hotplug: Option<OnOff>,
    /// How much address space is kept for devices to come, in KiB.
    #[xml(attribute, name = "memReserve")]
    pub mem_reserve: Option<std::num::NonZeroU64>,
    /// Of an expander bus or PowerPC host bridge: the guest's NUMA node.
    #[xml(text_child)]
    pub node: Option<u32>,
}

impl PciTarget {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        for (name, number, range) in
            [("busNr", self.bus_nr, 1..=254), ("index", self.index, 0..=31)]
        {
            if let Some(number) = number.filter(|number| !range.contains(number)) {
                let part = Part::Attribute(name.to_owned());
                let message = format!("'{number}' is not a value of '{name}' in <target>");
                let expected = format!("a number from {} to {}", range.start(), range.end());
                reader.push(Problem::error(el.origin(), part, message).expected(expected));
            }
        }
    }
}

/// `type='xenbus'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Xenbus {
    /// How many grant frames there may be.
    #[xml(attribute, name = "maxGrantFrames")]
    pub max_grant_frames: Option<u32>,
    /// How many event channels there may be.
    #[xml(attribute, name = "maxEventChannels")]
    pub max_event_channels: Option<u32>,
}

/// `type='nvme'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Nvme {
    /// The serial number; QEMU shows the guest 20 characters of it.
    #[xml(text_child)]
    pub serial: Option<String>,
}

/// `<driver>` of a controller.
///
/// libvirt: `virDomainControllerDefParseXML`, `virDomainControllerDriverFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Driver {
    /// Where it was written.
    pub origin: Origin,
    /// How many queues for requests (QEMU: `num_queues`).
    #[xml(attribute)]
    pub queues: Option<NonZeroU32>,
    /// How many commands a disk may have outstanding.
    #[xml(attribute)]
    pub cmd_per_lun: Option<NonZeroU32>,
    /// How many sectors a request may have.
    #[xml(attribute)]
    pub max_sectors: Option<NonZeroU32>,
    /// Whether QEMU takes requests outside of the processor's thread.
    #[xml(attribute)]
    pub ioeventfd: Option<OnOff>,
    /// The I/O thread that serves it; only virtio-scsi.
    #[xml(attribute)]
    pub iothread: Option<NonZeroU32>,
    /// Virtio options.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    /// The I/O threads that serve its queues; only virtio-scsi.
    #[xml(child)]
    pub iothreads: Option<IothreadMapping>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn the_window_for_64_bit_addresses_stands_behind_the_address_and_belongs_to_roots() {
        let text = "<controller type='pci' model='pci-root'><pcihole64>1048576</pcihole64>\
                    <alias name='ua-x'/></controller>";
        assert_eq!(
            reprint::<Controller>("controller", text).unwrap(),
            "<controller type='pci' model='pci-root'>\n  <alias name='ua-x'/>\n  \
             <pcihole64 unit='KiB'>1048576</pcihole64>\n</controller>\n"
        );
        let bridge =
            "<controller type='pci' model='pci-bridge'><pcihole64>1</pcihole64></controller>";
        let (_, problems) = read::<Controller>("controller", bridge).unwrap();
        assert_eq!(problems, ["<pcihole64> has no effect in this <controller>"]);
    }

    #[test]
    fn a_model_is_one_of_its_bus() {
        let text = "<controller type='usb' model='virtio-scsi'/>";
        let problems = reprint::<Controller>("controller", text).unwrap_err();
        assert!(problems[0].contains("expected one of: piix3-uhci"), "{problems:?}");
    }

    #[test]
    fn what_belongs_to_another_bus_has_no_effect() {
        let text = "<controller type='scsi' ports='4'><serial>7</serial></controller>";
        let (_, problems) = read::<Controller>("controller", text).unwrap();
        assert_eq!(
            problems,
            [
                "'ports' has no effect on this <controller>",
                "<serial> has no effect in this <controller>"
            ]
        );
    }

    #[test]
    fn a_bus_of_an_expander_lies_between_the_first_and_the_last() {
        let text =
            "<controller type='pci' model='pci-expander-bus'><target busNr='255'/></controller>";
        assert_eq!(
            reprint::<Controller>("controller", text).unwrap_err(),
            ["'255' is not a value of 'busNr' in <target>: expected a number from 1 to 254"]
        );
    }

    #[test]
    fn an_nvme_controller_keeps_its_serial_number() {
        let text = "<controller type='nvme' index='0'>\n  <serial>s</serial>\n</controller>\n";
        assert_eq!(reprint::<Controller>("controller", text).unwrap(), text);
    }
}
