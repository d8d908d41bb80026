//! `<audio>`: what plays the guest's sound on the host, and records for it.

mod io;

use base::{BadValue, Datatype, Positive, Value, YesNo, words};
use xml::{Origin, Xml};

pub use io::{
    AlsaIo, AudioFormat, AudioIo, CoreaudioIo, JackIo, OssIo, PipewireIo, PulseaudioIo, SdlIo,
    Settings,
};

/// What plays the guest's sound on the host.
///
/// libvirt: `virDomainAudioDefParseXML`, `virDomainAudioDefFormat`. QEMU: `-audiodev`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Audio {
    /// Where it was written.
    pub origin: Origin,
    /// Its number, by which sound cards and displays name it.
    #[xml(attribute, required)]
    pub id: Positive,
    /// Microseconds between its turns. Absent: QEMU's 10000.
    #[xml(attribute, name = "timerPeriod")]
    pub timer_period: Option<Positive>,
    /// What it is.
    #[xml(flatten, key_after = "id")]
    pub backend: AudioBackend,
}

impl Audio {
    /// What is said of recording, whatever the backend.
    pub fn input(&self) -> Option<&AudioIo> {
        self.backend.directions().0
    }

    /// What is said of playing, whatever the backend.
    pub fn output(&self) -> Option<&AudioIo> {
        self.backend.directions().1
    }
}

/// What plays sound.
///
/// libvirt: `virDomainAudioType`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "type")]
pub enum AudioBackend {
    /// Nothing: sound is lost.
    #[xml(word = "none")]
    None(Plain),
    /// ALSA.
    #[xml(word = "alsa")]
    Alsa(Alsa),
    /// macOS's CoreAudio.
    #[xml(word = "coreaudio")]
    Coreaudio(Coreaudio),
    /// JACK.
    #[xml(word = "jack")]
    Jack(Jack),
    /// OSS.
    #[xml(word = "oss")]
    Oss(Oss),
    /// PulseAudio. QEMU: `pa`.
    #[xml(word = "pulseaudio")]
    Pulseaudio(Pulseaudio),
    /// SDL.
    #[xml(word = "sdl")]
    Sdl(Sdl),
    /// The clients of the SPICE server.
    #[xml(word = "spice")]
    Spice(Plain),
    /// A WAV file. QEMU: `wav`.
    #[xml(word = "file")]
    File(File),
    /// The clients of the D-Bus display.
    #[xml(word = "dbus")]
    Dbus(Plain),
    /// PipeWire.
    #[xml(word = "pipewire")]
    Pipewire(Pipewire),
}

impl AudioBackend {
    fn directions(&self) -> (Option<&AudioIo>, Option<&AudioIo>) {
        macro_rules! common {
            ($backend:expr) => {
                (
                    $backend.input.as_ref().map(|io| &io.common),
                    $backend.output.as_ref().map(|io| &io.common),
                )
            };
        }
        match self {
            Self::None(plain) | Self::Spice(plain) | Self::Dbus(plain) => {
                (plain.input.as_ref(), plain.output.as_ref())
            }
            Self::File(file) => (file.input.as_ref(), file.output.as_ref()),
            Self::Alsa(alsa) => common!(alsa),
            Self::Coreaudio(coreaudio) => common!(coreaudio),
            Self::Jack(jack) => common!(jack),
            Self::Oss(oss) => common!(oss),
            Self::Pulseaudio(pulseaudio) => common!(pulseaudio),
            Self::Sdl(sdl) => common!(sdl),
            Self::Pipewire(pipewire) => common!(pipewire),
        }
    }
}

/// `type='none'`, `type='spice'` and `type='dbus'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Plain {
    /// Recording.
    #[xml(child)]
    pub input: Option<AudioIo>,
    /// Playing.
    #[xml(child)]
    pub output: Option<AudioIo>,
}

