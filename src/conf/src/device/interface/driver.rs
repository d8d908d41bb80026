//! `<driver>` of a virtio interface: how it is served, and what it offers.

use std::num::NonZeroU32;

use base::{OnOff, words};
use xml::{El, Origin, Reader, Xml};

use crate::device::virtio::VirtioOptions;

/// `<driver>` of a virtio interface. What is absent is QEMU's default, unless said otherwise.
///
/// libvirt: `virDomainNetDefParseXML`, `virDomainVirtioNetDriverFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Driver::finish)]
pub struct Driver {
    /// Where it was written.
    pub origin: Origin,
    /// Who moves the packets. Absent: the kernel if it can, else QEMU.
    #[xml(attribute)]
    pub name: Option<DriverName>,
    /// When packets are sent (QEMU: `tx`).
    #[xml(attribute)]
    pub txmode: Option<TransmitMode>,
    /// Whether QEMU hears of packets outside of the processor's thread.
    #[xml(attribute)]
    pub ioeventfd: Option<OnOff>,
    /// Whether the guest can say from which packet on it wants to hear.
    #[xml(attribute)]
    pub event_idx: Option<OnOff>,
    /// How many pairs of queues; one goes without saying.
    #[xml(attribute)]
    pub queues: Option<NonZeroU32>,
    /// How many packets a receive queue holds: a power of two.
    #[xml(attribute)]
    pub rx_queue_size: Option<NonZeroU32>,
    /// How many packets a send queue holds: a power of two.
    #[xml(attribute)]
    pub tx_queue_size: Option<NonZeroU32>,
    /// Whether receive queues are chosen by a hash of the packet.
    #[xml(attribute)]
    pub rss: Option<OnOff>,
    /// Whether the guest is told that hash.
    #[xml(attribute)]
    pub rss_hash_report: Option<OnOff>,
    /// Virtio options.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    /// What the host offers the guest.
    #[xml(child)]
    pub host: HostOffloads,
    /// What the guest may offer the host.
    #[xml(child)]
    pub guest: GuestOffloads,
}

impl Driver {
    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        self.queues.take_if(|queues| queues.get() == 1);
    }
}

words! {
    /// Who moves the packets.
    ///
    /// libvirt: `virDomainNetDriverType`.
    pub enum DriverName {
        /// QEMU.
        Qemu = "qemu",
        /// The kernel.
        Vhost = "vhost",
    }
}

words! {
    /// When packets are sent.
    ///
    /// libvirt: `virDomainNetVirtioTxModeType`.
    pub enum TransmitMode {
        /// By QEMU's main loop (QEMU: `bh`).
        Iothread = "iothread",
        /// After a while, to send several at once.
        Timer = "timer",
    }
}

/// `<host>`: what the host offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct HostOffloads {
    /// Checksums (QEMU: `csum`).
    #[xml(attribute)]
    pub csum: Option<OnOff>,
    /// Segmentation of any kind (QEMU: `gso`).
    #[xml(attribute)]
    pub gso: Option<OnOff>,
    /// Segmentation of TCP over IPv4 (QEMU: `host_tso4`).
    #[xml(attribute)]
    pub tso4: Option<OnOff>,
    /// Segmentation of TCP over IPv6 (QEMU: `host_tso6`).
    #[xml(attribute)]
    pub tso6: Option<OnOff>,
    /// Congestion marks with segmentation (QEMU: `host_ecn`).
    #[xml(attribute)]
    pub ecn: Option<OnOff>,
    /// Fragmentation of UDP (QEMU: `host_ufo`).
    #[xml(attribute)]
    pub ufo: Option<OnOff>,
    /// Buffers that several packets share (QEMU: `mrg_rxbuf`).
    #[xml(attribute)]
    pub mrg_rxbuf: Option<OnOff>,
}

/// `<guest>`: what the guest may offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct GuestOffloads {
    /// Checksums (QEMU: `guest_csum`).
    #[xml(attribute)]
    pub csum: Option<OnOff>,
    /// Segmentation of TCP over IPv4 (QEMU: `guest_tso4`).
    #[xml(attribute)]
    pub tso4: Option<OnOff>,
    /// Segmentation of TCP over IPv6 (QEMU: `guest_tso6`).
    #[xml(attribute)]
    pub tso6: Option<OnOff>,
    /// Congestion marks with segmentation (QEMU: `guest_ecn`).
    #[xml(attribute)]
    pub ecn: Option<OnOff>,
    /// Fragmentation of UDP (QEMU: `guest_ufo`).
    #[xml(attribute)]
    pub ufo: Option<OnOff>,
}
