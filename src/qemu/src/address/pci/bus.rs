//! The PCI buses of a guest, and which functions on them are taken.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use base::PciAddress;
use conf::device::DeviceKind;
use conf::device::controller::PciModel;
use xml::{Origin, Part, Problem};

use super::connect::Connect;

/// The most buses a guest has: their numbers are written in two hexadecimal digits.
pub(super) const MAX_BUSES: usize = 256;

/// What can be in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occupant {
    /// A device of the domain.
    Device(DeviceKind),
    /// What every machine of a family has built in, in words.
    BuiltIn(&'static str),
    /// Nothing: a slot is kept free for later.
    Spare,
}

impl Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(kind) => write!(f, "<{kind}>"),
            Self::BuiltIn(name) => write!(f, "the machine's {name}"),
            Self::Spare => f.write_str("a device that is added later"),
        }
    }
}

/// Who asks for a place on a bus.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    /// What it is.
    pub(super) occupant: Occupant,
    /// The element that is at fault where there is no place for it.
    pub(super) origin: Origin,
}

impl Taker {
    /// Something that every machine of a family has built in.
    pub(super) const fn built_in(name: &'static str) -> Self {
        Self { occupant: Occupant::BuiltIn(name), origin: Origin::None }
    }

    /// Nobody yet.
    pub(super) const SPARE: Self = Self { occupant: Occupant::Spare, origin: Origin::None };

    fn refused(&self, message: String) -> Problem {
        Problem::error(self.origin, Part::Name, message)
    }
}

/// One bus: what a PCI controller makes.
#[derive(Debug)]
struct Bus {
    model: PciModel,
    offers: Connect,
    first_slot: u32,
    last_slot: u32,
    /// Those in which something is.
    slots: BTreeMap<u32, Slot>,
}

/// One slot of a bus.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    takers: [Option<Taker>; 8],
    aggregate: bool,
}

impl Bus {
    fn new(model: PciModel) -> Self {
        let (offers, first_slot, last_slot) = Connect::offered_by(model);
        Self { model, offers, first_slot, last_slot, slots: BTreeMap::new() }
    }

    fn is_free(&self, slot: u32) -> bool {
        !self.slots.contains_key(&slot)
    }
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// The document, or the chipset: PCI and PCI Express are not told apart.
    Config,
    /// Found by us.
    Search,
}

/// The buses of a guest, by number.
///
/// libvirt: `virDomainPCIAddressSet` in `src/conf/domain_addr.c`.
#[derive(Debug)]
pub(super) struct Buses {
    buses: Vec<Bus>,
    /// Whether buses are added where there is no place, to find out how many are needed.
    grows: bool,
    has_pcie_to_pci_bridge: bool,
}

impl Buses {
    /// Buses made by controllers of these models. `has_pcie_to_pci_bridge` tells what connects
    /// conventional PCI devices to a PCI Express guest: that, or a `dmi-to-pci-bridge` with a
    /// `pci-bridge` behind it.
    pub(super) fn new(
        models: impl IntoIterator<Item = PciModel>,
        grows: bool,
        has_pcie_to_pci_bridge: bool,
    ) -> Self {
        Self { buses: models.into_iter().map(Bus::new).collect(), grows, has_pcie_to_pci_bridge }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.buses.len()
    }

    /// The model of the controller that makes a bus.
    pub(super) fn model(&self, bus: usize) -> PciModel {
        self.buses[bus].model
    }

    /// Whether there is a bus 0 for conventional PCI devices.
    pub(super) fn root_is_conventional(&self) -> bool {
        self.buses.first().is_some_and(|root| root.offers.contains(Connect::PCI_DEVICE))
    }

    /// Whether nothing is in a slot.
    pub(super) fn slot_is_free(&self, bus: u32, slot: u32) -> bool {
        self.buses.get(bus as usize).is_some_and(|bus| bus.is_free(slot))
    }

    /// Whether something is in every slot of every bus.
    pub(super) fn are_full(&self) -> bool {
        self.buses.iter().all(|bus| (bus.first_slot..=bus.last_slot).all(|slot| !bus.is_free(slot)))
    }

