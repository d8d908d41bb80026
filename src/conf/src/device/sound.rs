//! `<sound>`: a sound card.

use base::{Positive, YesNo, words};
use xml::{Origin, Xml};

use crate::device::virtio::VirtioOptions;
use crate::device_info::DeviceInfo;

/// A sound card.
///
/// libvirt: `virDomainSoundDefParseXML`, `virDomainSoundDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Sound {
    /// Where it was written.
    pub origin: Origin,
    /// What the guest sees.
    #[xml(attribute, required)]
    pub model: SoundModel,
    /// Whether a USB card has more than two channels. Absent: no.
    #[xml(attribute, read_if = Sound::is_usb, print_if = Sound::is_usb)]
    pub multichannel: Option<YesNo>,
    /// How many streams a virtio card has. Absent: completion takes 2.
    #[xml(attribute, read_if = Sound::is_virtio, print_if = Sound::is_virtio)]
    pub streams: Option<Positive>,
    /// What is behind an HDA controller. Absent: completion of a start adds a duplex codec.
    #[xml(child, name = "codec", read_if = Sound::is_hda)]
    pub codecs: Vec<Codec>,
    /// The number of the `<audio>` that plays it. Absent: the first one.
    #[xml(attribute_child = "id")]
    pub audio: Option<Positive>,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
    /// Virtio options.
    #[xml(child, read_if = Sound::is_virtio, print_if = Sound::is_virtio)]
    pub driver: Option<VirtioOptions>,
}

impl Sound {
    /// Whether it has codecs: it is an HDA controller.
    ///
    /// libvirt: `virDomainSoundModelSupportsCodecs`.
    pub fn is_hda(&self) -> bool {
        matches!(self.model, SoundModel::Ich6 | SoundModel::Ich9)
    }

    fn is_usb(&self) -> bool {
        self.model == SoundModel::Usb
    }

    fn is_virtio(&self) -> bool {
        self.model == SoundModel::Virtio
    }
}

/// `<codec>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Codec {
    /// What it is.
    #[xml(attribute, name = "type", required)]
    pub kind: CodecType,
}

words! {
    /// What the guest sees of a sound card.
    ///
    /// libvirt: `virDomainSoundModel`.
    pub enum SoundModel {
        /// A Sound Blaster 16 on the ISA bus.
        Sb16 = "sb16",
        /// Ensoniq's AudioPCI. QEMU: `ES1370`.
        Es1370 = "es1370",
        /// The speaker of a PC.
        Pcspk = "pcspk",
        /// Intel's AC97. QEMU: `AC97`.
        Ac97 = "ac97",
        /// The HDA controller of Intel's ICH6. QEMU: `intel-hda`.
        Ich6 = "ich6",
        /// The HDA controller of Intel's ICH9. QEMU: `ich9-intel-hda`.
        Ich9 = "ich9",
        /// A card on a USB bus. QEMU: `usb-audio`.
        Usb = "usb",
        /// The HDA controller of Intel's ICH7; QEMU has none.
        Ich7 = "ich7",
        /// A virtio device. QEMU: `virtio-sound`.
        Virtio = "virtio",
    }
}

words! {
    /// What a codec has.
    ///
    /// libvirt: `virDomainSoundCodecType`.
    pub enum CodecType {
        /// A line out and a line in. QEMU: `hda-duplex`.
        Duplex = "duplex",
        /// A speaker and a microphone. QEMU: `hda-micro`.
        Micro = "micro",
        /// A line out. QEMU: `hda-output`.
        Output = "output",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn what_belongs_to_another_model_has_no_effect() {
        let text = "<sound model='ac97' streams='3' multichannel='yes'><codec type='duplex'/>\
            <driver iommu='on'/></sound>";
        let (sound, warnings) = read::<Sound>("sound", text).unwrap();
        assert_eq!(sound, Sound { model: SoundModel::Ac97, ..Sound::default() });
        assert_eq!(warnings.len(), 4, "{warnings:?}");
    }

    #[test]
    fn a_card_has_at_least_one_stream() {
        assert_eq!(
            reprint::<Sound>("sound", "<sound model='virtio' streams='0'/>").unwrap_err(),
            ["'0' is not a value of 'streams' in <sound>: expected a number from 1 to 4294967295"]
        );
    }
}
