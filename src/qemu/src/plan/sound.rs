//! Sound cards.

use conf::Domain;
use conf::device::DeviceKind;
use conf::device::sound::{CodecType, Sound, SoundModel};

use super::argument::Argument;
use super::device::Device;
use super::{Builder, audio};

/// What `-machine` says about the speaker of a PC.
pub(super) fn of_machine(machine: &mut Argument, domain: &Domain) {
    let speaker = domain.devices.sounds.iter().find(|sound| sound.model == SoundModel::Pcspk);
    machine.maybe("pcspk-audiodev", speaker.and_then(|sound| audio::name(domain, sound.audio)));
}

/// A sound card, with what is behind an HDA controller.
///
/// libvirt: `qemuBuildSoundCommandLine`.
pub(super) fn sound(builder: &mut Builder<'_>, pos: usize, sound: &Sound) {
    builder.part(format!("sound {pos}"), sound.origin);
    let alias = builder.aliases.get(DeviceKind::Sound, pos).to_owned();
    let audiodev = audio::name(builder.domain, sound.audio);
    let mut device = match sound.model {
        SoundModel::Pcspk => return,
        SoundModel::Es1370 => Device::new("ES1370"),
        SoundModel::Ac97 => Device::new("AC97"),
        SoundModel::Sb16 => Device::new("sb16"),
        SoundModel::Usb => Device::new("usb-audio"),
        SoundModel::Ich6 => Device::new("intel-hda"),
        SoundModel::Ich9 => Device::new("ich9-intel-hda"),
        SoundModel::Virtio => Device::virtio("virtio-sound-pci", None, sound.driver.as_ref()),
        SoundModel::Ich7 => {
            builder.refuse("QEMU has no sound card of model 'ich7'").help =
                Some("use 'ich6' or 'ich9'".to_owned());
            return;
        }
    };
    device.set("id", alias.as_str());
    if !sound.is_hda() {
        device.maybe("audiodev", audiodev.clone());
    }
    device.switch("multi", sound.multichannel);
    device.maybe("streams", sound.streams.map(u32::from));
    device.address(&sound.info, builder);
    builder.device(device);
    if !sound.is_hda() {
        return;
    }
    let kinds: Vec<CodecType> = sound.codecs.iter().map(|codec| codec.kind).collect();
    let kinds = if kinds.is_empty() { vec![CodecType::Duplex] } else { kinds };
    for (cad, kind) in kinds.into_iter().enumerate() {
        let mut codec = Device::new(match kind {
            CodecType::Duplex => "hda-duplex",
            CodecType::Micro => "hda-micro",
            CodecType::Output => "hda-output",
        });
        codec.set("id", format!("{alias}-codec{cad}")).set("bus", format!("{alias}.0"));
        codec.set("cad", cad).maybe("audiodev", audiodev.clone());
        builder.device(codec);
    }
}
