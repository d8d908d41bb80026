//! Serial and parallel ports, consoles and channels.

use conf::device::channel::{Channel, ChannelTarget};
use conf::device::console::{Console, ConsoleTargetType};
use conf::device::serial::{Serial, SerialTargetModel};
use conf::device::{DeviceKind, Parallel};
use serde_json::json;

use super::Builder;
use super::blockdev::object;
use super::device::Device;
use super::source::{Words, chardev};
use crate::alias::Aliases;
use crate::complete::CompleteDomain;
use crate::host::Host;

/// A serial port.
///
/// libvirt: `qemuBuildSerialChrDeviceProps`.
pub(super) fn serial(builder: &mut Builder<'_>, pos: usize, serial: &Serial) {
    builder.part(format!("serial {pos}"), serial.origin);
    let alias = builder.aliases.get(DeviceKind::Serial, pos).to_owned();
    let Some(chardev) = chardev(builder, &alias, &serial.chardev, Words::USUAL, None) else {
        return;
    };
    let driver = match serial.target.model {
        Some(SerialTargetModel::UsbSerial) => "usb-serial",
        Some(SerialTargetModel::PciSerial) => "pci-serial",
        Some(SerialTargetModel::IsaDebugcon) => "isa-debugcon",
        None | Some(SerialTargetModel::IsaSerial) => "isa-serial",
        Some(model) => {
            builder.refuse(format!("this machine has no serial port of model '{model}'"));
            return;
        }
    };
    let mut device = Device::new(driver);
    device.set("chardev", chardev.id.as_str()).set("id", alias);
    if driver == "isa-serial" {
        device.maybe("index", serial.target.port);
    }
    device.address(&serial.info, builder);
    builder.chardev(chardev);
    builder.device(device);
}

/// A parallel port.
pub(super) fn parallel(builder: &mut Builder<'_>, pos: usize, parallel: &Parallel) {
    builder.part(format!("parallel {pos}"), parallel.origin);
    let alias = builder.aliases.get(DeviceKind::Parallel, pos).to_owned();
    let words = Words { device: "parallel", ..Words::USUAL };
    let Some(chardev) = chardev(builder, &alias, &parallel.chardev, words, None) else { return };
    let mut device = Device::new("isa-parallel");
    device.set("chardev", chardev.id.as_str()).set("id", alias);
    device.address(&parallel.info, builder);
    builder.chardev(chardev);
    builder.device(device);
}

/// A console; one that is another name of a serial port is there already.
pub(super) fn console(builder: &mut Builder<'_>, pos: usize, console: &Console) {
    if console.is_serial() {
        return;
    }
    builder.part(format!("console {pos}"), console.origin);
    if console.target.kind != Some(ConsoleTargetType::Virtio) {
        let kind = console.target.kind.unwrap_or_default();
        builder.refuse(format!("this machine has no console of type '{kind}'"));
        return;
    }
    let alias = builder.aliases.get(DeviceKind::Console, pos).to_owned();
    let Some(chardev) = chardev(builder, &alias, &console.chardev, Words::USUAL, None) else {
        return;
    };
    let mut device = Device::new("virtconsole");
    device.address(&console.info, builder);
    device.set("chardev", chardev.id.as_str()).set("id", alias);
    builder.chardev(chardev);
    builder.device(device);
}

/// A channel.
///
/// libvirt: `qemuBuildChannelsCommandLine`.
pub(super) fn channel(builder: &mut Builder<'_>, pos: usize, channel: &Channel) {
    let name = channel.virtio_name();
    let purpose = name.map_or_else(|| format!("channel {pos}"), |name| format!("channel {name}"));
    builder.part(purpose, channel.origin);
    let alias = builder.aliases.get(DeviceKind::Channel, pos).to_owned();
    let file = name.map_or_else(|| format!("{alias}.sock"), str::to_owned);
    let directory = Host::of_guest(&builder.host.directories.channels, &builder.domain.name);
    let path = format!("{directory}/{file}");
    let Some(chardev) = chardev(builder, &alias, &channel.chardev, Words::USUAL, Some(path)) else {
        return;
    };
    match &channel.target {
        ChannelTarget::Virtio(target) => {
            let mut device = Device::new("virtserialport");
            device.address(&channel.info, builder);
            device.set("chardev", chardev.id.as_str()).set("id", alias);
            let agent = chardev.is_spice_agent().then_some("com.redhat.spice.0");
            device.maybe("name", target.name.as_deref().or(agent));
            builder.chardev(chardev);
            builder.device(device);
        }
        ChannelTarget::Guestfwd(target) => {
            let forward = format!("tcp:{}:{}-chardev:{}", target.address, target.port, chardev.id);
            builder.chardev(chardev);
            let netdev = json!({"type": "user", "guestfwd": [{"str": forward}], "id": alias});
            builder.netdev(object(netdev), Vec::new());
        }
        ChannelTarget::Xen(_) => {
            builder.refuse("a channel of type 'xen' is only for Xen");
        }
    }
}

/// The character device of each console, in the order of the document: that of the serial port where
/// the console is another name of one.
pub fn consoles(domain: &CompleteDomain) -> Vec<String> {
    let aliases = Aliases::assign(domain);
    (0..domain.devices.consoles.len())
        .map(|pos| format!("char{}", aliases.get(DeviceKind::Console, pos)))
        .collect()
}
