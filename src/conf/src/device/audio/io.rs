//! `<input>` and `<output>` of an `<audio>`: how sound is recorded and played.

use std::num::NonZeroU32;

use base::{Positive, YesNo, words};
use xml::{El, Part, Reader, Xml};

/// What all backends know of recording and playing.
///
/// libvirt: `virDomainAudioCommonParse`, `virDomainAudioCommonFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = AudioIo::finish)]
pub struct AudioIo {
    /// Whether QEMU mixes and converts. Absent: yes.
    #[xml(attribute, name = "mixingEngine")]
    pub mixing_engine: Option<YesNo>,
    /// Whether the host always gets the same kind of sound; needs the mixing engine. Absent: no.
    #[xml(attribute, name = "fixedSettings")]
    pub fixed_settings: Option<YesNo>,
    /// How many can be played at once. Absent: QEMU's 1.
    #[xml(attribute)]
    pub voices: Option<Positive>,
    /// The length of the buffer in microseconds. Absent: the backend's choice.
    #[xml(attribute, name = "bufferLength")]
    pub buffer_length: Option<Positive>,
    /// What the host gets, with fixed settings.
    #[xml(child, keep_empty)]
    pub settings: Option<Settings>,
}

impl AudioIo {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let fixed = self.fixed_settings == Some(YesNo::Yes);
        if fixed && self.mixing_engine != Some(YesNo::Yes) {
            let part = Part::Attribute("fixedSettings".to_owned());
            reader.error(el.origin(), part, "fixed settings need mixingEngine='yes'");
        }
        if fixed {
            self.settings.get_or_insert_default();
        } else if self.settings.is_some() {
            let message = "<settings> needs fixedSettings='yes'";
            reader.error(el.child("settings").unwrap_or(el).origin(), Part::Name, message);
        }
    }
}

/// `<settings>`: the kind of sound that the host gets. Absent: QEMU's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Settings {
    /// Samples in a second.
    #[xml(attribute)]
    pub frequency: Option<Positive>,
    /// How many channels.
    #[xml(attribute)]
    pub channels: Option<Positive>,
    /// What a sample is.
    #[xml(attribute)]
    pub format: Option<AudioFormat>,
}

words! {
    /// What a sample is.
    ///
    /// libvirt: `virDomainAudioFormat`. QEMU: `AudioFormat`.
    pub enum AudioFormat {
        /// 8 bits without a sign.
        U8 = "u8",
        /// 8 bits.
        S8 = "s8",
        /// 16 bits without a sign.
        U16 = "u16",
        /// 16 bits.
        S16 = "s16",
        /// 32 bits without a sign.
        U32 = "u32",
        /// 32 bits.
        S32 = "s32",
        /// 32 bits with a point.
        F32 = "f32",
    }
}

/// `<input>` or `<output>` of ALSA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct AlsaIo {
    /// What all backends know.
    #[xml(flatten)]
    pub common: AudioIo,
    /// The device. Absent: `default`.
    #[xml(attribute)]
    pub dev: Option<String>,
}

/// `<input>` or `<output>` of CoreAudio.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct CoreaudioIo {
    /// What all backends know.
    #[xml(flatten)]
    pub common: AudioIo,
    /// How many buffers. Absent: QEMU's 4.
    #[xml(attribute, name = "bufferCount")]
    pub buffer_count: Option<NonZeroU32>,
}

/// `<input>` or `<output>` of JACK.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct JackIo {
    /// What all backends know.
    #[xml(flatten)]
    pub common: AudioIo,
    /// The server. Absent: the default one.
    #[xml(attribute, name = "serverName")]
    pub server_name: Option<String>,
    /// The name by which the server knows the guest. Absent: the guest's own.
    #[xml(attribute, name = "clientName")]
    pub client_name: Option<String>,
    /// A regular expression of the ports to connect to. Absent: none.
    #[xml(attribute, name = "connectPorts")]
    pub connect_ports: Option<String>,
    /// Whether the name may not be changed to make it unique. Absent: it may.
    #[xml(attribute, name = "exactName")]
    pub exact_name: Option<YesNo>,
}

/// `<input>` or `<output>` of OSS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct OssIo {
    /// What all backends know.
    #[xml(flatten)]
    pub common: AudioIo,
    /// The device. Absent: `/dev/dsp`.
    #[xml(attribute)]
    pub dev: Option<String>,
    /// How many buffers. Absent: QEMU's 4.
    #[xml(attribute, name = "bufferCount")]
    pub buffer_count: Option<NonZeroU32>,
    /// Whether QEMU waits for the device instead of looking again and again. Absent: yes.
    #[xml(attribute, name = "tryPoll")]
    pub try_poll: Option<YesNo>,
}

/// `<input>` or `<output>` of PulseAudio.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct PulseaudioIo {
    /// What all backends know.
    #[xml(flatten)]
    pub common: AudioIo,
    /// The sink or source. Absent: the server's default.
    #[xml(attribute)]
    pub name: Option<String>,
    /// The name of the stream. Absent: QEMU's name of the device.
    #[xml(attribute, name = "streamName")]
    pub stream_name: Option<String>,
    /// The delay to aim at, in microseconds. Absent: QEMU's 15000.
    #[xml(attribute)]
    pub latency: Option<NonZeroU32>,
}

/// `<input>` or `<output>` of SDL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct SdlIo {
    /// What all backends know.
    #[xml(flatten)]
    pub common: AudioIo,
    /// How many buffers. Absent: QEMU's 4.
    #[xml(attribute, name = "bufferCount")]
    pub buffer_count: Option<NonZeroU32>,
}

/// `<input>` or `<output>` of PipeWire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct PipewireIo {
    /// What all backends know.
    #[xml(flatten)]
    pub common: AudioIo,
    /// The sink or source. Absent: the daemon's default.
    #[xml(attribute)]
    pub name: Option<String>,
    /// The name of the stream. Absent: QEMU's name of the device.
    #[xml(attribute, name = "streamName")]
    pub stream_name: Option<String>,
    /// The delay to aim at, in microseconds. Absent: QEMU's 46440.
    #[xml(attribute)]
    pub latency: Option<Positive>,
}

#[cfg(test)]
mod tests {
    use crate::device::Audio;
    use crate::testing::reprint;

    fn alsa(output: &str) -> Result<String, Vec<String>> {
        reprint::<Audio>("audio", &format!("<audio type='alsa' id='1'>{output}</audio>"))
    }

    #[test]
    fn fixed_settings_are_printed_even_if_none_is_chosen() {
        assert_eq!(
            alsa("<output dev='hw:0' mixingEngine='yes' fixedSettings='yes'/>").unwrap(),
            "<audio id='1' type='alsa'>\n  \
             <output mixingEngine='yes' fixedSettings='yes' dev='hw:0'>\n    <settings/>\n  \
             </output>\n</audio>\n"
        );
    }

    #[test]
    fn settings_must_be_fixed_and_fixed_ones_need_the_mixing_engine() {
        assert_eq!(
            alsa("<output><settings channels='2'/></output>").unwrap_err(),
            ["<settings> needs fixedSettings='yes'"]
        );
        assert_eq!(
            alsa("<output fixedSettings='yes'/>").unwrap_err(),
            ["fixed settings need mixingEngine='yes'"]
        );
    }
}
