//! Keyboards, mice and tablets, and input devices of the host.

use conf::device::input::{Evdev, Grab, Input, InputBus, InputType};
use conf::device::{DeviceKind, Hub};
use serde_json::json;

use super::blockdev::object;
use super::device::Device;
use super::{Access, Builder, Open};

/// An input device; those on PS/2 ports the machine has built in.
///
/// libvirt: `qemuBuildInputCommandLine`.
pub(super) fn input(builder: &mut Builder<'_>, pos: usize, input: &Input) {
    let kind = input.kind.word();
    builder.part(format!("{kind} {pos}"), input.origin);
    let alias = builder.aliases.get(DeviceKind::Input, pos).to_owned();
    if let InputType::Evdev(evdev) = &input.kind {
        self::evdev(builder, evdev, &alias);
        return;
    }
    let mut device = match (input.bus, &input.kind) {
        (Some(InputBus::Ps2), _) => return,
        (Some(InputBus::Usb), kind) => Device::new(match kind {
            InputType::Mouse => "usb-mouse",
            InputType::Tablet => "usb-tablet",
            _ => "usb-kbd",
        }),
        (Some(InputBus::Virtio), kind) => {
            let base = match kind {
                InputType::Mouse => "virtio-mouse-pci",
                InputType::Tablet => "virtio-tablet-pci",
                InputType::Keyboard => "virtio-keyboard-pci",
                InputType::Passthrough(_) | InputType::Evdev(_) => "virtio-input-host-pci",
            };
            Device::virtio(base, input.model, input.driver.as_ref())
        }
        (bus, _) => {
            let bus = bus.map_or_else(String::new, |bus| format!(" on bus '{bus}'"));
            builder.refuse(format!("QEMU has no {kind}{bus}"));
            return;
        }
    };
    device.set("id", alias.as_str());
    if let Some(node) = input.evdev() {
        let open = Open::Device { access: Access::Rw };
        let fd = builder.fd(format!("{alias}-evdev"), node, open);
        device.set("evdev", builder.inherited_path(fd));
    }
    device.address(&input.info, builder);
    builder.device(device);
}

/// What an input device of the host sends, for whichever device the guest has.
fn evdev(builder: &mut Builder<'_>, evdev: &Evdev, alias: &str) {
    let Some(source) = &evdev.source else {
        builder.refuse("an input device of the host needs <source dev='…'/>");
        return;
    };
    let open = Open::Device { access: Access::Rw };
    let fd = builder.fd(format!("{alias}-evdev"), source.dev.to_string(), open);
    let path = builder.inherited_path(fd);
    let mut properties = object(json!({"qom-type": "input-linux", "id": alias, "evdev": path}));
    if let Some(repeat) = source.repeat {
        properties.insert("repeat".to_owned(), bool::from(repeat).into());
    }
    if source.grab == Some(Grab::All) {
        properties.insert("grab_all".to_owned(), true.into());
    }
    if let Some(toggle) = source.grab_toggle {
        properties.insert("grab-toggle".to_owned(), toggle.to_string().into());
    }
    builder.object(properties.into());
}

/// A USB hub.
pub(super) fn hub(builder: &mut Builder<'_>, pos: usize, hub: &Hub) {
    builder.part(format!("hub {pos}"), hub.origin);
    let mut device = Device::new("usb-hub");
    device.set("id", builder.aliases.get(DeviceKind::Hub, pos));
    device.address(&hub.info, builder);
    builder.device(device);
}
