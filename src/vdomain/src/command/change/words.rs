//! Documents of devices that are given in words.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use conf::device::Disk;
use xml::Tag;

use crate::arguments::{AttachDisk, AttachInterface, ChangeMedia};
use crate::failure::Failure;

/// virsh: `cmdAttachDisk`.
pub(super) fn disk(arguments: &AttachDisk) -> String {
    let is_block = match arguments.sourcetype.as_deref() {
        Some(kind) => kind == "block",
        None => is_block_device(&arguments.source),
    };
    let mut disk = Tag::new("disk");
    disk.attribute("type", if is_block { "block" } else { "file" });
    disk.attribute("device", &arguments.device);
    disk.child("driver", |driver| {
        driver.attribute("name", "qemu");
        let iothread = arguments.iothread.map(|thread| thread.to_string());
        for (name, value) in [
            ("type", arguments.subdriver.as_deref()),
            ("cache", arguments.cache.as_deref()),
            ("io", arguments.io.as_deref()),
            ("iothread", iothread.as_deref()),
        ] {
            value.into_iter().for_each(|value| driver.attribute(name, value));
        }
    });
    let attribute = if is_block { "dev" } else { "file" };
    disk.attribute_child("source", attribute, &arguments.source);
    disk.child("target", |target| {
        target.attribute("dev", &arguments.target);
        arguments.targetbus.iter().for_each(|bus| target.attribute("bus", bus));
    });
    if let Some(mode) = &arguments.mode {
        disk.child(mode, |_| {});
    }
    text_child(&mut disk, "serial", arguments.serial.as_deref());
    text_child(&mut disk, "wwn", arguments.wwn.as_deref());
    alias(&mut disk, arguments.alias.as_deref());
    disk.into_text()
}

/// A drive with another medium, or none.
///
/// virsh: `cmdChangeMedia`.
pub(super) fn medium(arguments: &ChangeMedia, drive: &Disk) -> Result<String, Failure> {
    let name = drive.name();
    match (arguments.eject, &arguments.source) {
        (true, _) if drive.is_empty() => {
            return Err(Failure::state(format!("the drive '{name}' is empty already")));
        }
        (false, None) => {
            return Err(Failure::usage(format!("what is to be put into the drive '{name}'?"))
                .help("name an image, or take the medium out with --eject"));
        }
        (false, Some(_)) if arguments.insert && !drive.is_empty() => {
            return Err(Failure::state(format!("there is a medium in the drive '{name}'"))
                .help("--update puts another one in"));
        }
        _ => {}
    }
    let is_block = |source: &String| arguments.block || is_block_device(source);
    let is_block = arguments.source.as_ref().is_some_and(is_block);
    let mut disk = Tag::new("disk");
    disk.attribute("type", if is_block { "block" } else { "file" });
    disk.attribute("device", if drive.is_floppy() { "floppy" } else { "cdrom" });
    disk.child("driver", |driver| {
        driver.attribute("name", "qemu");
        driver.attribute("type", "raw");
    });
    if let Some(source) = &arguments.source {
        disk.attribute_child("source", if is_block { "dev" } else { "file" }, source);
    }
    disk.child("target", |target| {
        target.attribute("dev", name);
        drive.bus().iter().for_each(|bus| target.attribute("bus", &bus.to_string()));
    });
    Ok(disk.into_text())
}

fn is_block_device(path: &str) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device())
}

/// A disk of which only the target counts.
pub(super) fn target(dev: &str) -> String {
    let mut disk = Tag::new("disk");
    disk.attribute("device", "disk");
    disk.attribute_child("target", "dev", dev);
    disk.into_text()
}

/// virsh: `cmdAttachInterface`.
pub(super) fn interface(arguments: &AttachInterface) -> Result<String, Failure> {
    let kind = arguments.kind.as_str();
    let mut interface = Tag::new("interface");
    interface.attribute("type", kind);
    if arguments.managed {
        interface.attribute("managed", "yes");
    }
    if let Some(mac) = &arguments.mac {
        interface.attribute_child("mac", "address", mac);
    }
    let attribute = match kind {
        "network" => Some("network"),
        "bridge" => Some("bridge"),
        "direct" => Some("dev"),
        "hostdev" => Some("hostdev"),
        "user" | "ethernet" => None,
        other => {
            return Err(Failure::usage(format!("there are no interfaces of type '{other}' here"))
                .help("`vdomain attach-device` takes an interface of any type from a document"));
        }
    };
    match (attribute, &arguments.source) {
        (None, None) => {}
        (None, Some(source)) => {
            let message = format!("an interface of type '{kind}' has no source such as '{source}'");
            return Err(Failure::usage(message));
        }
        (Some(_), None) => {
            let message = format!("an interface of type '{kind}' needs a source");
            return Err(Failure::usage(message));
        }
        (Some("hostdev"), Some(source)) => pci(source, &mut interface)?,
        (Some(attribute), Some(source)) => interface.child("source", |tag| {
            tag.attribute(attribute, source);
            arguments.source_mode.iter().for_each(|mode| tag.attribute("mode", mode));
        }),
    }
    if let Some(target) = &arguments.target {
        interface.attribute_child("target", "dev", target);
    }
    if let Some(model) = &arguments.model {
        interface.attribute_child("model", "type", model);
    }
    alias(&mut interface, arguments.alias.as_deref());
    Ok(interface.into_text())
}

/// An interface of which only the type and the MAC address count.
pub(super) fn mac(kind: &str, mac: Option<&str>) -> String {
    let mut interface = Tag::new("interface");
    interface.attribute("type", kind);
    mac.into_iter().for_each(|mac| interface.attribute_child("mac", "address", mac));
    interface.into_text()
}

/// Adds the source of a PCI device such as `0000:06:12.5`.
fn pci(source: &str, interface: &mut Tag) -> Result<(), Failure> {
    let parts: Vec<&str> = source.split([':', '.']).collect();
    let [domain, bus, slot, function] = parts.as_slice() else {
        return Err(Failure::usage(format!("'{source}' is no PCI address"))
            .help("write DOMAIN:BUS:SLOT.FUNCTION, such as 0000:06:12.5"));
    };
    let numbers = [("domain", domain), ("bus", bus), ("slot", slot), ("function", function)];
    interface.child("source", |tag| {
        tag.child("address", |address| {
            address.attribute("type", "pci");
            for (name, number) in numbers {
                address.attribute(name, &format!("0x{number}"));
            }
        });
    });
    Ok(())
}

fn text_child(tag: &mut Tag, name: &'static str, text: Option<&str>) {
    if let Some(text) = text {
        tag.child(name, |child| child.text(text));
    }
}

fn alias(tag: &mut Tag, name: Option<&str>) {
    name.into_iter().for_each(|name| tag.attribute_child("alias", "name", name));
}
