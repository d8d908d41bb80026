//! What a device needs of a PCI bus, and what a bus offers.

use bitflags::bitflags;
use conf::device::controller::PciModel;

bitflags! {
    /// The kinds of things that can be plugged into a PCI bus, and how.
    ///
    /// Of a device: what it is; it fits where a bus offers one of its kinds. Of a bus: what it
    /// offers.
    ///
    /// libvirt: `virDomainPCIConnectFlags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Connect: u16 {
        /// A conventional PCI device.
        const PCI_DEVICE = 1 << 0;
        /// A PCI Express device.
        const PCIE_DEVICE = 1 << 1;
        /// A `pci-bridge`.
        const PCI_BRIDGE = 1 << 2;
        /// A `dmi-to-pci-bridge`.
        const DMI_TO_PCI_BRIDGE = 1 << 3;
        /// A `pcie-to-pci-bridge`.
        const PCIE_TO_PCI_BRIDGE = 1 << 4;
        /// A `pcie-root-port`.
        const PCIE_ROOT_PORT = 1 << 5;
        /// A `pcie-switch-upstream-port`.
        const PCIE_SWITCH_UPSTREAM_PORT = 1 << 6;
        /// A `pcie-switch-downstream-port`.
        const PCIE_SWITCH_DOWNSTREAM_PORT = 1 << 7;
        /// A `pci-expander-bus`.
        const PCI_EXPANDER_BUS = 1 << 8;
        /// A `pcie-expander-bus`.
        const PCIE_EXPANDER_BUS = 1 << 9;
        /// Of a device: it only goes to a bus that offers the same. Of a bus: devices without an
        /// address may come here.
        const AUTO_ASSIGN = 1 << 10;
        /// Of a device: it belongs on bus 0, as if it were part of the chipset.
        const INTEGRATED = 1 << 11;
        /// Of a device: several of its kind may share a slot.
        const AGGREGATE_SLOT = 1 << 12;

        /// Any kind of endpoint.
        const ENDPOINT = Self::PCI_DEVICE.bits() | Self::PCIE_DEVICE.bits();
        /// A conventional PCI device without an address.
        const ANY_PCI_SLOT = Self::PCI_DEVICE.bits() | Self::AUTO_ASSIGN.bits();
        /// A PCI Express device without an address.
        const ANY_PCIE_SLOT = Self::PCIE_DEVICE.bits() | Self::AUTO_ASSIGN.bits();
        /// Everything that must be shared for a device to fit, as opposed to how it is plugged in.
        const KINDS = (1 << 10) - 1;
    }
}

impl Connect {
    /// What a PCI controller needs of the bus that it is plugged into; the roots need none.
    ///
    /// libvirt: `virDomainPCIControllerModelToConnectType`.
    pub(super) fn of_controller(model: PciModel) -> Self {
        match model {
            PciModel::PciRoot | PciModel::PcieRoot => Self::empty(),
            PciModel::PciBridge => Self::PCI_BRIDGE,
            PciModel::DmiToPciBridge => Self::DMI_TO_PCI_BRIDGE,
            PciModel::PcieToPciBridge => Self::PCIE_TO_PCI_BRIDGE,
            PciModel::PcieRootPort => Self::PCIE_ROOT_PORT | Self::AGGREGATE_SLOT,
            PciModel::PcieSwitchUpstreamPort => Self::PCIE_SWITCH_UPSTREAM_PORT,
            PciModel::PcieSwitchDownstreamPort => Self::PCIE_SWITCH_DOWNSTREAM_PORT,
            PciModel::PciExpanderBus => Self::PCI_EXPANDER_BUS,
            PciModel::PcieExpanderBus => Self::PCIE_EXPANDER_BUS,
        }
    }

    /// What a bus offers that a controller of this model makes, and its slots, first and last.
    ///
    /// libvirt: `virDomainPCIAddressBusSetModel`.
    pub(super) fn offered_by(model: PciModel) -> (Self, u32, u32) {
        let conventional = Self::PCI_DEVICE | Self::PCI_BRIDGE;
        match model {
            PciModel::PciRoot => (conventional | Self::PCI_EXPANDER_BUS | Self::AUTO_ASSIGN, 1, 31),
            PciModel::PciBridge | PciModel::PcieToPciBridge => {
                (conventional | Self::AUTO_ASSIGN, 1, 31)
            }
            PciModel::PciExpanderBus => (conventional | Self::AUTO_ASSIGN, 0, 31),
            PciModel::DmiToPciBridge => (conventional, 0, 31),
            PciModel::PcieRoot => (
                Self::PCIE_DEVICE
                    | Self::PCIE_ROOT_PORT
                    | Self::DMI_TO_PCI_BRIDGE
                    | Self::PCIE_EXPANDER_BUS,
                1,
                31,
            ),
            PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort => (
                Self::PCIE_DEVICE
                    | Self::PCIE_SWITCH_UPSTREAM_PORT
                    | Self::PCIE_TO_PCI_BRIDGE
                    | Self::AUTO_ASSIGN,
                0,
                0,
            ),
            PciModel::PcieSwitchUpstreamPort => (Self::PCIE_SWITCH_DOWNSTREAM_PORT, 0, 31),
            PciModel::PcieExpanderBus => (Self::PCIE_ROOT_PORT | Self::DMI_TO_PCI_BRIDGE, 0, 31),
        }
    }

    /// What a bus must offer for a device of this kind, in words.
    pub(super) fn describe(self) -> &'static str {
        const WORDS: [(Connect, &str); 10] = [
            (Connect::PCI_DEVICE, "conventional PCI devices"),
            (Connect::PCIE_DEVICE, "PCI Express devices"),
            (Connect::PCIE_ROOT_PORT, "a pcie-root-port"),
            (Connect::PCIE_SWITCH_UPSTREAM_PORT, "a pcie-switch-upstream-port"),
            (Connect::PCIE_SWITCH_DOWNSTREAM_PORT, "a pcie-switch-downstream-port"),
            (Connect::DMI_TO_PCI_BRIDGE, "a dmi-to-pci-bridge"),
            (Connect::PCIE_TO_PCI_BRIDGE, "a pcie-to-pci-bridge"),
            (Connect::PCI_EXPANDER_BUS, "a pci-expander-bus"),
            (Connect::PCIE_EXPANDER_BUS, "a pcie-expander-bus"),
            (Connect::PCI_BRIDGE, "a pci-bridge"),
        ];
        WORDS.iter().find(|(kind, _)| self.contains(*kind)).map_or("nothing", |(_, words)| words)
    }
}
