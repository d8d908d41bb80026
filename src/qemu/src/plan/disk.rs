//! Disks, CD-ROM drives and floppy drives.

use base::OnOff;
use conf::address::{Address, Drive};
use conf::device::controller::{ControllerKind, ScsiModel};
use conf::device::disk::driver::{Cache, ErrorPolicy};
use conf::device::disk::source::Source;
use conf::device::disk::{Bus, DiskModel};
use conf::device::iothread_mapping::IothreadMapping;
use conf::device::virtio::VirtioModel;
use conf::device::{DeviceKind, Disk};
use serde_json::{Value, json};

use super::argument::Argument;
use super::blockdev::{self, Style};
use super::chain::{Chain, Layer, Place, chain, qemu_format};
use super::device::Device;
use super::{Access, Builder, Open, boot, iothread, network_source, throttle, vhost_user};
use crate::answers::{Answer, Answers, Image, Question};
use crate::host::Host;
use crate::machine::Family;

/// How much of a serial number virtio-blk and NVMe show to the guest.
///
/// QEMU: `VIRTIO_BLK_ID_BYTES`, `NvmeIdCtrl.sn`, and `drive_serial_str` of IDE.
const SERIAL_SEEN: usize = 20;
/// The longest serial number of a SCSI disk.
///
/// QEMU: `MAX_SERIAL_LEN` in `hw/scsi/scsi-disk.c`.
const SCSI_SERIAL: usize = 36;

/// What to look at.
pub(super) fn questions(disk: &Disk, host: &Host, answers: &Answers) -> Vec<Question> {
    let chain = chain(disk, host, answers);
    let mut questions: Vec<Question> =
        chain.layers.iter().flat_map(|layer| network_source::questions(layer, host)).collect();
    questions.extend(chain.unanswered);
    if disk.driver.io == Some(conf::device::disk::driver::Io::IoUring) {
        questions.push(Question::IoUring);
    }
    questions
}

