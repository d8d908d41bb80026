//! A device as QEMU is told of it: `-device` and `device_add` take the same object.

use base::{PciAddress, YesNo};
use conf::address::Address;
use conf::device::virtio::{VirtioModel, VirtioOptions};
use conf::device_info::{DeviceInfo, Rom};
use serde_json::{Map, Value};

use super::argument::on_off;
use super::{Builder, Fd, Open};

/// The properties of a device, in libvirt's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Device {
    pub(super) properties: Map<String, Value>,
    /// Properties whose values are descriptors: numbers on the command line, names over QMP.
    pub(super) fds: Vec<(&'static str, Vec<Fd>)>,
    /// Where it sits, if that is a slot of a PCI bus.
    pub(super) pci: Option<PciAddress>,
}

impl Device {
    pub(super) fn new(driver: impl Into<String>) -> Self {
        let mut device = Self::default();
        device.set("driver", driver.into());
        device
    }

    /// A virtio device: the name of its generation, and the options that all of them have.
    ///
    /// libvirt: `qemuBuildVirtioDevProps`.
    pub(super) fn virtio(
        base: &str,
        model: Option<VirtioModel>,
        options: Option<&VirtioOptions>,
    ) -> Self {
        let mut device = Self::new(match model {
            None | Some(VirtioModel::Virtio) => base.to_owned(),
            Some(VirtioModel::Transitional) => format!("{base}-transitional"),
            Some(VirtioModel::NonTransitional) => format!("{base}-non-transitional"),
        });
        if let Some(options) = options {
            device.switch("iommu_platform", options.iommu);
            device.switch("ats", options.ats);
            device.switch("packed", options.packed);
            device.switch("page-per-vq", options.page_per_vq);
        }
        device
    }

    /// Sets a property.
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.properties.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a property if there is something to set it to.
    pub(super) fn maybe(&mut self, name: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.set(name, value);
        }
        self
    }

    /// Sets a boolean property.
    pub(super) fn switch(&mut self, name: &str, value: Option<impl Into<bool>>) -> &mut Self {
        self.maybe(name, value.map(Into::<bool>::into))
    }

    /// Sets a property of QEMU's type `OnOffAuto`, which is a text.
    pub(super) fn on_off(&mut self, name: &str, value: Option<impl Into<bool>>) -> &mut Self {
        self.maybe(name, value.map(|value| on_off(value.into())))
    }

    /// Sets a property to descriptors.
    pub(super) fn descriptors(&mut self, name: &'static str, fds: Vec<Fd>) -> &mut Self {
        self.set(name, Value::Null);
        self.fds.push((name, fds));
        self
    }

    /// A property that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_str()
    }

    /// The driver.
    pub(super) fn driver(&self) -> &str {
        self.text("driver").expect("every device is made with a driver")
    }

    /// Sets what is said of the option ROM; QEMU gets a copy of its file in memory.
    pub(super) fn rom(
        &mut self,
        rom: Option<&Rom>,
        name: &str,
        builder: &mut Builder<'_>,
    ) -> &mut Self {
        let Some(rom) = rom else { return self };
        if rom.enabled == Some(YesNo::No) {
            return self.set("romfile", "");
        }
        self.maybe("rombar", rom.bar.map(|bar| u32::from(bool::from(bar))));
        match rom.file.as_deref() {
            None => {}
            Some("") => {
                self.set("romfile", "");
            }
            Some(file) => {
                let fd = builder.fd(name, file, Open::MemfdCopy);
                self.set("romfile", builder.inherited_path(fd));
            }
        }
        self
    }

    /// Sets the properties that say where the guest finds the device.
    ///
    /// libvirt: `qemuBuildDeviceAddressProps`. Places on disk controllers are the disk's own matter.
    pub(super) fn address(&mut self, info: &DeviceInfo, builder: &Builder<'_>) -> &mut Self {
        match &info.address {
            Some(Address::Pci(pci)) => {
                if let Some(at) = pci.assigned() {
                    self.pci = Some(at);
                    self.set("bus", builder.aliases.pci_bus(at.bus));
                    self.switch("multifunction", pci.multifunction);
                    self.set("addr", slot(at));
                    self.maybe("acpi-index", info.acpi_index.map(u32::from));
                }
            }
            Some(Address::Usb(usb)) => {
                self.set("bus", format!("{}.0", builder.aliases.usb(usb.bus)));
                self.maybe("port", usb.port.as_ref().map(base::Value::to_text));
            }
            Some(Address::VirtioSerial(port)) => {
                let controller = builder.aliases.virtio_serial(port.controller);
                self.set("bus", format!("{controller}.{}", port.bus));
                self.set("nr", port.port);
            }
            Some(Address::Ccid(ccid)) => {
                self.set("bus", format!("{}.0", builder.aliases.ccid(ccid.controller)));
            }
            Some(Address::Isa(isa)) => {
                self.maybe("iobase", isa.iobase.map(|hex| hex.0));
                self.maybe("irq", isa.irq.map(|hex| hex.0).filter(|irq| *irq != 0));
            }
            Some(Address::Dimm(dimm)) => {
                self.set("slot", dimm.slot);
                self.maybe("addr", dimm.base.map(|hex| hex.0).filter(|base| *base != 0));
            }
            _ => {}
        }
        self
    }
}

/// How a slot and function are written for QEMU: `0x1d`, `0x1d.0x7`.
fn slot(at: PciAddress) -> String {
    match at.function {
        0 => format!("{:#x}", at.slot),
        function => format!("{:#x}.{function:#x}", at.slot),
    }
}
