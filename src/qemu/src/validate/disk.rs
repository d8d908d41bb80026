//! Disks, one by one.
//!
//! libvirt: `virDomainDiskDefValidate` in `src/conf/domain_validate.c`,
//! `qemuValidateDomainDeviceDefDisk` in `src/qemu/qemu_validate.c`.

use base::OnOff;
use conf::address::Address;
use conf::device::Disk;
use conf::device::controller::ScsiModel;
use conf::device::disk::driver::{Cache, Io, StorageFormat};
use conf::device::disk::network_source::Protocol;
use conf::device::disk::source::{Source, StartupPolicy};
use conf::device::disk::{Bus, DiskModel, Sgio};
use xml::Part;

use super::{Check, Rule, attribute, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("disk-has-a-source", "only a drive with a medium to change can be empty", empty),
    Rule::new("disk-name-fits", "the name says which disk of which kind it is", name),
    Rule::new("disk-bus-fits-device", "floppy drives have a bus of their own", bus),
    Rule::new("disk-address-fits-bus", "a bus has its own kind of place", address),
    Rule::new("scsi-target-fits-controller", "old controllers know one target a disk", target),
    Rule::new("lun-is-a-device", "SCSI commands can only be passed to a SCSI device", lun),
    Rule::new("disk-attributes-fit-bus", "only virtio has queues and their knobs", virtio_only),
    Rule::new("scsi-texts-on-scsi", "other buses have no such texts", scsi_texts),
    Rule::new("disk-is-opened-by-qemu", "other programs serve other hypervisors", opener),
    Rule::new("startup-policy-fits", "only what can be looked for can be missing", startup),
    Rule::new("shared-disk-is-raw", "two writers would ruin an image with tables", shared),
    Rule::new("readonly-disk-is-possible", "IDE and SATA disks know no write protection", readonly),
    Rule::new("native-io-needs-direct-cache", "Linux AIO blocks with the page cache", native_io),
    Rule::new("geometry-of-ide", "only IDE disks have a BIOS translate for them", geometry),
    Rule::new("cdrom-bus-can-eject", "virtio disks have no medium to change", ejectable),
    Rule::new("limits-one-way", "limits are per disk or by throttle groups", throttling),
    Rule::new("disk-iothread-exists", "only virtio disks are served by I/O threads", iothread),
    Rule::new("serial-is-plain", "QEMU takes serial numbers on its command line", serial),
];

pub(super) fn each(check: &mut Check<'_>, rule: impl Fn(&mut Check<'_>, &Disk)) {
    for disk in &check.domain.devices.disks {
        rule(check, disk);
    }
}

pub(super) fn bus_of(disk: &Disk) -> Bus {
    disk.bus().unwrap_or_default()
}

fn empty(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let bus = bus_of(disk);
        let is_alone = bus == Bus::Usb && disk.model != Some(DiskModel::UsbBot);
        if disk.is_empty() && (!disk.is_removable() || is_alone) {
            let message = if disk.is_removable() {
                format!("a drive on the bus '{bus}' cannot be empty")
            } else {
                "this disk has no source".to_owned()
            };
            check.refuse(disk.origin, Part::Name, message, "add <source file='…'/> or the like");
        }
    });
}

fn name(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let (origin, name) = (disk.target.origin, disk.name());
        match disk.target.dev.place() {
            Some(place) if place.partition.is_some_and(|number| number > 0) => {
                let whole = name.trim_end_matches(|c: char| c.is_ascii_digit());
                let message = format!("'{name}' is the name of a partition, not of a disk");
                check.refuse(origin, attribute("dev"), message, format!("write dev='{whole}'"));
            }
            Some(place) if disk.is_floppy() != (place.prefix == "fd") && !disk.is_cdrom() => {
                let expected =
                    if disk.is_floppy() { "fda, fdb, …" } else { "vda, sda, hda, …" };
                let message = format!("'{name}' is no name of a {}", disk.device);
                check.refuse_value(origin, "dev", message, expected);
            }
            Some(_) => {}
            // Without an address either, completion has said it already.
            None if disk.info.address.is_none() => {}
            None => {
                let message = format!("'{name}' is no name of a disk");
                let expected = "letters behind vd, sd, hd, fd, xvd or ubd: vda, vdb, …, vdaa";
                check.refuse_value(origin, "dev", message, expected);
            }
        }
    });
}

