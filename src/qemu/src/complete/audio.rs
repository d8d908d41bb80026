//! What plays the guest's sound on the host.

use std::num::NonZeroU32;

use base::{Positive, Value};
use conf::Domain;
use conf::device::Audio;
use conf::device::audio::{AudioBackend, Sdl, SdlDriver};
use conf::device::graphics::GraphicsType;
use conf::device::sound::SoundModel;
use xml::Origin;

use super::context::Context;

/// What decides where sound goes that the document does not speak of.
enum Choice {
    /// Nowhere.
    Silent,
    /// To whoever looks at the display.
    Spice,
    /// To the host, as the environment says; where that says nothing, to wherever QEMU likes.
    Host,
}

/// A guest without `<audio>` gets one that suits its display.
///
/// libvirt: `qemuDomainDefAddDefaultAudioBackend`.
pub(super) fn default_backend(domain: &mut Domain, context: &mut Context<'_>) {
    if !domain.devices.audios.is_empty() {
        return;
    }
    let settings = &context.host.settings;
    let unless = |allowed: bool| if allowed { Choice::Host } else { Choice::Silent };
    let mut choice = None;
    for graphics in &domain.devices.graphics {
        match graphics.kind {
            GraphicsType::Vnc(_) => choice = Some(unless(settings.vnc_host_audio)),
            GraphicsType::Spice(_) => choice = Some(Choice::Spice),
            GraphicsType::Sdl(_) => choice = Some(Choice::Host),
            _ => {}
        }
    }
    if domain.devices.graphics.is_empty() {
        choice = Some(unless(settings.no_graphics_host_audio));
    }
    let backend = match choice {
        None => return,
        Some(Choice::Silent) => AudioBackend::None(Default::default()),
        Some(Choice::Spice) => AudioBackend::Spice(Default::default()),
        Some(Choice::Host) => match of_environment(context) {
            Some(backend) => backend,
            None => return,
        },
    };
    domain.devices.audios.push(Audio {
        origin: Origin::Step("default audio backend"),
        backend,
        ..Audio::default()
    });
}

/// What QEMU's own variable says, in the words that QEMU had for backends before version 4.
fn of_environment(context: &Context<'_>) -> Option<AudioBackend> {
    let variable = |name: &str| context.host.environment.get(name).map(String::as_str);
    Some(match variable("QEMU_AUDIO_DRV")? {
        "none" => AudioBackend::None(Default::default()),
        "alsa" => AudioBackend::Alsa(Default::default()),
        "coreaudio" => AudioBackend::Coreaudio(Default::default()),
        "jack" => AudioBackend::Jack(Default::default()),
        "oss" => AudioBackend::Oss(Default::default()),
        "pa" => AudioBackend::Pulseaudio(Default::default()),
        "sdl" => {
            let driver = variable("SDL_AUDIODRIVER");
            let driver = driver.and_then(|word| SdlDriver::parse(word).ok().flatten());
            AudioBackend::Sdl(Sdl { driver, ..Sdl::default() })
        }
        "spice" => AudioBackend::Spice(Default::default()),
        "wav" => AudioBackend::File(Default::default()),
        "dbus" => AudioBackend::Dbus(Default::default()),
        "pipewire" => AudioBackend::Pipewire(Default::default()),
        _ => return None,
    })
}

/// A virtio sound card has two streams.
///
/// libvirt: `virDomainSoundDefPostParse`.
pub(super) fn sounds(domain: &mut Domain, _context: &mut Context<'_>) {
    for sound in &mut domain.devices.sounds {
        if sound.model == SoundModel::Virtio {
            sound.streams.get_or_insert(Positive(NonZeroU32::MIN.saturating_add(1)));
        }
    }
}
