//! `<address>` of a device: where on which bus the guest finds it.

use std::fmt::Write;

use base::{BadValue, Datatype, OnOff, PciAddress, Value, value::parse_any_base};
use xml::{Origin, Xml};

/// Where the guest finds a device.
///
/// libvirt: `virDomainDeviceAddressType`, `src/conf/device_conf.c`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type")]
pub enum Address {
    /// A slot of a PCI bus.
    #[xml(word = "pci")]
    Pci(Pci),
    /// A place on a disk controller.
    #[xml(word = "drive")]
    Drive(Drive),
    /// A port of a virtio-serial controller.
    #[xml(word = "virtio-serial")]
    VirtioSerial(VirtioSerial),
    /// A slot of a smartcard reader.
    #[xml(word = "ccid")]
    Ccid(Ccid),
    /// A port of a USB bus.
    #[xml(word = "usb")]
    Usb(Usb),
    /// A register of a PowerPC bus.
    #[xml(word = "spapr-vio")]
    SpaprVio(SpaprVio),
    /// A virtio device of old s390 machines.
    #[xml(word = "virtio-s390")]
    VirtioS390,
    /// A channel of an s390 machine.
    #[xml(word = "ccw")]
    Ccw(Ccw),
    /// A memory-mapped virtio device.
    #[xml(word = "virtio-mmio")]
    VirtioMmio,
    /// Ports and interrupt of an ISA device.
    #[xml(word = "isa")]
    Isa(Isa),
    /// A memory slot.
    #[xml(word = "dimm")]
    Dimm(Dimm),
    /// Not in the guest, though detached from the host.
    #[xml(word = "unassigned")]
    Unassigned,
}

impl Address {
    /// The PCI address, where there is one that says more than "somewhere on a PCI bus".
    pub fn pci(&self) -> Option<PciAddress> {
        match self {
            Self::Pci(pci) => pci.assigned(),
            _ => None,
        }
    }

    /// The place on a disk controller.
    pub fn drive(&self) -> Option<&Drive> {
        match self {
            Self::Drive(drive) => Some(drive),
            _ => None,
        }
    }

    /// The port of a USB bus.
    pub fn usb(&self) -> Option<&Usb> {
        match self {
            Self::Usb(usb) => Some(usb),
            _ => None,
        }
    }
}

/// A number that is written `0x` and at least `WIDTH` hexadecimal digits, and read in any base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const WIDTH: usize, const MAX: u64>(pub u64);

impl<const WIDTH: usize, const MAX: u64> Value for Hex<WIDTH, MAX> {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        parse_any_base(text)
            .filter(|number| *number <= MAX)
            .map(|number| Some(Self(number)))
            .ok_or_else(|| BadValue::new(format!("a number from 0 to {MAX:#x}")))
    }

    fn write(&self, out: &mut String) {
        write!(out, "0x{:0WIDTH$x}", self.0).expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("0[xX][0-9a-fA-F]+|[0-9]+")
    }
}

/// A number that is written in decimal, and read in any base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnyBase<const MAX: u64>(pub u64);

impl<const MAX: u64> Value for AnyBase<MAX> {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        Hex::<1, MAX>::parse(text).map(|number| number.map(|hex| Self(hex.0)))
    }

    fn write(&self, out: &mut String) {
        write!(out, "{}", self.0).expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Hex::<1, MAX>::datatype()
    }
}

/// `type='pci'`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Pci {
    /// Where it was written.
    pub origin: Origin,
    /// 0 on every guest that QEMU runs.
    #[xml(attribute, print_if = Pci::is_assigned)]
    pub domain: Hex<4, 0xffff_ffff>,
    /// The number of the bus, which is the index of its controller.
    #[xml(attribute, print_if = Pci::is_assigned)]
    pub bus: Hex<2, 0xff>,
    /// The slot on the bus.
    #[xml(attribute, print_if = Pci::is_assigned)]
    pub slot: Hex<2, 0x1f>,
    /// The function in the slot.
    #[xml(attribute, print_if = Pci::is_assigned)]
    pub function: Hex<1, 7>,
    /// The numbers that a device has besides on s390.
    #[xml(child)]
    pub zpci: Option<Zpci>,
    /// Whether function 0 says that the slot has further functions. Absent: off, unless completion
    /// finds further functions.
    #[xml(attribute)]
    pub multifunction: Option<OnOff>,
}

impl Pci {
    /// An address without anything besides.
    pub fn new(address: PciAddress) -> Self {
        let mut new = Self::default();
        new.set(address);
        new
    }

