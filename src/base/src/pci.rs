//! Addresses of PCI functions.

use std::fmt::{self, Display};

/// Domain, bus, slot and function of a PCI device, in the guest or on the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// 0 to 0xffffffff on hosts; a guest has only domain 0.
    pub domain: u32,
    /// 0 to 255.
    pub bus: u32,
    /// 0 to 31.
    pub slot: u32,
    /// 0 to 7.
    pub function: u32,
}

impl PciAddress {
    /// An address in domain 0.
    pub const fn new(bus: u32, slot: u32, function: u32) -> Self {
        Self { domain: 0, bus, slot, function }
    }
}

impl Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, slot, function } = self;
        write!(f, "{domain:04x}:{bus:02x}:{slot:02x}.{function:x}")
    }
}
