//! Memory shared with other guests.

use conf::device::DeviceKind;
use conf::device::shmem::{Shmem, ShmemModel, ShmemRole};
use serde_json::json;

use super::chardev::{Backend, Chardev, Socket, SocketAddress};
use super::device::Device;
use super::{Builder, Open};

/// Where memory lies that guests share by its name alone.
const DIRECTORY: &str = "/dev/shm";

/// The name under which libvirt looks for a server of which no path is said.
///
/// libvirt: `qemuDomainPrepareShmemChardev`.
fn server(name: &str) -> String {
    format!("/var/lib/libvirt/shmem-{name}-sock")
}

/// Memory shared with other guests.
///
/// libvirt: `qemuBuildShmemCommandLine`.
pub(super) fn shmem(builder: &mut Builder<'_>, pos: usize, shmem: &Shmem) {
    builder.part(format!("shared memory {}", shmem.name), shmem.origin);
    let alias = builder.aliases.get(DeviceKind::Shmem, pos).to_owned();
    let mut device = match shmem.model {
        ShmemModel::IvshmemPlain => plain(builder, shmem, &alias),
        ShmemModel::IvshmemDoorbell => doorbell(builder, shmem, &alias),
        ShmemModel::Ivshmem => {
            let refused = builder.refuse("QEMU has had no device 'ivshmem' since version 4.0");
            refused.expected = Some("model ivshmem-plain or ivshmem-doorbell".to_owned());
            return;
        }
    };
    device.address(&shmem.info, builder);
    builder.device(device);
}

fn plain(builder: &mut Builder<'_>, shmem: &Shmem, alias: &str) -> Device {
    let id = format!("shmmem-{alias}");
    let path = format!("{DIRECTORY}/{}", shmem.name);
    let fd = builder.fd(format!("{alias}-memory"), path, Open::MemoryFile);
    let path = builder.inherited_path(fd);
    builder.object(json!({
        "qom-type": "memory-backend-file",
        "id": id,
        "mem-path": path,
        "size": shmem.size.map_or(0, |size| size.0.get()),
        "share": true,
    }));
    let mut device = Device::new("ivshmem-plain");
    device.set("id", alias).set("memdev", id);
    device.on_off("master", shmem.role.map(|role| role == ShmemRole::Master));
    device
}

/// Its memory comes from a server, which must be there before the guest is started.
fn doorbell(builder: &mut Builder<'_>, shmem: &Shmem, alias: &str) -> Device {
    let path = shmem.server.as_ref().and_then(|server| server.path.as_deref());
    let path = path.map_or_else(|| server(&shmem.name), str::to_owned);
    let fd = builder.fd(format!("{alias}-server"), path, Open::ConnectUnix);
    let chardev = format!("char{alias}");
    let socket = Socket::connected(SocketAddress::Fd(Box::new(fd)));
    builder.chardev(Chardev::new(chardev.clone(), Backend::Socket(socket)));
    let mut device = Device::new("ivshmem-doorbell");
    device.set("id", alias).set("chardev", chardev);
    device.on_off("master", shmem.role.map(|role| role == ShmemRole::Master));
    let msi = shmem.msi.as_ref();
    device.maybe("vectors", msi.and_then(|msi| msi.vectors.map(u32::from)));
    device.switch("ioeventfd", msi.and_then(|msi| msi.ioeventfd));
    device
}
