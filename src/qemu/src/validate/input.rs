//! Keyboards, mice, tablets.
//!
//! libvirt: `virDomainInputDefValidate`, `qemuValidateDomainDeviceDefInput`.

use base::OnOff;
use conf::device::input::{InputBus, InputType};
use conf::device::virtio::VirtioModel;

use super::{Check, Rule, attribute};

pub(super) const RULES: &[Rule] = &[
    Rule::new("ps2-input-needs-ps2", "there is no port when the feature is off", ps2_is_on),
    Rule::new("input-fits-bus", "each bus has its own kinds of input devices", bus),
    Rule::new("input-is-virtio-1", "virtio's input devices came with its version 1", model),
];

fn ps2_is_on(check: &mut Check<'_>) {
    let is_off = check.domain.features.as_ref().is_some_and(|f| f.ps2 == Some(OnOff::Off));
    for input in check.domain.devices.inputs.iter().filter(|_| is_off) {
        if input.bus == Some(InputBus::Ps2) {
            let message = "an input device on the bus 'ps2', whose controller is off";
            let help = "write bus='usb' or 'virtio', or leave out <ps2 state='off'/>";
            check.refuse(input.origin, attribute("bus"), message, help);
        }
    }
}

fn bus(check: &mut Check<'_>) {
    for input in &check.domain.devices.inputs {
        let expected = match (&input.kind, input.bus) {
            (InputType::Mouse | InputType::Keyboard, Some(InputBus::Ps2)) => continue,
            (
                InputType::Mouse | InputType::Keyboard | InputType::Tablet,
                Some(InputBus::Usb | InputBus::Virtio),
            ) => continue,
            (InputType::Passthrough(_), Some(InputBus::Virtio)) | (InputType::Evdev(_), None) => {
                continue;
            }
            (InputType::Mouse | InputType::Keyboard, _) => "ps2, usb or virtio",
            (InputType::Tablet, _) => "usb or virtio",
            (InputType::Passthrough(_), _) => "virtio",
            (InputType::Evdev(_), _) => "no 'bus'",
        };
        let bus = input.bus.map_or_else(|| "none".to_owned(), |bus| bus.to_string());
        let message = format!("there is no such input device on the bus '{bus}'");
        check.refuse_value(input.origin, "bus", message, expected);
    }
}

fn model(check: &mut Check<'_>) {
    for input in &check.domain.devices.inputs {
        match input.model {
            Some(model) if input.bus != Some(InputBus::Virtio) => {
                let message = format!("model='{model}' is for bus='virtio'");
                check.refuse(input.origin, attribute("model"), message, "leave it out");
            }
            Some(model @ (VirtioModel::Transitional | VirtioModel::NonTransitional)) => {
                let message = format!("there is no input device of the model '{model}'");
                check.refuse_value(input.origin, "model", message, "virtio");
            }
            _ => {}
        }
    }
}
