//! Sources of random numbers.

use conf::device::DeviceKind;
use conf::device::rng::{Rng, RngBackend};
use serde_json::json;

use super::device::Device;
use super::source::{Words, chardev};
use super::{Access, Builder, Open};

/// The length of a period in milliseconds where a rate names none.
const PERIOD: u32 = 1000;

/// A source of random numbers.
///
/// libvirt: `qemuBuildRNGCommandLine`.
pub(super) fn rng(builder: &mut Builder<'_>, pos: usize, rng: &Rng) {
    builder.part(format!("rng {pos}"), rng.origin);
    let alias = builder.aliases.get(DeviceKind::Rng, pos).to_owned();
    let id = format!("obj{alias}");
    match &rng.backend {
        RngBackend::Builtin => builder.object(json!({"qom-type": "rng-builtin", "id": id})),
        RngBackend::Random(random) => {
            let path = random.path.clone().unwrap_or_else(|| "/dev/random".to_owned());
            let open = Open::File { access: Access::Ro, direct: false };
            let fd = builder.fd(format!("{alias}-source"), path, open);
            let path = builder.fdset(vec![fd]);
            builder.object(json!({"qom-type": "rng-random", "id": id, "filename": path}));
        }
        RngBackend::Egd(source) => {
            let Some(chardev) = chardev(builder, &alias, source, Words::USUAL, None) else {
                return;
            };
            let name = chardev.id.clone();
            builder.chardev(chardev);
            builder.object(json!({"qom-type": "rng-egd", "id": id, "chardev": name}));
        }
    }
    let mut device = Device::virtio("virtio-rng-pci", Some(rng.model), rng.driver.as_ref());
    device.set("rng", id).set("id", alias);
    if let Some(bytes) = rng.rate.as_ref().and_then(|rate| rate.bytes) {
        let period = rng.rate.as_ref().and_then(|rate| rate.period).map_or(PERIOD, u32::from);
        device.set("max-bytes", bytes.get()).set("period", period);
    }
    device.address(&rng.info, builder);
    builder.device(device);
}
