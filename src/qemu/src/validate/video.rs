//! Video cards.
//!
//! libvirt: `virDomainVideoDefValidate`, `qemuValidateDomainDeviceDefVideo`,
//! `virDomainDefVideoValidate`.

use base::YesNo;
use conf::device::Video;
use conf::device::video::{VideoBackend, VideoType};
use conf::memory_backing::MemorySource;
use xml::Part;

use super::{Check, Rule, attribute};

/// The smallest memory of a card, in KiB.
const SMALLEST: u32 = 1 << 10;
/// The largest memory of a QXL card, in KiB.
const LARGEST: u32 = u32::MAX / 1024;

pub(super) const RULES: &[Rule] = &[
    Rule::new("video-is-there", "a card is a device of QEMU", there),
    Rule::new("video-none-is-alone", "no card beside another is no card less", none),
    Rule::new("second-video-fits", "most cards can only be the first one", second),
    Rule::new("video-memory-fits", "only QXL has several memories", memory),
    Rule::new("video-acceleration-fits", "only virtio cards draw on the host", acceleration),
    Rule::new("video-virtio-options-fit", "other cards have none", virtio_only),
    Rule::new("video-edid-fits", "other cards have no screen to describe", edid),
    Rule::new("ramfb-has-no-address", "it is memory, not a device on a bus", ramfb),
];

pub(super) const LIST_RULES: &[Rule] =
    &[Rule::new("one-primary-video", "the firmware draws on one card", primary)];

fn each(check: &mut Check<'_>, rule: impl Fn(&mut Check<'_>, &Video, VideoType)) {
    for video in &check.domain.devices.videos {
        rule(check, video, video.model.kind.unwrap_or_default());
    }
}

fn virtio_only(check: &mut Check<'_>) {
    each(check, |check, video, kind| {
        if let Some(driver) = video.driver.as_ref().filter(|_| kind != VideoType::Virtio) {
            check.refuse_virtio_options(driver.origin, &driver.virtio, "card");
        }
    });
}

fn edid(check: &mut Check<'_>) {
    each(check, |check, video, kind| {
        let has_edid = matches!(kind, VideoType::Vga | VideoType::Bochs | VideoType::Virtio);
        if video.model.edid.is_some() && !has_edid {
            let message = format!("a {kind} card has no EDID");
            let help = "leave out 'edid', or write type='vga', 'bochs' or 'virtio'";
            check.refuse(video.model.origin, attribute("edid"), message, help);
        }
    });
}

/// libvirt: `virQEMUCapsFillDomainDeviceVideoCaps`.
fn there(check: &mut Check<'_>) {
    each(check, |check, video, kind| {
        let devices: &[&str] = match kind {
            VideoType::None => return,
            VideoType::Vga => &["VGA"],
            VideoType::Cirrus => &["cirrus-vga"],
            VideoType::Vmvga => &["vmware-svga"],
            VideoType::Qxl => &["qxl"],
            VideoType::Virtio => &["virtio-gpu-pci", "vhost-user-gpu"],
            VideoType::Bochs => &["bochs-display"],
            VideoType::Ramfb => &["ramfb"],
            VideoType::Xen | VideoType::Vbox | VideoType::Parallels | VideoType::Gop => &[],
        };
        if !devices.iter().any(|device| check.capabilities.has(device)) {
            let message = format!("this QEMU has no video card of type '{kind}'");
            let help = "write type='virtio' or 'vga'";
            check.refuse(video.model.origin, attribute("type"), message, help);
        }
    });
}

fn none(check: &mut Check<'_>) {
    let count = check.domain.devices.videos.len();
    each(check, |check, video, kind| {
        if kind == VideoType::None && count > 1 {
            let message = "'none' stands for no video card at all, but there are others";
            check.refuse(video.model.origin, attribute("type"), message, "leave one of them out");
        }
    });
}

fn second(check: &mut Check<'_>) {
    each(check, |check, video, kind| {
        if matches!(kind, VideoType::None | VideoType::Qxl | VideoType::Virtio) {
            return;
        }
        let origin = video.model.origin;
        if video.model.primary.is_none() {
            let message = format!("a card of type '{kind}' can only be the first one");
            check.refuse(origin, attribute("type"), message, "write type='virtio' or 'qxl'");
        }
        if video.model.heads.is_some_and(|heads| heads != 1) {
            let message = format!("a card of type '{kind}' has one screen");
            check.refuse(origin, attribute("heads"), message, "leave out 'heads'");
        }
    });
}

