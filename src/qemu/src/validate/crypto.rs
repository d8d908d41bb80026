//! Devices that encrypt for the guest.
//!
//! libvirt: `qemuValidateDomainDeviceDefCrypto`.

use conf::device::crypto::CryptoBackendModel;

use super::{Check, Rule};

pub(super) const RULES: &[Rule] =
    &[Rule::new("crypto-backend-is-there", "some QEMUs are built without the kernel's", backend)];

fn backend(check: &mut Check<'_>) {
    for crypto in &check.domain.devices.cryptos {
        if crypto.backend.model == CryptoBackendModel::Lkcf {
            check.need_type("cryptodev-backend-lkcf", crypto.origin, "encryption by the kernel");
        }
    }
}
