//! Video cards.

use base::YesNo;
use conf::device::DeviceKind;
use conf::device::video::{Video, VideoBackend, VideoType};

use super::chardev::{Backend, Chardev, Socket, SocketAddress};
use super::device::Device;
use super::{Builder, HelperSocket, Open};

/// The program that draws beside QEMU.
const VHOST_USER_GPU: &str = "vhost-user-gpu";

/// A video card. The first one of most kinds is another device of QEMU than further ones: it speaks
/// VGA, too.
///
/// libvirt: `qemuBuildVideoCommandLine`, `qemuDeviceVideoGetModel`.
pub(super) fn video(builder: &mut Builder<'_>, pos: usize, video: &Video) {
    builder.part(format!("video {pos}"), video.origin);
    let alias = builder.aliases.get(DeviceKind::Video, pos).to_owned();
    let model = &video.model;
    let primary = pos == 0;
    let options = video.driver.as_ref().map(|driver| &driver.virtio);
    if video.driver.as_ref().and_then(|driver| driver.name) == Some(VideoBackend::Vhostuser) {
        vhost_user(builder, video, &alias, primary);
        return;
    }
    let accelerated = model.acceleration.as_ref().and_then(|acceleration| acceleration.accel3d);
    let gl = accelerated == Some(YesNo::Yes) && builder.capabilities.has("virtio-gpu-gl-device");
    let kind = model.kind.unwrap_or(VideoType::Vga);
    let mut device = match kind {
        VideoType::None => return,
        VideoType::Vga => Device::new("VGA"),
        VideoType::Cirrus => Device::new("cirrus-vga"),
        VideoType::Vmvga => Device::new("vmware-svga"),
        VideoType::Qxl => Device::new(if primary { "qxl-vga" } else { "qxl" }),
        VideoType::Bochs => Device::new("bochs-display"),
        VideoType::Ramfb => Device::new("ramfb"),
        VideoType::Virtio => Device::virtio(
            match (is_vga(model.device.as_deref(), primary), gl) {
                (true, true) => "virtio-vga-gl",
                (true, false) => "virtio-vga",
                (false, true) => "virtio-gpu-gl-pci",
                (false, false) => "virtio-gpu-pci",
            },
            None,
            options,
        ),
        VideoType::Xen | VideoType::Vbox | VideoType::Parallels | VideoType::Gop => {
            builder.refuse(format!("QEMU has no video card of type '{kind}'"));
            return;
        }
    };
    device.set("id", alias);
    if matches!(kind, VideoType::Qxl | VideoType::Virtio) {
        device.maybe("max_outputs", model.heads.filter(|heads| *heads > 0));
    }
    sizes(&mut device, video, kind);
    resolution(&mut device, video);
    device.switch("edid", model.edid);
    device.address(&video.info, builder);
    builder.device(device);
}

fn resolution(device: &mut Device, video: &Video) {
    if let Some(resolution) = &video.model.resolution
        && resolution.x > 0
        && resolution.y > 0
    {
        device.set("xres", resolution.x).set("yres", resolution.y);
    }
}

/// A card that a process beside QEMU draws for, which has one end of a pair of sockets.
///
/// libvirt: `qemuExtVhostUserGPUStart`, `qemuBuildVideoCommandLine`.
fn vhost_user(builder: &mut Builder<'_>, video: &Video, alias: &str, primary: bool) {
    let Some(program) = builder.program(VHOST_USER_GPU) else { return };
    let acceleration = video.model.acceleration.as_ref();
    let mut argv = vec![program, "--fd={socket}".to_owned()];
    if acceleration.and_then(|acceleration| acceleration.accel3d) == Some(YesNo::Yes) {
        argv.push("--virgl".to_owned());
    }
    if let Some(node) = acceleration.and_then(|acceleration| acceleration.rendernode.as_deref()) {
        argv.extend(["--render-node".to_owned(), node.to_owned()]);
    }
    let helper = format!("{alias}-{VHOST_USER_GPU}");
    builder.helper(&helper, argv).socket = HelperSocket::Pair;
    let source = builder.helper_source(VHOST_USER_GPU, alias, &helper);
    let fd = builder.fd(format!("{alias}-socket"), source, Open::Helper { helper });
    let chardev = format!("chr-vu-{alias}");
    let socket = Socket::connected(SocketAddress::Fd(Box::new(fd)));
    builder.chardev(Chardev::new(chardev.clone(), Backend::Socket(socket)));
    let driver = if primary { "vhost-user-vga" } else { "vhost-user-gpu-pci" };
    let options = video.driver.as_ref().map(|driver| &driver.virtio).filter(|_| !primary);
    let mut device = Device::virtio(driver, None, options);
    device.set("id", alias);
    device.maybe("max_outputs", video.model.heads.filter(|heads| *heads > 0));
    device.set("chardev", chardev);
    resolution(&mut device, video);
    device.address(&video.info, builder);
    builder.device(device);
}

/// Whether a virtio card speaks VGA: as libvirt 12 has noted in the document, else if it is the
/// first one.
fn is_vga(device: Option<&str>, primary: bool) -> bool {
    device.map_or(primary, |device| device.contains("vga"))
}

/// How much memory it has; sizes are in KiB in the document.
fn sizes(device: &mut Device, video: &Video, kind: VideoType) {
    let model = &video.model;
    let bytes = |size: u32| u64::from(size) << 10;
    let size = |size: Option<std::num::NonZeroU32>| size.map(u32::from);
    match kind {
        VideoType::Qxl => {
            device.maybe("ram_size", size(model.ram).map(bytes));
            device.maybe("vram_size", size(model.vram).map(bytes));
            device.set("vram64_size_mb", size(model.vram64).unwrap_or_default() / 1024);
            device.set("vgamem_mb", size(model.vgamem).unwrap_or_default() / 1024);
        }
        VideoType::Vga | VideoType::Vmvga => {
            device.maybe("vgamem_mb", size(model.vram).map(|size| size / 1024));
        }
        VideoType::Bochs => {
            device.maybe("vgamem", size(model.vram).map(bytes));
        }
        VideoType::Virtio => {
            device.switch("blob", model.blob);
        }
        _ => {}
    }
}
