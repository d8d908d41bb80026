//! A picture of what a guest shows.

use std::os::fd::OwnedFd;

use conf::Domain;
use conf::device::DeviceKind;
use qemu::alias::Aliases;
use serde_json::{Value, json};

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PNG.
    Png,
    /// PPM, by a QEMU that cannot write PNG.
    Ppm,
}

impl Format {
    /// Its MIME type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Ppm => "image/x-portable-pixmap",
        }
    }
}

/// A screen of a guest: one of the heads of one of its video cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    /// The card's id.
    pub device: String,
    /// The number of the head.
    pub head: u32,
}

/// The screen of this number: the heads of the first card come first.
///
/// libvirt: `qemuDomainScreenshot`.
pub fn screen(domain: &Domain, number: u32) -> Option<Screen> {
    let aliases = Aliases::assign(domain);
    let mut before = 0;
    for (pos, video) in domain.devices.videos.iter().enumerate() {
        let heads = video.model.heads.unwrap_or(1);
        if number < before + heads {
            let device = aliases.get(DeviceKind::Video, pos).to_owned();
            return Some(Screen { device, head: number - before });
        }
        before += heads;
    }
    None
}

/// Has QEMU write a picture of a screen into a file that is open for writing, and says how it is
/// written. QEMU is given no path.
///
/// # Errors
/// Those of QEMU.
///
/// # Cancel safety
/// The picture may be written, and the file stays open in QEMU.
pub async fn take(
    qemu: &qmp::Client,
    screen: Option<&Screen>,
    file: OwnedFd,
) -> Result<Format, qmp::Error> {
    let opaque = json!({ "opaque": "screenshot" });
    let added = qemu.execute_with_fd("add-fd", &opaque, file).await?;
    let set = added["fdset-id"].as_u64().unwrap_or(0);
    let taken = write(qemu, screen, &format!("/dev/fdset/{set}")).await;
    let removed = qemu.execute("remove-fd", &json!({ "fdset-id": set })).await;
    let format = taken?;
    removed?;
    Ok(format)
}

async fn write(
    qemu: &qmp::Client,
    screen: Option<&Screen>,
    path: &str,
) -> Result<Format, qmp::Error> {
    let mut arguments = json!({ "filename": path });
    if let Some(Screen { device, head }) = screen {
        arguments["device"] = device.as_str().into();
        arguments["head"] = (*head).into();
    }
    let mut as_png = arguments.clone();
    as_png["format"] = "png".into();
    match qemu.execute("screendump", &as_png).await {
        // One without that argument, or without libpng.
        Err(qmp::Error::Refused { desc, .. }) if is_about_format(&desc) => {
            qemu.execute("screendump", &arguments).await.map(|_: Value| Format::Ppm)
        }
        taken => taken.map(|_| Format::Png),
    }
}

fn is_about_format(desc: &str) -> bool {
    desc.contains("'format'") || desc.contains("PNG")
}