/// `type='alsa'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Alsa {
    /// Recording.
    #[xml(child)]
    pub input: Option<AlsaIo>,
    /// Playing.
    #[xml(child)]
    pub output: Option<AlsaIo>,
}

/// `type='coreaudio'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Coreaudio {
    /// Recording.
    #[xml(child)]
    pub input: Option<CoreaudioIo>,
    /// Playing.
    #[xml(child)]
    pub output: Option<CoreaudioIo>,
}

/// `type='jack'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Jack {
    /// Recording.
    #[xml(child)]
    pub input: Option<JackIo>,
    /// Playing.
    #[xml(child)]
    pub output: Option<JackIo>,
}

/// `type='oss'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Oss {
    /// Whether the device's buffer is mapped. Absent: no.
    #[xml(attribute, name = "tryMMap")]
    pub try_mmap: Option<YesNo>,
    /// Whether nobody else may have the device. Absent: no.
    #[xml(attribute)]
    pub exclusive: Option<YesNo>,
    /// The timing policy; -1 is spelt by leaving it out. Absent: QEMU's 5.
    #[xml(attribute, name = "dspPolicy")]
    pub dsp_policy: Option<DspPolicy>,
    /// Recording.
    #[xml(child)]
    pub input: Option<OssIo>,
    /// Playing.
    #[xml(child)]
    pub output: Option<OssIo>,
}

/// `type='pulseaudio'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Pulseaudio {
    /// The server: a host or a socket. Absent: that of the user who runs QEMU.
    #[xml(attribute, name = "serverName")]
    pub server_name: Option<String>,
    /// Recording.
    #[xml(child)]
    pub input: Option<PulseaudioIo>,
    /// Playing.
    #[xml(child)]
    pub output: Option<PulseaudioIo>,
}

/// `type='sdl'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Sdl {
    /// What SDL uses: `SDL_AUDIODRIVER` of QEMU's environment. Absent: SDL's choice.
    #[xml(attribute)]
    pub driver: Option<SdlDriver>,
    /// Recording.
    #[xml(child)]
    pub input: Option<SdlIo>,
    /// Playing.
    #[xml(child)]
    pub output: Option<SdlIo>,
}

/// `type='file'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct File {
    /// The file. Absent: QEMU's `qemu.wav`.
    #[xml(attribute)]
    pub path: Option<String>,
    /// Recording.
    #[xml(child)]
    pub input: Option<AudioIo>,
    /// Playing.
    #[xml(child)]
    pub output: Option<AudioIo>,
}

/// `type='pipewire'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Pipewire {
    /// Where the daemon's socket is: `PIPEWIRE_RUNTIME_DIR` of QEMU's environment. Absent: none is
    /// set.
    #[xml(attribute, name = "runtimeDir")]
    pub runtime_dir: Option<String>,
    /// Recording.
    #[xml(child)]
    pub input: Option<PipewireIo>,
    /// Playing.
    #[xml(child)]
    pub output: Option<PipewireIo>,
}

/// A timing policy of OSS, from 0 for the shortest delay to 10 for the least work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DspPolicy(pub u32);

impl Value for DspPolicy {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        u32::parse(text)
            .ok()
            .flatten()
            .filter(|policy| i32::try_from(*policy).is_ok())
            .map(|policy| Some(Self(policy)))
            .ok_or_else(|| BadValue::new(format!("a number from 0 to {}", i32::MAX)))
    }

    fn write(&self, out: &mut String) {
        self.0.write(out);
    }

    fn datatype() -> Datatype {
        Datatype::Unsigned
    }
}

words! {
    /// What SDL uses.
    ///
    /// libvirt: `virDomainAudioSDLDriver`.
    pub enum SdlDriver {
        /// The Enlightened Sound Daemon.
        Esd = "esd",
        /// ALSA.
        Alsa = "alsa",
        /// KDE's aRts.
        Arts = "arts",
        /// PulseAudio.
        Pulseaudio = "pulseaudio",
    }
}