    /// Takes a function that the document, or the chipset, asks for. Where buses had to be added,
    /// the number of the bus may go up by one.
    pub(super) fn reserve(
        &mut self,
        address: &mut PciAddress,
        needs: Connect,
        taker: Taker,
    ) -> Result<(), Problem> {
        if self.grows && address.domain == 0 {
            self.grow(address, needs, taker)?;
        }
        self.take(*address, needs, taker, From::Config)
    }

    /// Finds a free function, and takes it. `function` is the one wanted in a slot that is free
    /// altogether.
    ///
    /// libvirt: `virDomainPCIAddressReserveNextAddr`.
    pub(super) fn reserve_next(
        &mut self,
        needs: Connect,
        function: Option<u32>,
        taker: Taker,
    ) -> Result<PciAddress, Problem> {
        if self.buses.is_empty() {
            return Err(no_buses(taker));
        }
        let address = match self.find(needs, function) {
            Some(address) => address,
            None if self.grows => {
                let mut address =
                    PciAddress::new(self.buses.len() as u32, 0, function.unwrap_or(0));
                self.grow(&mut address, needs, taker)?;
                address.slot = self.buses[address.bus as usize].first_slot;
                address
            }
            None => {
                let message = format!(
                    "there is no PCI slot left for {} on a bus that accepts {}",
                    taker.occupant,
                    needs.describe()
                );
                return Err(taker.refused(message).help(
                    "add a PCI controller, or leave all PCI controllers out: then as many as \
                     needed are added",
                ));
            }
        };
        self.take(address, needs, taker, From::Search)?;
        Ok(address)
    }

    fn find(&self, needs: Connect, function: Option<u32>) -> Option<PciAddress> {
        let numbered = (0..).zip(&self.buses);
        for (number, bus) in
            numbered.filter(|(number, bus)| fits(bus, *number, needs, From::Search))
        {
            for slot in bus.first_slot..=bus.last_slot {
                let found = match bus.slots.get(&slot) {
                    None => Some(function.unwrap_or(0)),
                    Some(place) if place.aggregate && needs.contains(Connect::AGGREGATE_SLOT) => {
                        let mut wanted = function.map_or(0..8, |function| function..function + 1);
                        wanted.find(|function| place.takers[*function as usize].is_none())
                    }
                    Some(_) => None,
                };
                if let Some(function) = found {
                    return Some(PciAddress::new(number, slot, function));
                }
            }
        }
        None
    }

    /// Adds buses until there is the one of `address`, such that a device that needs `needs` can be
    /// plugged into it.
    ///
    /// libvirt: `virDomainPCIAddressSetGrow`.
    fn grow(
        &mut self,
        address: &mut PciAddress,
        needs: Connect,
        taker: Taker,
    ) -> Result<(), Problem> {
        let missing = (address.bus as usize + 1).saturating_sub(self.buses.len());
        if missing == 0 {
            return Ok(());
        }
        let mut added = Vec::new();
        let model = if needs.contains(Connect::PCI_DEVICE) {
            let takes_bridges =
                self.buses.iter().any(|bus| bus.offers.contains(Connect::PCI_BRIDGE));
            if !takes_bridges {
                // A PCI Express guest gets its first conventional bus.
                added = self.way_to_conventional_pci();
                if missing == 1 {
                    address.bus += 1;
                }
            }
            PciModel::PciBridge
        } else if needs.intersects(Connect::PCIE_DEVICE | Connect::PCIE_SWITCH_UPSTREAM_PORT) {
            PciModel::PcieRootPort
        } else {
            let message = format!(
                "there is no PCI slot left for {} on a bus that accepts {}, and none can be added",
                taker.occupant,
                needs.describe()
            );
            return Err(taker.refused(message));
        };
        if address.bus as usize >= MAX_BUSES {
            let message =
                format!("{} needs a further PCI bus, beyond the last one, 0xff", taker.occupant);
            return Err(taker.refused(message));
        }
        self.buses.extend(added);
        self.buses.resize_with(address.bus as usize + 1, || Bus::new(model));
        Ok(())
    }