fn memory(check: &mut Check<'_>) {
    each(check, |check, video, kind| {
        let model = &video.model;
        let sizes = [("ram", model.ram), ("vram64", model.vram64), ("vgamem", model.vgamem)];
        for (name, size) in sizes {
            if size.is_some() && kind != VideoType::Qxl {
                let message = format!("only a QXL card has '{name}'");
                check.refuse(model.origin, attribute(name), message, "leave it out");
            }
        }
        let large = [("ram", model.ram), ("vram", model.vram)];
        for (name, _) in large.into_iter().filter(|(_, s)| s.is_some_and(|s| s.get() > LARGEST)) {
            if kind == VideoType::Qxl {
                let message = format!("'{name}' is too large");
                check.refuse_value(model.origin, name, message, format!("at most {LARGEST} KiB"));
            }
        }
        let is_fine = |size: u32| size >= SMALLEST && size.is_power_of_two();
        if model.vgamem.is_some_and(|size| kind == VideoType::Qxl && !is_fine(size.get())) {
            let message = "the guest could not use such a 'vgamem'";
            check.refuse_value(
                model.origin,
                "vgamem",
                message,
                "a power of two of 1024 KiB or more",
            );
        }
        let is_plain = matches!(kind, VideoType::Vga | VideoType::Vmvga);
        if model.vram.is_some_and(|size| is_plain && size.get() < SMALLEST) {
            let message = "the guest could not use such a 'vram'";
            check.refuse_value(model.origin, "vram", message, "1024 KiB or more");
        }
        let has_resolution =
            matches!(kind, VideoType::Vga | VideoType::Qxl | VideoType::Virtio | VideoType::Bochs);
        if let Some(resolution) = &model.resolution {
            if !has_resolution {
                let message = format!("a card of type '{kind}' has no <resolution> to set");
                check.refuse(model.origin, Part::Name, message, "leave it out");
            } else if resolution.x == 0 || resolution.y == 0 {
                let message = "a screen has at least one pixel in each direction";
                check.refuse(model.origin, Part::Name, message, "write larger numbers");
            }
        }
    });
}

fn acceleration(check: &mut Check<'_>) {
    let source = check.domain.memory_backing.as_ref().and_then(|backing| backing.source);
    each(check, |check, video, kind| {
        let model = &video.model;
        let backend = video.driver.as_ref().and_then(|driver| driver.name);
        let is_beside = backend == Some(VideoBackend::Vhostuser);
        if is_beside && kind != VideoType::Virtio {
            let message = "only a virtio card can be a process beside QEMU";
            check.refuse(video.origin, Part::Name, message, "write <model type='virtio'/>");
        }
        if let Some(acceleration) = &model.acceleration {
            if acceleration.accel2d == Some(YesNo::Yes) {
                let message = "QEMU has no acceleration in two dimensions";
                check.refuse(model.origin, Part::Name, message, "leave out 'accel2d'");
            }
            if acceleration.accel3d == Some(YesNo::Yes) && kind != VideoType::Virtio {
                let message = "only a virtio card accelerates in three dimensions";
                check.refuse(model.origin, Part::Name, message, "write type='virtio'");
            }
            if acceleration.rendernode.is_some() && !is_beside {
                let message = "'rendernode' here is for <driver name='vhostuser'/>";
                let help = "leave it out, or write it in <gl> of the display";
                check.refuse(model.origin, Part::Name, message, help);
            }
        }
        if model.blob.is_some() && kind != VideoType::Virtio {
            let message = "only a virtio card has 'blob'";
            check.refuse(model.origin, attribute("blob"), message, "leave it out");
        } else if model.blob == Some(base::OnOff::On) && source != Some(MemorySource::Memfd) {
            let message = "blob='on' needs the guest's memory in a memfd";
            let help = "write <memoryBacking><source type='memfd'/></memoryBacking>";
            check.refuse(model.origin, attribute("blob"), message, help);
        }
    });
}

fn ramfb(check: &mut Check<'_>) {
    each(check, |check, video, kind| {
        if kind == VideoType::Ramfb && video.info.address.is_some() {
            let message = "a card of type 'ramfb' has no <address>";
            check.refuse(video.origin, Part::Name, message, "leave it out");
        }
    });
}

fn primary(check: &mut Check<'_>) {
    for video in check.domain.devices.videos.iter().skip(1) {
        if video.model.primary.is_some() {
            let message = "another card is the primary one, too";
            let help = "write primary='yes' once";
            check.refuse(video.model.origin, attribute("primary"), message, help);
        }
    }
}