    /// Whether it says where: slot 0 of bus 0 stands for "anywhere".
    ///
    /// libvirt: `virPCIDeviceAddressIsEmpty`.
    pub fn is_assigned(&self) -> bool {
        self.domain.0 != 0 || self.bus.0 != 0 || self.slot.0 != 0
    }

    /// The address, unless it stands for "anywhere".
    pub fn assigned(&self) -> Option<PciAddress> {
        self.is_assigned().then_some(PciAddress {
            domain: self.domain.0 as u32,
            bus: self.bus.0 as u32,
            slot: self.slot.0 as u32,
            function: self.function.0 as u32,
        })
    }

    /// Replaces domain, bus, slot and function.
    pub fn set(&mut self, address: PciAddress) {
        self.domain = Hex(address.domain.into());
        self.bus = Hex(address.bus.into());
        self.slot = Hex(address.slot.into());
        self.function = Hex(address.function.into());
    }
}

/// `<zpci>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Zpci {
    /// Where it was written.
    pub origin: Origin,
    /// The number that the user gives.
    #[xml(attribute)]
    pub uid: Option<Hex<4, 0xffff>>,
    /// The number that the machine gives.
    #[xml(attribute)]
    pub fid: Option<Hex<8, 0xffff_ffff>>,
}

/// `type='drive'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Drive {
    /// The index of the controller.
    #[xml(attribute)]
    pub controller: u32,
    /// The bus of the controller.
    #[xml(attribute)]
    pub bus: u32,
    /// The SCSI target; 0 elsewhere.
    #[xml(attribute)]
    pub target: u32,
    /// The unit on the bus, or of the target.
    #[xml(attribute)]
    pub unit: u32,
}

/// `type='virtio-serial'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct VirtioSerial {
    /// The index of the controller.
    #[xml(attribute)]
    pub controller: u32,
    /// Always 0.
    #[xml(attribute)]
    pub bus: u32,
    /// The port; 0 stands for "any" on a channel.
    #[xml(attribute)]
    pub port: u32,
}

/// `type='ccid'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Ccid {
    /// The index of the controller.
    #[xml(attribute)]
    pub controller: u32,
    /// The slot of the reader.
    #[xml(attribute)]
    pub slot: u32,
}

/// `type='usb'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Usb {
    /// The index of the controller.
    #[xml(attribute)]
    pub bus: u32,
    /// The port, and those of the hubs before it: `1.2`.
    #[xml(attribute)]
    pub port: Option<UsbPort>,
}

/// A port of a USB bus: `1`, or `1.2` for port 2 of the hub at port 1; at most four deep.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsbPort(pub Vec<u32>);

impl UsbPort {
    /// How many hubs deep a port can be, itself included (libvirt: `VIR_DOMAIN_DEVICE_USB_MAX_PORT_DEPTH`).
    pub const MAX_DEPTH: usize = 4;
}

impl Value for UsbPort {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let bad = || BadValue::new("a port such as 1, or 1.2 behind a hub, at most four deep");
        let ports: Vec<u32> = text
            .split('.')
            .map(|port| port.parse::<u32>().map_err(|_| bad()))
            .collect::<Result<_, _>>()?;
        if ports.len() > Self::MAX_DEPTH {
            return Err(bad());
        }
        Ok(Some(Self(ports)).filter(|port| port.0 != [0]))
    }

    fn write(&self, out: &mut String) {
        let ports: Vec<String> = self.0.iter().map(u32::to_string).collect();
        out.push_str(&ports.join("."));
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("[0-9]+(\\.[0-9]+){0,3}")
    }
}

/// `type='spapr-vio'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct SpaprVio {
    /// The register.
    #[xml(attribute)]
    pub reg: Option<Hex<8, { u64::MAX }>>,
}

/// `type='ccw'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Ccw {
    /// The channel subsystem.
    #[xml(attribute)]
    pub cssid: Option<Hex<1, 254>>,
    /// The subchannel set.
    #[xml(attribute)]
    pub ssid: Option<Hex<1, 3>>,
    /// The device number.
    #[xml(attribute)]
    pub devno: Option<Hex<4, 65535>>,
}

/// `type='isa'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Isa {
    /// The first port.
    #[xml(attribute)]
    pub iobase: Option<Hex<1, 0xffff_ffff>>,
    /// The interrupt.
    #[xml(attribute)]
    pub irq: Option<Hex<1, 0xffff_ffff>>,
}

/// `type='dimm'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Dimm {
    /// The slot.
    #[xml(attribute)]
    pub slot: u32,
    /// The guest's physical address. Absent: QEMU chooses.
    #[xml(attribute)]
    pub base: Option<Hex<1, { u64::MAX }>>,
}