/// All disks. Nodes are numbered from the last disk to the first.
///
/// libvirt: `qemuBuildDisksCommandLine`, `qemuDomainPrepareDiskSource`.
pub(super) fn disks(builder: &mut Builder<'_>) {
    let disks = &builder.domain.devices.disks;
    let mut prepared: Vec<(usize, &Disk, Chain<'_>, Vec<u32>)> = Vec::new();
    for (pos, disk) in disks.iter().enumerate().rev() {
        if !builder.wants(DeviceKind::Disk, pos) {
            continue;
        }
        let chain = chain(disk, builder.host, builder.answers);
        // What QEMU takes by its old option has no nodes with names.
        let count = match disk.bus() {
            Some(Bus::Sd) => 0,
            _ => nodes_of(disk, &chain),
        };
        let numbers = (0..count).map(|_| builder.next_node()).collect();
        prepared.push((pos, disk, chain, numbers));
    }
    prepared.reverse();
    for (pos, disk, chain, numbers) in prepared {
        builder.part(format!("disk {}", disk.name()), disk.origin);
        self::disk(builder, pos, disk, chain, &numbers);
    }
}

/// The images of a medium that is put into a drive of a machine that runs; the topmost node, `None` if
/// the drive is left empty or something is wrong.
pub(super) fn medium(builder: &mut Builder<'_>, pos: usize) -> Option<String> {
    let disk = builder.domain.devices.disks.get(pos)?;
    builder.part(format!("disk {}", disk.name()), disk.origin);
    let chain = chain(disk, builder.host, builder.answers);
    if !examine(builder, disk, &chain) {
        return None;
    }
    let alias = builder.aliases.get(DeviceKind::Disk, pos).to_owned();
    let count = nodes_of(disk, &chain);
    let numbers: Vec<u32> = (0..count).map(|_| builder.next_node()).collect();
    images(builder, disk, &alias, &chain, &numbers)?
}

/// Says what is to be said of a disk's images; `false` if there is nothing to go on with.
fn examine(builder: &mut Builder<'_>, disk: &Disk, chain: &Chain<'_>) -> bool {
    for question in &chain.unanswered {
        builder.ask(question);
    }
    if chain.is_dropped {
        let empty = disk.is_removable();
        let what = if empty { "the drive is empty" } else { "it is left out" };
        builder.note(format!("disk {}: {what}, because its image is missing", disk.name()));
        if !empty {
            return false;
        }
    }
    let before = builder.problems.len();
    for problem in chain.problems.iter().cloned() {
        builder.say(problem);
    }
    builder.problems.len() == before
}

/// The nodes of a disk; the topmost one, if it has any. `None`: it was refused.
fn images(
    builder: &mut Builder<'_>,
    disk: &Disk,
    alias: &str,
    chain: &Chain<'_>,
    numbers: &[u32],
) -> Option<Option<String>> {
    if chain.layers.is_empty() {
        return Some(None);
    }
    let style = style(disk);
    let (images, filters) = numbers.split_at(numbers.len() - disk.throttle_filters.len());
    let node = match images.split_last() {
        Some((top, below)) if disk.is_transient() => {
            let base = Style { readonly: true, ..style };
            let base = blockdev::nodes(builder, alias, chain, below, base)?;
            overlay(builder, alias, chain, *top, &base, style)?
        }
        _ => blockdev::nodes(builder, alias, chain, images, style)?,
    };
    Some(Some(filtered(builder, disk, node, filters)))
}

/// What is written to a disk and not kept: a file without a name on top of the image, which is only
/// read.
///
/// libvirt: `qemuProcessSetupDisksTransientSnapshot`; its overlay has a name.
fn overlay(
    builder: &mut Builder<'_>,
    alias: &str,
    chain: &Chain<'_>,
    number: u32,
    base: &str,
    style: Style,
) -> Option<String> {
    let path = chain.layers.first().and_then(Layer::path).unwrap_or_default().to_owned();
    let size = match builder.ask(&Question::Image(path.clone())) {
        Some(Answer::Image(Image { virtual_size: Some(size), .. })) => *size,
        // Nobody looked, and nothing is started from this plan.
        None => 0,
        Some(_) => {
            let message = "how large the disk is can only be told of raw and qcow2 images";
            builder.refuse(message).help = Some("leave out <transient/>".to_owned());
            return None;
        }
    };
    let (storage, format) =
        (format!("libvirt-{number}-storage"), format!("libvirt-{number}-format"));
    let fd = builder.fd(format!("{alias}-overlay"), path, Open::Overlay);
    let file = builder.fdset(vec![fd]);
    builder.blockdev(json!({
        "driver": "file", "filename": file, "node-name": storage, "read-only": false,
        "discard": "unmap",
    }));
    let options = json!({"driver": "qcow2", "file": storage, "size": size});
    builder.create(format!("create-{format}"), options);
    let mut node = blockdev::object(json!({
        "node-name": format, "read-only": false, "driver": "qcow2", "file": storage,
        "backing": base,
    }));
    if let Some(discard) = style.discard {
        node.insert("discard".to_owned(), discard.to_string().into());
    }
    builder.blockdev(node.into());
    Some(format)
}

/// How many numbers the nodes of a disk take.
fn nodes_of(disk: &Disk, chain: &Chain<'_>) -> usize {
    chain.images() + usize::from(disk.is_transient()) + disk.throttle_filters.len()
}

fn disk(builder: &mut Builder<'_>, pos: usize, disk: &Disk, chain: Chain<'_>, numbers: &[u32]) {
    let before = builder.problems.len();
    let has_images = examine(builder, disk, &chain);
    if !has_images && builder.problems.len() == before {
        return;
    }
    check_serial(builder, disk);
    if builder.problems.len() > before {
        return;
    }
    let alias = builder.aliases.get(DeviceKind::Disk, pos).to_owned();
    if disk.bus() == Some(Bus::Sd) {
        return sd_card(builder, disk, &alias, &chain);
    }
    if let Source::VhostUser(source) = &disk.source {
        vhost_user::chardev(builder, &alias, &source.path, source.reconnect.as_ref());
    }
    let Some(node) = images(builder, disk, &alias, &chain, numbers) else { return };
    if let Some(device) = device(builder, pos, disk, &alias, node.as_deref()) {
        builder.device(device);
        throttle::limits(builder, disk, &alias);
    }
}

pub(super) fn style(disk: &Disk) -> Style {
    Style {
        readonly: disk.readonly,
        cdrom: disk.is_cdrom(),
        floppy: disk.is_floppy(),
        cache: cache(disk),
        ..Style::of(&disk.driver)
    }
}

/// Several guests can only share an image that no host's cache stands between.
fn cache(disk: &Disk) -> Option<Cache> {
    let shared = disk.shareable && !disk.readonly;
    disk.driver.cache.or(shared.then_some(Cache::None))
}

/// The nodes above the image; the name of the topmost one.
fn filtered(builder: &mut Builder<'_>, disk: &Disk, mut node: String, numbers: &[u32]) -> String {
    if disk.driver.copy_on_read == Some(OnOff::On) {
        let name = format!("libvirt-CoR-{}", disk.name());
        builder.blockdev(json!({
            "driver": "copy-on-read", "node-name": name, "file": node, "discard": "unmap",
        }));
        node = name;
    }
    throttle::filters(builder, disk, node, numbers)
}

/// libvirt: `qemuBuildDiskDeviceProps`.
fn device(
    builder: &mut Builder<'_>,
    pos: usize,
    disk: &Disk,
    alias: &str,
    node: Option<&str>,
) -> Option<Device> {
    let bus = disk.bus().unwrap_or(Bus::Virtio);
    let mut device = match bus {
        Bus::Virtio => virtio(disk),
        Bus::Ide | Bus::Sata => Device::new(if disk.is_cdrom() { "ide-cd" } else { "ide-hd" }),
        Bus::Scsi if disk.is_lun() => Device::new("scsi-block"),
        Bus::Scsi => Device::new(if disk.is_cdrom() { "scsi-cd" } else { "scsi-hd" }),
        Bus::Usb if disk.model != Some(DiskModel::UsbBot) => Device::new("usb-storage"),
        Bus::Fdc => Device::new("floppy"),
        Bus::Nvme => Device::new("nvme-ns"),
        Bus::Usb => {
            builder.device(bulk_only(disk, alias, builder));
            Device::new(if disk.is_cdrom() { "scsi-cd" } else { "scsi-hd" })
        }
        Bus::Sd | Bus::Xen | Bus::Uml => {
            builder.refuse(format!("QEMU has no disks on the bus '{bus}'"));
            return None;
        }
    };
    let is_behind_usb = bus == Bus::Usb && disk.model == Some(DiskModel::UsbBot);
    if is_behind_usb {
        device.set("bus", format!("{alias}.0"));
    } else {
        address(&mut device, disk, bus, builder);
    }
    if bus == Bus::Scsi && !disk.is_lun() {
        let serial = disk.serial.as_ref().map(|serial| serial.0.clone());
        device.set("device_id", serial.unwrap_or_else(|| format!("drive-{alias}")));
    }
    if disk.shareable {
        device.set("share-rw", true);
    }
    device.maybe("drive", node);
    if is_vhost_user(disk) {
        device.set("chardev", vhost_user::chardev_id(alias));
    }
    device.set("id", if is_behind_usb { format!("{alias}-device") } else { alias.to_owned() });
    if bus != Bus::Fdc {
        device.maybe("bootindex", boot::of_disk(builder.domain, pos));
    }
    let blockio = &disk.blockio;
    device.maybe("logical_block_size", blockio.logical_block_size.map(u32::from));
    device.maybe("physical_block_size", blockio.physical_block_size.map(u32::from));
    device.maybe("discard_granularity", blockio.discard_granularity);
    device.maybe("wwn", disk.wwn.as_ref().map(|wwn| wwn.number()));
    device.maybe("rotation_rate", disk.target.rotation_rate.map(u32::from));
    device.maybe("vendor", disk.vendor.as_ref().map(|vendor| vendor.as_str()));
    let product = if matches!(bus, Bus::Ide | Bus::Sata) { "model" } else { "product" };
    device.maybe(product, disk.product.as_ref().map(|product| product.as_str()));
    match bus {
        Bus::Usb if !is_behind_usb => {
            device.set("removable", disk.target.removable == Some(OnOff::On))
        }
        _ => device.switch("removable", disk.target.removable),
    };
    if !disk.is_lun() {
        device.on_off("write-cache", blockdev::write_cache(cache(disk)));
    }
    geometry(&mut device, disk);
    // libvirt takes a blank for the end of the value, as QEMU's old syntax did, and escapes it; what
    // the guest sees has the backslash.
    // A name space of NVMe has none of its own: the guest sees its controller's.
    if disk.bus() != Some(Bus::Nvme) {
        device.maybe("serial", disk.serial.as_ref().map(|serial| serial.replace(' ', "\\ ")));
    }
    error_policy(&mut device, disk);
    Some(device)
}

fn is_vhost_user(disk: &Disk) -> bool {
    matches!(disk.source, Source::VhostUser(_))
}

/// The SCSI bus behind a USB device.
fn bulk_only(disk: &Disk, alias: &str, builder: &Builder<'_>) -> Device {
    let mut device = Device::new("usb-bot");
    device.set("id", alias).address(&disk.info, builder);
    device
}

/// A card in a reader for SD cards, which has only the old option.
///
/// libvirt: `qemuBuildDriveStr`.
fn sd_card(builder: &mut Builder<'_>, disk: &Disk, alias: &str, chain: &Chain<'_>) {
    let Some(Layer { place: Place::Local { path, .. }, format, .. }) = chain.layers.first() else {
        builder.refuse("only a file or block device can be the image of an SD card");
        return;
    };
    let accesses: &[Access] = match disk.readonly {
        true => &[Access::Ro],
        false => &[Access::Rw, Access::Ro],
    };
    let style = style(disk);
    let fds = blockdev::images(builder, &format!("{alias}-image"), path, accesses, style);
    let file = builder.fdset(fds);
    let mut drive = Argument::new("");
    drive.add("file", file).add("format", qemu_format(*format)).add("if", "sd");
    drive.maybe("index", disk.target.dev.index().map(|index| index.to_string()));
    if disk.readonly {
        drive.add("readonly", "on");
    }
    drive.maybe("cache", disk.driver.cache.map(|cache| cache.to_string()));
    drive.maybe("aio", disk.driver.io.map(|io| io.to_string()));
    builder.argument("drive", drive.into_text());
}

fn virtio(disk: &Disk) -> Device {
    let model = match disk.model {
        Some(DiskModel::VirtioTransitional) => Some(VirtioModel::Transitional),
        Some(DiskModel::VirtioNonTransitional) => Some(VirtioModel::NonTransitional),
        _ => None,
    };
    let driver = &disk.driver;
    let base = if is_vhost_user(disk) { "vhost-user-blk-pci" } else { "virtio-blk-pci" };
    let mut device = Device::virtio(base, model, Some(&driver.virtio));
    device.maybe("iothread", driver.iothread.map(iothread::name));
    device.switch("ioeventfd", driver.ioeventfd);
    device.switch("event_idx", driver.event_idx);
    device.maybe("num-queues", driver.queues.map(u32::from));
    device.maybe("queue-size", driver.queue_size.map(u32::from));
    device.maybe("iothread-vq-mapping", driver.iothreads.as_ref().map(iothread_mapping));
    device
}

/// Which I/O thread serves which queue, in QEMU's words.
pub(super) fn iothread_mapping(mapping: &IothreadMapping) -> Value {
    let threads = mapping.iothreads.iter().map(|thread| {
        let name = iothread::name(thread.id);
        match thread.queues.is_empty() {
            true => json!({"iothread": name}),
            false => json!({"iothread": name, "vqs": thread.queues}),
        }
    });
    threads.collect()
}

/// Where a SCSI unit sits.
pub(super) fn scsi_address(device: &mut Device, drive: &Drive, builder: &Builder<'_>) {
    let Drive { controller, bus: channel, target, unit } = drive;
    let kind = ControllerKind::Scsi(Default::default());
    let found = builder.domain.devices.controller(&kind, *controller);
    let model = found.and_then(|controller| controller.scsi()?.model);
    let alias = builder.aliases.scsi(*controller);
    let narrow = matches!(
        model,
        Some(ScsiModel::Lsilogic | ScsiModel::Am53c974 | ScsiModel::Dc390 | ScsiModel::Ncr53c90)
    );
    if narrow {
        device.set("bus", format!("{alias}.{channel}")).set("scsi-id", *unit);
    } else {
        device.set("bus", format!("{alias}.0")).set("channel", *channel);
        device.set("scsi-id", *target).set("lun", *unit);
    }
}

/// libvirt: `qemuBuildDeviceAddressDriveProps`.
fn address(device: &mut Device, disk: &Disk, bus: Bus, builder: &Builder<'_>) {
    let Some(Address::Drive(drive)) = &disk.info.address else {
        device.address(&disk.info, builder);
        return;
    };
    let Drive { controller, bus: channel, unit, .. } = drive;
    match bus {
        Bus::Ide => {
            device.set("bus", format!("ide.{channel}")).set("unit", *unit);
        }
        Bus::Sata if builder.family == Family::Q35 && *controller == 0 => {
            device.set("bus", format!("ide.{unit}"));
        }
        Bus::Sata => {
            device.set("bus", format!("{}.{unit}", builder.aliases.sata(*controller)));
        }
        Bus::Scsi => scsi_address(device, drive, builder),
        Bus::Nvme => {
            device.set("bus", builder.aliases.nvme(*controller)).set("nsid", *unit + 1);
        }
        _ => {
            device.set("unit", *unit);
        }
    }
}

fn geometry(device: &mut Device, disk: &Disk) {
    if let Some(geometry) = &disk.geometry {
        device.maybe("cyls", geometry.cyls.map(u32::from));
        device.maybe("heads", geometry.heads.map(u32::from));
        device.maybe("secs", geometry.secs.map(u32::from));
        device.maybe("bios-chs-trans", geometry.trans.map(|trans| trans.to_string()));
    }
}

fn error_policy(device: &mut Device, disk: &Disk) {
    let word = |policy: ErrorPolicy| match policy {
        ErrorPolicy::Enospace => "enospc".to_owned(),
        policy => policy.to_string(),
    };
    let (write, read) = (disk.driver.error_policy, disk.driver.rerror_policy);
    device.maybe("werror", write.map(word));
    let read = read.or(write.filter(|policy| *policy != ErrorPolicy::Enospace));
    device.maybe("rerror", read.map(word));
}

/// What becomes of a serial number that is too long for the bus.
fn check_serial(builder: &mut Builder<'_>, disk: &Disk) {
    let Some(serial) = disk.serial.as_ref() else { return };
    let length = serial.replace(' ', "\\ ").len();
    match disk.bus() {
        Some(Bus::Scsi | Bus::Usb) if length > SCSI_SERIAL => {
            let refused = builder.refuse(format!(
                "the serial number has {length} characters, but QEMU takes {SCSI_SERIAL} on a SCSI \
                 bus"
            ));
            refused.help = Some("shorten <serial>".to_owned());
        }
        Some(Bus::Virtio | Bus::Ide | Bus::Sata | Bus::Nvme) if length > SERIAL_SEEN => {
            let warning = builder.warn(format!(
                "the guest sees only the first {SERIAL_SEEN} characters of the serial number"
            ));
            warning.help = Some("shorten <serial>".to_owned());
        }
        _ => {}
    }
}

/// The floppy controller, which knows the boot order of its drives.
///
/// libvirt: `qemuBuildFloppyCommandLineControllerOptions`.
pub(super) fn floppy_controller(builder: &mut Builder<'_>) {
    let disks = &builder.domain.devices.disks;
    let mut drives = Vec::new();
    for (pos, disk) in disks.iter().enumerate().filter(|(_, disk)| disk.bus() == Some(Bus::Fdc)) {
        let unit = disk.info.address.as_ref().and_then(Address::drive).map_or(0, |d| d.unit);
        let name = if unit == 0 { "bootindexA" } else { "bootindexB" };
        drives.push((name, boot::of_disk(builder.domain, pos)));
    }
    let Some(first) = disks.iter().find(|disk| disk.bus() == Some(Bus::Fdc)) else { return };
    builder.part("floppy controller", first.origin);
    if builder.family == Family::Q35 {
        let mut device = Device::new("isa-fdc");
        for (name, index) in drives {
            device.maybe(name, index);
        }
        builder.device(device);
    } else {
        for (name, index) in drives {
            if let Some(index) = index {
                builder.argument("global", format!("isa-fdc.{name}={index}"));
            }
        }
    }
}
