//! Devices that encrypt for the guest.

use conf::device::DeviceKind;
use conf::device::crypto::{Crypto, CryptoBackendModel};
use serde_json::{Value, json};

use super::Builder;
use super::device::Device;

/// A device that encrypts for the guest.
///
/// libvirt: `qemuBuildCryptoCommandLine`.
pub(super) fn crypto(builder: &mut Builder<'_>, pos: usize, crypto: &Crypto) {
    builder.part(format!("crypto {pos}"), crypto.origin);
    let alias = builder.aliases.get(DeviceKind::Crypto, pos).to_owned();
    let id = format!("obj{alias}");
    let kind = match crypto.backend.model {
        CryptoBackendModel::Builtin => "cryptodev-backend-builtin",
        CryptoBackendModel::Lkcf => "cryptodev-backend-lkcf",
    };
    let mut object = json!({"qom-type": kind, "id": id});
    if let Some(queues) = crypto.backend.queues {
        object["queues"] = Value::from(queues.get());
    }
    builder.object(object);
    let mut device = Device::virtio("virtio-crypto-pci", None, crypto.driver.as_ref());
    device.set("cryptodev", id).set("id", alias);
    device.address(&crypto.info, builder);
    builder.device(device);
}
