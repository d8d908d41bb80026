//! Video cards.

use std::num::NonZeroU32;

use base::Yes;
use conf::Domain;
use conf::device::Video;
use conf::device::video::{VideoModel, VideoType};
use xml::Origin;

use super::Mode;
use super::context::Context;

/// Memory of a card that has a fixed default, in KiB.
const PLAIN_MEMORY: u32 = 16 << 10;
/// Memory of a QXL card, in KiB.
const QXL_MEMORY: u32 = 64 << 10;

/// A card that is said to be the primary one comes first.
///
/// libvirt: `virDomainDefParseXML`.
pub(super) fn primary_first(domain: &mut Domain, _context: &mut Context<'_>) {
    let mut sorted: Vec<Video> = Vec::new();
    for video in std::mem::take(&mut domain.devices.videos) {
        let place = if video.model.primary.is_some() { 0 } else { sorted.len() };
        sorted.insert(place, video);
    }
    domain.devices.videos = sorted;
}

/// A guest with a display has a card, and the first card is the primary one. Where that card is
/// none at all, nothing else is said of it.
///
/// libvirt: `virDomainDefAddImplicitVideo`, `virDomainDefPostParseVideo`.
pub(super) fn implicit(domain: &mut Domain, _context: &mut Context<'_>) {
    let devices = &mut domain.devices;
    if devices.videos.is_empty() && !devices.graphics.is_empty() {
        let origin = Origin::Step("card of the display");
        devices.videos.push(Video { origin, ..Video::default() });
    }
    let Some(first) = devices.videos.first_mut() else { return };
    if first.model.kind == Some(VideoType::None) {
        first.driver = None;
        first.info.address = None;
        first.model = VideoModel {
            origin: first.model.origin,
            kind: Some(VideoType::None),
            heads: Some(0),
            ..VideoModel::default()
        };
    } else {
        first.model.primary = Some(Yes::Yes);
    }
}

/// Fills in models, screens and sizes of memory.
///
/// libvirt: `virDomainVideoDefPostParse`, `qemuDomainDeviceVideoDefPostParse`.
pub(super) fn defaults(domain: &mut Domain, context: &mut Context<'_>) {
    let capabilities = context.capabilities;
    let default = if capabilities.has("cirrus-vga") { VideoType::Cirrus } else { VideoType::Vga };
    for video in &mut domain.devices.videos {
        let model = &mut video.model;
        let kind = *model.kind.get_or_insert(default);
        // libvirt prints no number of screens where it is 0, and reads that back as 1.
        if context.mode == Mode::Define && kind != VideoType::None {
            model.heads = model.heads.filter(|heads| *heads > 0);
        }
        model.heads.get_or_insert(1);
        let vram = match kind {
            VideoType::Vga | VideoType::Cirrus | VideoType::Vmvga | VideoType::Bochs => {
                PLAIN_MEMORY
            }
            VideoType::Qxl => QXL_MEMORY,
            VideoType::Xen => 4 << 10,
            _ => 0,
        };
        model.vram = model.vram.or(NonZeroU32::new(vram)).map(power_of_two);
        if kind == VideoType::Qxl {
            model.ram = model.ram.or(NonZeroU32::new(QXL_MEMORY));
            model.vgamem = model.vgamem.or(NonZeroU32::new(PLAIN_MEMORY));
        }
        model.ram = model.ram.map(power_of_two);
    }
}

/// The next power of two; a size for which there is none stays.
fn power_of_two(size: NonZeroU32) -> NonZeroU32 {
    size.checked_next_power_of_two().unwrap_or(size)
}
