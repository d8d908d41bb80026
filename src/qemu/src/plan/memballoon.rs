//! The memory balloon.

use conf::device::{DeviceKind, Memballoon};
use serde_json::json;

use super::device::Device;
use super::{Builder, memory};

/// The balloon, and how much it leaves the guest.
///
/// libvirt: `qemuBuildMemballoonCommandLine`, `qemuProcessRefreshBalloonState`.
pub(super) fn memballoon(builder: &mut Builder<'_>, _pos: usize, balloon: &Memballoon) {
    builder.part("memballoon", balloon.origin);
    let Some(model) = balloon.virtio() else {
        if balloon.is_there() {
            builder.refuse(format!("QEMU has no memory balloon of model '{}'", balloon.model));
        }
        return;
    };
    let alias = builder.aliases.get(DeviceKind::Memballoon, 0).to_owned();
    let mut device = Device::virtio("virtio-balloon-pci", Some(model), balloon.driver.as_ref());
    device.set("id", alias.as_str());
    device.switch("deflate-on-oom", balloon.autodeflate);
    device.switch("free-page-reporting", balloon.free_page_reporting);
    device.address(&balloon.info, builder);
    builder.device(device);
    if let Some(period) = balloon.stats_period {
        let path = format!("/machine/peripheral/{alias}");
        builder.afterwards(
            "qom-set",
            json!({
                "path": path, "property": "guest-stats-polling-interval", "value": period.0.get(),
            }),
        );
    }
    let current = builder.domain.current_memory.map(|current| current.0);
    if let Some(current) = current.filter(|current| *current < memory::initial(builder.domain)) {
        builder.afterwards("balloon", json!({"value": current << 10}));
    }
}
