//! What the guest starts from: the boot order, a kernel of the host, tables for the firmware.

use conf::Domain;
use conf::device::disk::DiskDevice;
use conf::os::{AcpiTableKind, BootDevice};

use super::argument::Argument;
use super::{Builder, Open};

/// `-boot`, `-kernel` and what goes with it, `-acpitable`.
///
/// libvirt: `qemuBuildBootCommandLine`.
pub(super) fn boot(builder: &mut Builder<'_>) {
    let os = &builder.domain.os;
    builder.part("boot", os.origin);
    let mut boot = Argument::new("");
    if let Some(menu) = &os.bootmenu {
        boot.switch("menu", menu.enable);
        boot.maybe("splash-time", menu.timeout.filter(|timeout| *timeout > 0));
    }
    boot.maybe("reboot-timeout", os.bios.as_ref().and_then(|bios| bios.reboot_timeout));
    boot.add("strict", "on");
    builder.argument("boot", boot.into_text());
    for (name, path) in [("kernel", &os.kernel), ("initrd", &os.initrd)] {
        copied(builder, name, path.as_deref());
    }
    if let Some(cmdline) = &os.cmdline {
        builder.argument("append", cmdline.0.clone());
    }
    for (name, path) in [("shim", &os.shim), ("dtb", &os.dtb)] {
        copied(builder, name, path.as_deref());
    }
    for (at, table) in os.acpi_tables.iter().enumerate() {
        let fd = builder.fd(format!("acpi-table{at}"), table.path.clone(), Open::MemfdCopy);
        let mut argument = Argument::new("");
        argument.maybe(
            "sig",
            match table.kind {
                AcpiTableKind::Slic => Some("SLIC"),
                AcpiTableKind::Msdm => Some("MSDM"),
                AcpiTableKind::Raw | AcpiTableKind::Rawset => None,
            },
        );
        argument.add("file", builder.inherited_path(fd));
        builder.argument("acpitable", argument.into_text());
    }
}

/// When the firmware tries a disk, from 1: as the disk says, or as `<boot dev>` says of the first
/// disk of its kind.
///
/// libvirt: `qemuProcessPrepareDeviceBootorder`.
pub(super) fn of_disk(domain: &Domain, pos: usize) -> Option<u32> {
    let disks = &domain.devices.disks;
    let kind = |device: DiskDevice| match device {
        DiskDevice::Cdrom => BootDevice::Cdrom,
        DiskDevice::Floppy => BootDevice::Fd,
        DiskDevice::Disk | DiskDevice::Lun => BootDevice::Hd,
    };
    let wanted = kind(disks[pos].device);
    let is_first = disks.iter().position(|disk| kind(disk.device) == wanted) == Some(pos);
    let own = disks[pos].info.boot_order();
    own.or_else(|| place(domain, wanted).filter(|_| is_first))
}

/// When the firmware tries an interface, from 1.
pub(super) fn of_interface(domain: &Domain, pos: usize) -> Option<u32> {
    let own = domain.devices.interfaces[pos].info.boot_order();
    own.or_else(|| place(domain, BootDevice::Network).filter(|_| pos == 0))
}

/// The place of a kind of device in `<boot dev>`.
fn place(domain: &Domain, kind: BootDevice) -> Option<u32> {
    (1..).zip(&domain.os.boot_devices).find(|(_, device)| **device == kind).map(|(place, _)| place)
}

/// An option for a small file of the host, of which QEMU gets a copy in memory.
fn copied(builder: &mut Builder<'_>, option: &'static str, path: Option<&str>) {
    if let Some(path) = path {
        let fd = builder.fd(option, path, Open::MemfdCopy);
        let path = builder.inherited_path(fd);
        builder.argument(option, path);
    }
}