fn bus(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let bus = bus_of(disk);
        if disk.is_floppy() != (bus == Bus::Fdc) {
            let message = format!("there is no {} on the bus '{bus}'", disk.device);
            let expected =
                if disk.is_floppy() { "fdc" } else { "virtio, scsi, sata, ide, usb, …" };
            check.refuse_value(disk.target.origin, "bus", message, expected);
        }
        let takes_removable = bus == Bus::Usb || (bus == Bus::Scsi && !disk.is_cdrom());
        if disk.target.removable.is_some() && !takes_removable {
            let message = format!("'removable' is not for the bus '{bus}'");
            check.refuse(disk.target.origin, attribute("removable"), message, "leave it out");
        }
    });
}

fn address(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let bus = bus_of(disk);
        let (fits, wanted) = match (bus, &disk.info.address) {
            (_, None) => return,
            (Bus::Ide | Bus::Fdc | Bus::Scsi | Bus::Sata, Some(address)) => {
                (matches!(address, Address::Drive(_)), "drive")
            }
            (Bus::Usb, Some(address)) => (matches!(address, Address::Usb(_)), "usb"),
            _ => return,
        };
        if !fits {
            let message = format!("a disk on the bus '{bus}' has no such <address>");
            let help = format!("write <address type='{wanted}' …/>, or leave it out");
            check.refuse(disk.origin, within("address@type"), message, help);
            return;
        }
        if let Some(Address::Drive(drive)) = &disk.info.address {
            let one_controller = matches!(bus, Bus::Ide | Bus::Fdc);
            let wrong = [
                ("controller", drive.controller, one_controller),
                ("bus", drive.bus, bus != Bus::Ide),
                ("target", drive.target, bus != Bus::Scsi),
            ];
            for (part, number, _) in wrong.into_iter().filter(|(_, n, zero)| *zero && *n != 0) {
                let message = format!("the <address> of a disk on '{bus}' has no {part} {number}");
                let help = format!("write {part}='0'");
                let place = within(format!("address@{part}"));
                check.refuse(disk.origin, place, message, help);
            }
        }
    });
}

/// libvirt: `qemuValidateDomainDeviceDefAddressDrive`.
fn target(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let Some(drive) = disk.info.address.as_ref().and_then(|address| address.drive()) else {
            return;
        };
        let controllers = &check.domain.devices.controllers;
        let model = controllers
            .iter()
            .filter(|controller| controller.index == Some(drive.controller))
            .find_map(|controller| controller.scsi()?.model);
        if bus_of(disk) == Bus::Scsi && model == Some(ScsiModel::Lsilogic) && drive.target != 0 {
            let message = format!("a controller 'lsilogic' has no target {}", drive.target);
            let help = "write target='0', or use a controller of model 'virtio-scsi'";
            check.refuse(disk.origin, within("address@target"), message, help);
        }
    });
}

fn lun(check: &mut Check<'_>) {
    each(check, |check, disk| {
        if !disk.is_lun() {
            for (name, given) in [("rawio", disk.rawio.is_some()), ("sgio", disk.sgio.is_some())] {
                if given {
                    let message = format!("'{name}' is for device='lun'");
                    check.refuse(disk.origin, attribute(name), message, "leave it out");
                }
            }
            if let Some(reservations) = &disk.source.common().reservations {
                let message = "reservations are for device='lun'";
                check.refuse(reservations.origin, Part::Name, message, "leave out <reservations>");
            }
            return;
        }
        let is_device = match &disk.source {
            Source::Block(_) | Source::Volume(_) => true,
            Source::Network(network) => network.protocol == Protocol::Iscsi,
            _ => false,
        };
        if !is_device {
            let message = "device='lun' needs a block device or an iSCSI unit behind it";
            let help = "write type='block', or device='disk'";
            check.refuse(disk.origin, attribute("device"), message, help);
        }
        if bus_of(disk) != Bus::Scsi {
            let message = format!("device='lun' needs bus='scsi', not '{}'", bus_of(disk));
            let help = "write bus='scsi' in <target>, or device='disk'";
            check.refuse(disk.target.origin, attribute("bus"), message, help);
        }
        if disk.sgio == Some(Sgio::Unfiltered) {
            let message = "Linux can no longer let all SCSI commands pass";
            check.refuse(disk.origin, attribute("sgio"), message, "leave out 'sgio'");
        }
        let source = disk.source.common();
        let below = [
            ("slices", source.storage_slice().is_some()),
            ("encryption", source.encryption.is_some()),
        ];
        for (name, _) in below.into_iter().filter(|(_, given)| *given) {
            let message = format!("a SCSI device that is passed through has no <{name}>");
            check.refuse(source.origin, within(name), message, "leave it out");
        }
        if disk.driver.format.is_some_and(|format| format != StorageFormat::Raw) {
            let message = "a SCSI device that is passed through has no image format";
            check.refuse(disk.origin, within("driver@type"), message, "write type='raw'");
        }
        let given = [
            ("wwn", disk.wwn.is_some()),
            ("vendor", disk.vendor.is_some()),
            ("product", disk.product.is_some()),
            ("serial", disk.serial.is_some()),
        ];
        for (name, _) in given.into_iter().filter(|(_, given)| *given) {
            let message = format!("a SCSI device that is passed through has its own <{name}>");
            check.refuse(disk.origin, within(name), message, format!("leave out <{name}>"));
        }
    });
}

