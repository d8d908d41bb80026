//! What plays the guest's sound on the host: `-audiodev`.

use base::{Positive, YesNo};
use conf::Domain;
use conf::device::audio::{Audio, AudioBackend, AudioIo};
use serde_json::{Map, Value};

use super::Builder;

/// The name by which sound cards and displays know an `<audio>`; the first one if none is meant.
///
/// libvirt: `qemuAudioIDFromDef`.
pub(super) fn name(domain: &Domain, id: Option<Positive>) -> Option<String> {
    let id = id.or_else(|| Some(domain.devices.audios.first()?.id))?;
    Some(format!("audio{id}"))
}

/// What plays sound.
///
/// libvirt: `qemuBuildAudioCommandLineArg`.
pub(super) fn audio(builder: &mut Builder<'_>, _pos: usize, audio: &Audio) {
    builder.part(format!("audio {}", audio.id), audio.origin);
    let mut properties = Properties::default();
    properties.text("id", Some(format!("audio{}", audio.id)));
    properties.text("driver", Some(driver(&audio.backend).to_owned()));
    properties.number("timer-period", audio.timer_period);
    match &audio.backend {
        AudioBackend::Oss(oss) => {
            properties.switch("try-mmap", oss.try_mmap);
            properties.switch("exclusive", oss.exclusive);
            properties.number("dsp-policy", oss.dsp_policy.map(|policy| policy.0));
        }
        AudioBackend::Pulseaudio(pulseaudio) => {
            properties.text("server", pulseaudio.server_name.clone());
        }
        AudioBackend::File(file) => {
            properties.text("path", file.path.clone());
            let reason = "QEMU opens it when the guest plays its first sound";
            file.path.iter().for_each(|path| builder.by_path(path.clone(), reason));
        }
        AudioBackend::Sdl(sdl) => {
            let driver = sdl.driver.map(|driver| driver.to_string());
            builder.environment.extend(driver.map(|driver| ("SDL_AUDIODRIVER".to_owned(), driver)));
        }
        AudioBackend::Pipewire(pipewire) => {
            let directory = pipewire.runtime_dir.clone();
            let variable = "PIPEWIRE_RUNTIME_DIR".to_owned();
            builder.environment.extend(directory.map(|directory| (variable, directory)));
        }
        _ => {}
    }
    for (name, io) in ["in", "out"].into_iter().zip(directions(&audio.backend)) {
        if let Some(io) = io {
            properties.0.insert(name.to_owned(), Value::Object(io.0));
        }
    }
    builder.argument("audiodev", Value::Object(properties.0).to_string());
}

fn driver(backend: &AudioBackend) -> &'static str {
    match backend {
        AudioBackend::Pulseaudio(_) => "pa",
        AudioBackend::File(_) => "wav",
        backend => backend.word(),
    }
}

/// What is said of recording and of playing.
fn directions(backend: &AudioBackend) -> [Option<Properties>; 2] {
    use AudioBackend as B;
    match backend {
        B::None(a) | B::Spice(a) | B::Dbus(a) => both(&a.input, &a.output, |io| io, |_, _| {}),
        B::File(a) => both(&a.input, &a.output, |io| io, |_, _| {}),
        B::Alsa(a) => both(
            &a.input,
            &a.output,
            |io| &io.common,
            |properties, io| {
                properties.text("dev", io.dev.clone());
            },
        ),
        B::Coreaudio(a) => both(
            &a.input,
            &a.output,
            |io| &io.common,
            |properties, io| {
                properties.number("buffer-count", io.buffer_count);
            },
        ),
        B::Sdl(a) => both(
            &a.input,
            &a.output,
            |io| &io.common,
            |properties, io| {
                properties.number("buffer-count", io.buffer_count);
            },
        ),
        B::Jack(a) => both(
            &a.input,
            &a.output,
            |io| &io.common,
            |properties, io| {
                properties.text("server-name", io.server_name.clone());
                properties.text("client-name", io.client_name.clone());
                properties.text("connect-ports", io.connect_ports.clone());
                properties.switch("exact-name", io.exact_name);
            },
        ),
        B::Oss(a) => both(
            &a.input,
            &a.output,
            |io| &io.common,
            |properties, io| {
                properties.text("dev", io.dev.clone());
                properties.number("buffer-count", io.buffer_count);
                properties.switch("try-poll", io.try_poll);
            },
        ),
        B::Pulseaudio(a) => both(
            &a.input,
            &a.output,
            |io| &io.common,
            |properties, io| {
                properties.text("name", io.name.clone());
                properties.text("stream-name", io.stream_name.clone());
                properties.number("latency", io.latency);
            },
        ),
        B::Pipewire(a) => both(
            &a.input,
            &a.output,
            |io| &io.common,
            |properties, io| {
                properties.text("name", io.name.clone());
                properties.text("stream-name", io.stream_name.clone());
                properties.number("latency", io.latency);
            },
        ),
    }
}

/// Both directions: what every backend has, then what only this one has.
fn both<T>(
    input: &Option<T>,
    output: &Option<T>,
    common: impl Fn(&T) -> &AudioIo,
    own: impl Fn(&mut Properties, &T),
) -> [Option<Properties>; 2] {
    [input, output].map(|direction| {
        let direction = direction.as_ref()?;
        let mut properties = Properties::default();
        let io = common(direction);
        properties.switch("mixing-engine", io.mixing_engine);
        properties.switch("fixed-settings", io.fixed_settings);
        properties.number("voices", io.voices);
        properties.number("buffer-length", io.buffer_length);
        if let Some(settings) = &io.settings {
            properties.number("frequency", settings.frequency);
            properties.number("channels", settings.channels);
            properties.text("format", settings.format.map(|format| format.to_string()));
        }
        own(&mut properties, direction);
        Some(properties)
    })
}

/// Members of a JSON object.
#[derive(Clone, Debug, Default)]
struct Properties(Map<String, Value>);

impl Properties {
    fn text(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }

    fn number(&mut self, name: &str, value: Option<impl Into<u32>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into().into());
        }
    }

    fn switch(&mut self, name: &str, value: Option<YesNo>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), bool::from(value).into());
        }
    }
}
