//! `<crypto>`: a device that encrypts for the guest.

use std::num::NonZeroU32;

use base::words;
use xml::{Origin, Xml};

use crate::device::virtio::VirtioOptions;
use crate::device_info::DeviceInfo;

/// A crypto device.
///
/// libvirt: `virDomainCryptoDefParseXML`, `virDomainCryptoDefFormat`. QEMU: `virtio-crypto-pci`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Crypto {
    /// Where it was written.
    pub origin: Origin,
    /// What the guest sees.
    #[xml(attribute, required)]
    pub model: CryptoModel,
    /// Who runs it.
    #[xml(attribute, name = "type", required)]
    pub kind: CryptoType,
    /// Who encrypts.
    #[xml(child, required, repeat = "error")]
    pub backend: CryptoBackend,
    /// Virtio options.
    #[xml(child)]
    pub driver: Option<VirtioOptions>,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// `<backend>` of a crypto device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct CryptoBackend {
    /// Who encrypts.
    #[xml(attribute, required)]
    pub model: CryptoBackendModel,
    /// How many queues. Absent: QEMU's 1.
    #[xml(attribute)]
    pub queues: Option<NonZeroU32>,
}

words! {
    /// What the guest sees of a crypto device.
    ///
    /// libvirt: `virDomainCryptoModel`.
    pub enum CryptoModel {
        /// A virtio device.
        Virtio = "virtio",
    }
}

words! {
    /// Who runs a crypto device.
    ///
    /// libvirt: `virDomainCryptoType`.
    pub enum CryptoType {
        /// QEMU.
        Qemu = "qemu",
    }
}

words! {
    /// Who encrypts.
    ///
    /// libvirt: `virDomainCryptoBackend`.
    pub enum CryptoBackendModel {
        /// QEMU. QEMU: `cryptodev-backend-builtin`.
        Builtin = "builtin",
        /// The host's kernel. QEMU: `cryptodev-backend-lkcf`.
        Lkcf = "lkcf",
    }
}
