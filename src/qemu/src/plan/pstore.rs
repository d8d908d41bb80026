//! Storage that keeps a guest's last words.

use conf::device::DeviceKind;
use conf::device::pstore::{Pstore, PstoreBackend};
use serde_json::json;

use super::device::Device;
use super::{Builder, Open};

/// The object behind it. libvirt: `qemuBuildPstoreCommandLine`.
const MEMORY: &str = "mempstore0";

/// Storage that keeps a guest's last words.
///
/// libvirt: `qemuBuildPstoreCommandLine`.
pub(super) fn pstore(builder: &mut Builder<'_>, pos: usize, pstore: &Pstore) {
    builder.part("pstore", pstore.origin);
    let alias = builder.aliases.get(DeviceKind::Pstore, pos).to_owned();
    let PstoreBackend::AcpiErst = pstore.backend;
    let Some(path) = pstore.path.as_deref().map(str::to_owned) else {
        builder.refuse("<pstore> needs <path>");
        return;
    };
    let fd = builder.fd(format!("{alias}-file"), path, Open::MemoryFile);
    let path = builder.inherited_path(fd);
    builder.object(json!({
        "qom-type": "memory-backend-file",
        "id": MEMORY,
        "mem-path": path,
        "size": pstore.size.0 << 10,
        "share": true,
    }));
    let mut device = Device::new("acpi-erst");
    device.set("id", alias).set("memdev", MEMORY);
    device.address(&pstore.info, builder);
    builder.device(device);
}
