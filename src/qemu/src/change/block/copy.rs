//! A copy of a disk of a guest that runs.

use serde::Deserialize;
use serde_json::json;
use xml::Problem;

use super::{DiskImages, Image, Job, JobKind, Rewired, Running, job_id};
use crate::change::Change;
use crate::plan::{NewImage, add};

/// What is wanted of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Copy {
    /// The disk: its name, or the path of its image.
    pub disk: String,
    /// The copy.
    pub path: String,
    /// Whether that is a block device.
    pub block: bool,
    /// Its format. Absent: that of the topmost image.
    pub format: Option<String>,
    /// Only the topmost image is copied; what is below it is below the copy, too.
    pub shallow: bool,
    /// The copy is there already, and may hold anything.
    pub reuse: bool,
    /// The guest's writes wait until they are in the copy, too.
    pub synchronous: bool,
    /// The most bytes a second. 0: as fast as can be.
    pub speed: u64,
    /// How many bytes are looked after together. 0: as QEMU thinks fit.
    pub granularity: u32,
    /// How many bytes are on their way at once. 0: as QEMU thinks fit.
    pub buffer: u64,
}

/// What is done to begin a copy.
///
/// libvirt: `qemuDomainBlockCopyCommon`.
pub(super) fn copy(running: &Running<'_>, wanted: &Copy) -> Result<Change, Vec<Problem>> {
    let worked = running.disk(&wanted.disk)?;
    let top = &worked.images[0];
    if worked.images.iter().any(|open| open.image.path == wanted.path) {
        return worked.refuse(&format!("'{}' is one of its images", wanted.path));
    }
    let format = wanted.format.clone().unwrap_or_else(|| top.image.format.clone());
    let image = Image { path: wanted.path.clone(), block: wanted.block, format };
    let below = worked.images.get(1).filter(|_| wanted.shallow);
    let id = job_id("copy", worked.disk, top);
    let mut arguments = json!({
        "device": top.node, "job-id": id, "sync": if below.is_some() { "top" } else { "full" },
        "auto-finalize": true, "auto-dismiss": false,
    });
    let numbers = [
        ("speed", wanted.speed),
        ("granularity", wanted.granularity.into()),
        ("buf-size", wanted.buffer),
    ];
    for (name, number) in numbers.into_iter().filter(|(_, number)| *number > 0) {
        arguments[name] = number.into();
    }
    if wanted.synchronous {
        arguments["copy-mode"] = "write-blocking".into();
    }
    let size = running.size(top)?;
    let mut target = None;
    let purpose = format!("copy of disk {}", worked.disk.name());
    let change = running.change(purpose.clone(), |builder| {
        builder.part(purpose, worked.disk.origin);
        let new = NewImage {
            image: &image,
            name: format!("{}-copy", worked.alias),
            size,
            is_reused: wanted.reuse,
            backing: below.map(|open| &open.image),
            backing_node: below.map(|open| open.node.as_str()),
        };
        target = add(builder, worked.disk, &new);
        arguments["target"] = target.clone().into();
        builder.afterwards("blockdev-mirror", arguments);
    })?;
    let before = worked.named();
    let kept = before.iter().skip(1).filter(|_| below.is_some()).cloned();
    let after = std::iter::once(image).chain(kept).collect();
    let disk = worked.disk.name().to_owned();
    let job = Job {
        id,
        kind: JobKind::Copy,
        disk: disk.clone(),
        device: worked.alias.clone(),
        left: Some(top.node.clone()),
        images: vec![DiskImages { disk, before: before.into_iter().take(1).collect(), after }],
        rewired: target
            .iter()
            .map(|by| Rewired::Replaced { node: top.node.clone(), by: by.clone() })
            .collect(),
        unused: Some(top.node.clone()),
        given_up: target,
        ..Job::default()
    };
    Ok(Change { job: Some(job), ..change })
}
