//! `<video>`: a video card.

use std::num::NonZeroU32;

use base::{OnOff, SanitizedPath, Yes, YesNo, words};
use xml::{El, Origin, Part, Problem, Reader, Xml};

use crate::device::virtio::VirtioOptions;
use crate::device_info::DeviceInfo;

/// A video card.
///
/// libvirt: `virDomainVideoDefParseXML`, `virDomainVideoDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Video {
    /// Where it was written.
    pub origin: Origin,
    /// Who emulates it, and how.
    #[xml(child)]
    pub driver: Option<VideoDriver>,
    /// What the guest sees.
    #[xml(child)]
    pub model: VideoModel,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// `<driver>` of a video card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct VideoDriver {
    /// Where it was written.
    pub origin: Origin,
    /// Virtio options.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    /// Whether a card of bhyve has VGA registers. Absent: `io`.
    #[xml(attribute)]
    pub vgaconf: Option<VgaConf>,
    /// Who emulates it. Absent: QEMU.
    #[xml(attribute)]
    pub name: Option<VideoBackend>,
}

/// `<model>` of a video card. Sizes are in KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = VideoModel::finish)]
pub struct VideoModel {
    /// Where it was written.
    pub origin: Origin,
    /// What the guest sees. Absent: completion chooses.
    #[xml(attribute, name = "type")]
    pub kind: Option<VideoType>,
    /// The primary memory of a qxl card. Absent: completion chooses, where the card has one.
    #[xml(attribute)]
    pub ram: Option<NonZeroU32>,
    /// The memory; of a qxl card, the second one. Absent: completion chooses, where the card has one.
    #[xml(attribute)]
    pub vram: Option<NonZeroU32>,
    /// What of a qxl card's second memory is above 4 GiB. Absent: the same as below.
    #[xml(attribute)]
    pub vram64: Option<NonZeroU32>,
    /// How much of a qxl card's primary memory is for VGA. Absent: completion chooses, where the
    /// card has one.
    #[xml(attribute)]
    pub vgamem: Option<NonZeroU32>,
    /// How many screens it has. Absent: completion takes 1. 0 stays, as "unset", and is not printed.
    #[xml(attribute, print_if = VideoModel::has_heads)]
    pub heads: Option<u32>,
    /// Whether it is the one that the firmware uses. Absent: completion makes the first card that.
    #[xml(attribute)]
    pub primary: Option<Yes>,
    /// QEMU's device. libvirt 12 records here which one it chose, so that a guest keeps it.
    #[xml(attribute)]
    pub device: Option<String>,
    /// Whether a virtio card uses blob resources. Absent: QEMU's default.
    #[xml(attribute)]
    pub blob: Option<OnOff>,
    /// Whether the card describes its screen to the guest by EDID (QEMU: `edid`). Absent: QEMU's
    /// default. libvirt has it since 11.7.
    #[xml(attribute)]
    pub edid: Option<OnOff>,
    /// What the host's graphics card does for it.
    #[xml(child)]
    pub acceleration: Option<Acceleration>,
    /// The preferred resolution.
    #[xml(child, keep_empty)]
    pub resolution: Option<Resolution>,
}

impl VideoModel {
    fn has_heads(&self) -> bool {
        self.heads != Some(0)
    }

    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        if self.acceleration.as_ref().is_some_and(|acceleration| acceleration.is_empty()) {
            let message = "<acceleration> says nothing";
            let problem = Problem::error(self.origin, Part::Name, message);
            reader.push(problem.expected("'accel3d', 'accel2d' or 'rendernode'"));
        }
    }
}

/// `<acceleration>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Acceleration {
    /// Whether it draws in three dimensions. QEMU: `virtio-gpu-gl`. Absent: no.
    #[xml(attribute)]
    pub accel3d: Option<YesNo>,
    /// Whether it draws in two; QEMU has none. Absent: no.
    #[xml(attribute)]
    pub accel2d: Option<YesNo>,
    /// The render node of the graphics card, for vhost-user. Absent: the first.
    #[xml(attribute)]
    pub rendernode: Option<SanitizedPath>,
}

impl Acceleration {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `<resolution>`, in pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Resolution {
    /// The width.
    #[xml(attribute, required, print_if = Resolution::is_one)]
    pub x: u32,
    /// The height.
    #[xml(attribute, required, print_if = Resolution::is_one)]
    pub y: u32,
}

impl Resolution {
    fn is_one(&self) -> bool {
        self.x != 0 && self.y != 0
    }
}

words! {
    /// What the guest sees of a video card.
    ///
    /// libvirt: `virDomainVideoType`.
    pub enum VideoType unset "default" {
        /// A VGA card with Bochs's extensions. QEMU: `VGA`.
        Vga = "vga",
        /// Cirrus Logic's 5446. QEMU: `cirrus-vga`.
        Cirrus = "cirrus",
        /// VMware's. QEMU: `vmware-svga`.
        Vmvga = "vmvga",
        /// Xen's.
        Xen = "xen",
        /// VirtualBox's.
        Vbox = "vbox",
        /// The one made for SPICE. QEMU: `qxl-vga` and `qxl`.
        Qxl = "qxl",
        /// Parallels'.
        Parallels = "parallels",
        /// A virtio device. QEMU: `virtio-vga` and `virtio-gpu-pci`.
        Virtio = "virtio",
        /// bhyve's.
        Gop = "gop",
        /// None at all.
        None = "none",
        /// A card with Bochs's extensions and without VGA. QEMU: `bochs-display`.
        Bochs = "bochs",
        /// A frame buffer in the guest's memory. QEMU: `ramfb`.
        Ramfb = "ramfb",
    }
}

words! {
    /// Who emulates a video card.
    ///
    /// libvirt: `virDomainVideoBackendType`.
    pub enum VideoBackend {
        /// QEMU.
        Qemu = "qemu",
        /// A process beside it. QEMU: `vhost-user-gpu`.
        Vhostuser = "vhostuser",
    }
}

words! {
    /// Whether a card of bhyve has VGA registers.
    ///
    /// libvirt: `virDomainVideoVGAConf`.
    pub enum VgaConf unset "io" {
        /// It has.
        On = "on",
        /// It has not.
        Off = "off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn no_screens_are_kept_and_not_printed() {
        let text = "<video><model type='vga' heads='0' primary='no'/></video>";
        let (video, warnings) = read::<Video>("video", text).unwrap();
        assert_eq!((video.model.heads, warnings), (Some(0), vec![]));
        let printed = xml::print(&video, "video");
        assert_eq!(printed, "<video>\n  <model type='vga'/>\n</video>\n");
    }

    #[test]
    fn an_acceleration_that_says_nothing_is_refused() {
        let text = "<video><model type='virtio'><acceleration/></model></video>";
        assert_eq!(
            reprint::<Video>("video", text).unwrap_err(),
            ["<acceleration> says nothing: expected 'accel3d', 'accel2d' or 'rendernode'"]
        );
    }
}