    /// The buses between PCI Express and a conventional bus.
    fn way_to_conventional_pci(&self) -> Vec<Bus> {
        if self.has_pcie_to_pci_bridge {
            // The port must stay free for the bridge.
            let port =
                Bus { offers: Connect::PCIE_TO_PCI_BRIDGE, ..Bus::new(PciModel::PcieRootPort) };
            vec![port, Bus::new(PciModel::PcieToPciBridge)]
        } else {
            vec![Bus::new(PciModel::DmiToPciBridge)]
        }
    }

    fn take(
        &mut self,
        address: PciAddress,
        needs: Connect,
        taker: Taker,
        from: From,
    ) -> Result<(), Problem> {
        self.check(address, needs, taker, from)?;
        let slots = &mut self.buses[address.bus as usize].slots;
        let aggregate = needs.contains(Connect::AGGREGATE_SLOT);
        let slot = slots.entry(address.slot).or_insert(Slot { aggregate, ..Slot::default() });
        let function = address.function as usize;
        if let Some(owner) = slot.takers[function] {
            // What is built in is not at fault.
            let (late, early) = match taker.origin {
                Origin::Element(_) => (taker, owner),
                Origin::None | Origin::Step(_) => (owner, taker),
            };
            let other = if late.occupant == early.occupant { "another " } else { "" };
            let message = format!("PCI address {address} is taken by {other}{}", early.occupant);
            return Err(late
                .refused(message)
                .help("leave the <address> out to have a free one chosen"));
        }
        slot.takers[function] = Some(taker);
        Ok(())
    }

    /// Whether there is such a place, and it is of the right kind.
    ///
    /// libvirt: `virDomainPCIAddressValidate`.
    fn check(
        &self,
        address: PciAddress,
        needs: Connect,
        taker: Taker,
        from: From,
    ) -> Result<(), Problem> {
        let last = self.buses.len().checked_sub(1).ok_or_else(|| no_buses(taker))?;
        let refused = |reason: String| {
            let message =
                format!("{} cannot have the PCI address {address}: {reason}", taker.occupant);
            Err(taker.refused(message))
        };
        if address.domain != 0 {
            return refused("a guest has only the PCI domain 0".to_owned());
        }
        let Some(bus) = self.buses.get(address.bus as usize) else {
            return refused(format!("the last PCI bus is {last:#04x}"));
        };
        if needs.contains(Connect::INTEGRATED) && address.bus != 0 {
            return refused("it is part of the machine and must be on bus 0".to_owned());
        }
        if !fits(bus, address.bus, needs, from) {
            return refused(format!(
                "it needs a bus that accepts {}, and bus {:#04x} is a {}",
                needs.describe(),
                address.bus,
                bus.model
            ));
        }
        if !(bus.first_slot..=bus.last_slot).contains(&address.slot) {
            return refused(if bus.first_slot == bus.last_slot {
                format!("a {} has only slot {:#04x}", bus.model, bus.first_slot)
            } else {
                format!(
                    "the slots of a {} are {:#04x} to {:#04x}",
                    bus.model, bus.first_slot, bus.last_slot
                )
            });
        }
        if address.function > 7 {
            return refused("the functions of a slot are 0 to 7".to_owned());
        }
        Ok(())
    }
}

/// Whether a device that needs `needs` can be plugged into `bus`.
///
/// libvirt: `virDomainPCIAddressFlagsCompatible`.
fn fits(bus: &Bus, number: u32, mut needs: Connect, from: From) -> bool {
    let mut offers = bus.offers;
    if needs.contains(Connect::INTEGRATED) {
        if number != 0 {
            return false;
        }
        // A root takes what is part of the machine, whatever its kind.
        offers |= Connect::ANY_PCI_SLOT;
    }
    match from {
        From::Config => {
            if offers.intersects(Connect::ENDPOINT) {
                offers |= Connect::ENDPOINT;
            }
            if needs.contains(Connect::PCI_BRIDGE) {
                needs |= Connect::PCI_DEVICE;
            }
        }
        From::Search => {
            if needs.contains(Connect::AUTO_ASSIGN) && !offers.contains(Connect::AUTO_ASSIGN) {
                return false;
            }
        }
    }
    needs.intersects(offers & Connect::KINDS)
}

fn no_buses(taker: Taker) -> Problem {
    let message = format!("{} needs PCI, and the machine has none", taker.occupant);
    taker.refused(message).help("choose a machine with PCI, such as q35")
}