fn virtio_only(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let bus = bus_of(disk);
        if bus == Bus::Virtio {
            return;
        }
        let driver = &disk.driver;
        let given = [
            ("queues", driver.queues.is_some()),
            ("queue_size", driver.queue_size.is_some()),
            ("event_idx", driver.event_idx.is_some()),
            ("ioeventfd", driver.ioeventfd.is_some()),
            ("iommu", driver.virtio.iommu.is_some()),
            ("ats", driver.virtio.ats.is_some()),
            ("packed", driver.virtio.packed.is_some()),
            ("page_per_vq", driver.virtio.page_per_vq.is_some()),
        ];
        for (name, _) in given.into_iter().filter(|(_, given)| *given) {
            let message = format!("'{name}' is for bus='virtio', not '{bus}'");
            check.refuse(disk.origin, within(format!("driver@{name}")), message, "leave it out");
        }
        let is_usb = matches!(disk.model, Some(DiskModel::UsbStorage | DiskModel::UsbBot));
        if disk.model.is_some() && !(is_usb && bus == Bus::Usb) {
            let message = format!("'model' is for bus='virtio', not '{bus}'");
            check.refuse(disk.origin, attribute("model"), message, "leave it out");
        }
    });
}

fn scsi_texts(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let bus = bus_of(disk);
        let (scsi, ide) = (bus == Bus::Scsi, bus == Bus::Ide);
        let has_product = scsi || ide || bus == Bus::Sata;
        let given = [
            ("vendor", disk.vendor.is_some() && !scsi),
            ("product", disk.product.is_some() && !has_product),
            ("wwn", disk.wwn.is_some() && !scsi && !ide),
        ];
        for (name, _) in given.into_iter().filter(|(_, wrong)| *wrong) {
            let message = format!("a disk on the bus '{bus}' has no <{name}>");
            let help = format!("leave it out, or write bus='scsi' in <target> ({name} of SCSI)");
            check.refuse(disk.origin, within(name), message, help);
        }
        if disk.target.rotation_rate.is_some() && !(scsi || ide || bus == Bus::Sata) {
            let message = format!("a disk on the bus '{bus}' has no rotation rate");
            let help = "leave out 'rotation_rate'";
            check.refuse(disk.target.origin, attribute("rotation_rate"), message, help);
        }
    });
}

fn opener(check: &mut Check<'_>) {
    each(check, |check, disk| {
        if let Some(name) = disk.driver.name.as_deref().filter(|name| *name != "qemu") {
            let message = format!("QEMU opens no disk by the driver '{name}'");
            check.refuse_value(disk.driver.origin, "name", message, "qemu");
        }
    });
}

/// libvirt: `virDomainDiskDefValidateStartupPolicy`.
fn startup(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let Some(policy) = disk.source.common().startup_policy else { return };
        let (message, help) = if !disk.source.is_local()
            && !matches!(disk.source, Source::Volume(_))
        {
            ("nobody looks whether such a source is there", "leave out 'startupPolicy'")
        } else if policy == StartupPolicy::Requisite && !disk.is_removable() {
            ("only a drive with a medium to change can be empty", "write 'mandatory' or 'optional'")
        } else {
            return;
        };
        let origin = disk.source.common().origin;
        check.refuse(origin, attribute("startupPolicy"), message, help);
    });
}

fn shared(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let format = disk.driver.format.unwrap_or_default();
        if disk.shareable && !disk.readonly && format != StorageFormat::Raw {
            let message = format!("a shared disk cannot be of the format '{format}'");
            let help = "use a raw image, or leave out <shareable/>";
            check.refuse(disk.origin, within("driver@type"), message, help);
        }
    });
}

