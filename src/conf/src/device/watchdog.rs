//! `<watchdog>`: a device that acts when the guest no longer winds it up.

use base::words;
use xml::{Origin, Xml};

use crate::device_info::DeviceInfo;

/// A watchdog.
///
/// libvirt: `virDomainWatchdogDefParseXML`, `virDomainWatchdogDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Watchdog {
    /// Where it was written.
    pub origin: Origin,
    /// What the guest sees.
    #[xml(attribute, required)]
    pub model: WatchdogModel,
    /// What happens when it runs down. The same for all watchdogs of a guest.
    #[xml(attribute)]
    pub action: WatchdogAction,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

words! {
    /// What the guest sees of a watchdog.
    ///
    /// libvirt: `virDomainWatchdogModel`.
    pub enum WatchdogModel {
        /// Intel's 6300ESB on a PCI bus.
        I6300esb = "i6300esb",
        /// iBase's 700 on the ISA bus.
        Ib700 = "ib700",
        /// That of s390.
        Diag288 = "diag288",
        /// The one in the chipset of a q35 machine.
        Itco = "itco",
    }
}

words! {
    /// What happens when a watchdog runs down.
    ///
    /// libvirt: `virDomainWatchdogAction`. QEMU: `-action watchdog=`.
    pub enum WatchdogAction {
        /// The guest is reset.
        Reset = "reset",
        /// It is asked to shut down.
        Shutdown = "shutdown",
        /// Its power is cut.
        Poweroff = "poweroff",
        /// It stops.
        Pause = "pause",
        /// It stops, its memory is dumped, and it is reset.
        Dump = "dump",
        /// Nothing.
        None = "none",
        /// It gets a non-maskable interrupt.
        InjectNmi = "inject-nmi",
    }
}
