//! Sound cards, and what plays their sound.
//!
//! libvirt: `virDomainAudioDefValidate`, `qemuValidateDomainDeviceDefAudio`,
//! `virDomainEnsureAudioID`.

use conf::device::audio::AudioBackend;
use conf::device::graphics::GraphicsType;
use conf::device::sound::SoundModel;
use xml::{Origin, Part};

use super::{Check, Rule, attribute, graphics, within};

pub(super) const RULES: &[Rule] = &[
    Rule::new("audio-number-once", "cards and displays name a backend by its number", once),
    Rule::new("audio-exists", "what is named must be there", exists),
    Rule::new("dbus-display-has-dbus-audio", "a bus carries what is played to it", dbus),
    Rule::new("spice-audio-needs-spice", "sound goes through the display", spice),
    Rule::new("sound-card-is-there", "a card is a device of QEMU", there),
];

fn once(check: &mut Check<'_>) {
    let audios = &check.domain.devices.audios;
    for (at, audio) in audios.iter().enumerate() {
        if audios[..at].iter().any(|other| other.id == audio.id) {
            let message = format!("another <audio> has number {}, too", audio.id.get());
            check.refuse(audio.origin, attribute("id"), message, "number them differently");
        }
    }
}

fn exists(check: &mut Check<'_>) {
    let devices = &check.domain.devices;
    let mut named: Vec<(Origin, u32)> = Vec::new();
    named.extend(devices.sounds.iter().filter_map(|s| Some((s.origin, s.audio?.get()))));
    named.extend(devices.graphics.iter().filter_map(|graphics| {
        let audio = match &graphics.kind {
            GraphicsType::Vnc(vnc) => vnc.audio,
            GraphicsType::Dbus(dbus) => dbus.audio,
            _ => None,
        };
        Some((graphics.origin, audio?.get()))
    }));
    for (origin, id) in named {
        if !devices.audios.iter().any(|audio| audio.id.get() == id) {
            let message = format!("there is no <audio> with number {id}");
            check.refuse(origin, Part::Name, message, format!("add <audio id='{id}' type='…'/>"));
        }
    }
}

fn dbus(check: &mut Check<'_>) {
    let devices = &check.domain.devices;
    for graphics in &devices.graphics {
        let GraphicsType::Dbus(dbus) = &graphics.kind else { continue };
        let audio = devices.audios.iter().find(|audio| dbus.audio == Some(audio.id));
        if audio.is_some_and(|audio| !matches!(audio.backend, AudioBackend::Dbus(_))) {
            let message = "the <audio> of a display on a bus is not on one";
            let help = "write <audio type='dbus'/> for it";
            check.refuse(graphics.origin, within("audio@id"), message, help);
        }
    }
}

fn spice(check: &mut Check<'_>) {
    if graphics::has_spice(check.domain) {
        return;
    }
    for audio in &check.domain.devices.audios {
        if matches!(audio.backend, AudioBackend::Spice(_)) {
            let message = "sound goes to a SPICE display, which there is not";
            let help = "add <graphics type='spice'/>, or write type='none'";
            check.refuse(audio.origin, attribute("type"), message, help);
        }
    }
}

fn there(check: &mut Check<'_>) {
    for sound in &check.domain.devices.sounds {
        let device = match sound.model {
            SoundModel::Usb => "usb-audio",
            SoundModel::Ich9 => "ich9-intel-hda",
            SoundModel::Virtio => "virtio-sound-pci",
            SoundModel::Ich7 => {
                let message = "QEMU has no sound card 'ich7'";
                check.refuse_value(sound.origin, "model", message, "ich6 or ich9");
                continue;
            }
            _ => continue,
        };
        check.need_type(device, sound.origin, "such sound card");
    }
}