fn readonly(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let bus = bus_of(disk);
        let is_plain = !disk.is_removable() && !disk.is_lun();
        if disk.readonly && is_plain && matches!(bus, Bus::Ide | Bus::Sata) {
            let message = format!("a disk on the bus '{bus}' cannot be read-only");
            let help = "write bus='virtio' or 'scsi', or leave out <readonly/>";
            check.refuse(disk.origin, within("readonly"), message, help);
        }
        if disk.readonly && disk.driver.copy_on_read == Some(OnOff::On) {
            let message = "copy_on_read='on' writes to the image, which is read-only";
            check.refuse(disk.origin, within("driver@copy_on_read"), message, "leave it out");
        }
        let problem = match () {
            () if !disk.is_transient() => None,
            () if disk.is_empty() => Some("a <transient/> disk cannot be empty"),
            () if disk.readonly => Some("a <transient/> disk cannot be read-only"),
            () if !matches!(disk.source, Source::File(_)) => {
                Some("only a file can be the image of a <transient/> disk")
            }
            () if !is_plain => Some("only device='disk' can be <transient/>"),
            () => None,
        };
        if let Some(message) = problem {
            check.refuse(disk.origin, within("transient"), message, "leave out <transient/>");
        }
    });
}

fn native_io(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let is_direct = matches!(disk.driver.cache, Some(Cache::None | Cache::Directsync));
        if disk.driver.io == Some(Io::Native) && !is_direct {
            let message = "io='native' needs a cache mode that does not use the page cache";
            let help = "write cache='none' or 'directsync', or io='threads' or 'io_uring'";
            check.refuse(disk.origin, within("driver@io"), message, help);
        }
    });
}

fn ejectable(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let bus = bus_of(disk);
        if disk.is_cdrom() && matches!(bus, Bus::Virtio | Bus::Sd | Bus::Nvme) {
            let message = format!("there is no CD-ROM drive on the bus '{bus}'");
            check.refuse_value(disk.target.origin, "bus", message, "sata, scsi, ide or usb");
        }
        if disk.target.tray.is_some() && !disk.is_removable() {
            let message = "only CD-ROM and floppy drives have a tray";
            check.refuse(disk.target.origin, attribute("tray"), message, "leave it out");
        }
    });
}

fn geometry(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let translation = disk.geometry.as_ref().and_then(|geometry| geometry.trans);
        if translation.is_some() && bus_of(disk) != Bus::Ide {
            let message = "only a disk on the bus 'ide' translates its geometry";
            check.refuse(disk.origin, within("geometry@trans"), message, "leave it out");
        }
    });
}

fn throttling(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let Some(tune) = &disk.iotune else { return };
        if !disk.throttle_filters.is_empty() {
            let message = "<iotune> does not go with <throttlefilters>";
            check.refuse(tune.origin, Part::Name, message, "leave out one of the two");
        }
        if tune.group_name.is_some() && !tune.has_limits() {
            let message = "<group_name> alone limits nothing";
            let help = "add a limit, or leave out <iotune>";
            check.refuse(tune.origin, within("group_name"), message, help);
        }
        for (total, part) in tune.contradictions() {
            let message = format!("<{total}> is for reading and writing, <{part}> for one of them");
            check.refuse(tune.origin, within(part), message, "leave out one of the two");
        }
    });
    let groups = check.domain.throttle_groups.as_ref();
    let names: Vec<String> =
        groups.iter().flat_map(|all| &all.groups).map(|group| group.group_name.clone()).collect();
    each(check, |check, disk| {
        for filter in disk.throttle_filters.iter().filter(|filter| !names.contains(&filter.group)) {
            let message = format!("there is no throttle group '{}'", filter.group);
            check.refuse(filter.origin, attribute("group"), message, "add it to <throttlegroups>");
        }
    });
}

fn iothread(check: &mut Check<'_>) {
    let threads = check.domain.iothread_numbers();
    each(check, |check, disk| {
        let Some(thread) = disk.driver.iothread else { return };
        let bus = bus_of(disk);
        if bus != Bus::Virtio {
            let message =
                format!("a disk on the bus '{bus}' is served by no I/O thread of its own");
            let help = "leave out 'iothread'; for bus='scsi' it belongs to the controller";
            check.refuse(disk.origin, within("driver@iothread"), message, help);
        } else if !threads.contains(&thread.get()) {
            let message = format!("there is no I/O thread {thread}");
            let help = "say how many there are in <iothreads>";
            check.refuse(disk.origin, within("driver@iothread"), message, help);
        }
    });
}

/// libvirt: `qemuValidateDomainDeviceDefDiskSerial`.
fn serial(check: &mut Check<'_>) {
    each(check, |check, disk| {
        let Some(serial) = &disk.serial else { return };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_ .+".contains(c);
        if !serial.chars().all(plain) {
            let message = format!("'{}' has characters that no <serial> may have", serial.0);
            let help = "use letters, digits, blanks, '-', '_', '.' and '+'";
            check.refuse(disk.origin, within("serial"), message, help);
        }
        if bus_of(disk) == Bus::Sd {
            let message = "a disk on the bus 'sd' has no <serial>";
            check.refuse(disk.origin, within("serial"), message, "leave it out");
        }
    });
}
