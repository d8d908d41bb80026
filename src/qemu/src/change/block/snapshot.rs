//! Overlays on disks of a guest that runs, all at the same moment.

use serde::Deserialize;
use serde_json::{Value, json};
use xml::Problem;

use super::{DiskImages, Image, Job, JobKind, Rewired, Running, Worked};
use crate::change::{Change, refusal};
use crate::plan::{Builder, NewImage, OpenImage, add};

/// What is to be done with one disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskSpec {
    /// The disk: its name, or the path of its image.
    pub disk: String,
    /// Whether it is left out.
    pub is_left_out: bool,
    /// The overlay. Absent: a file beside the image.
    pub path: Option<String>,
    /// Whether that is a block device.
    pub block: bool,
    /// The overlay's format. Absent: qcow2.
    pub format: Option<String>,
}

/// What is wanted of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Snapshot {
    /// Its name, from which those of new files are made.
    pub name: String,
    /// What is said of single disks. The others get an overlay, unless they say otherwise themselves.
    pub disks: Vec<DiskSpec>,
    /// Whether the overlays are there already.
    pub reuse: bool,
}

/// What is done to put overlays on the disks of a guest that runs: afterwards the guest writes to them,
/// and the images below are as they were at that moment.
///
/// libvirt: `qemuSnapshotCreateActiveExternalDisks`, `virDomainSnapshotAlignDisks`.
pub(super) fn snapshot(running: &Running<'_>, wanted: &Snapshot) -> Result<Change, Vec<Problem>> {
    let mut overlays = Vec::new();
    for (worked, spec) in disks(running, wanted)? {
        overlays.push(Overlay::new(running, worked, &spec, wanted)?);
    }
    let Some(first) = overlays.first() else {
        return Err(vec![refusal("there is no disk that a snapshot could be made of")]);
    };
    let mut job = Job {
        kind: JobKind::Snapshot,
        disk: first.worked.disk.name().to_owned(),
        device: first.worked.alias.clone(),
        ..Job::default()
    };
    let mut nodes = Vec::new();
    let purpose = format!("snapshot {}", wanted.name);
    let change = running.change(purpose.clone(), |builder| {
        for overlay in &overlays {
            nodes.extend(overlay.add(builder, wanted.reuse).map(|node| (overlay.node(), node)));
        }
        let action = |(node, overlay): &(String, String)| {
            json!({"type": "blockdev-snapshot", "data": {"node": node, "overlay": overlay}})
        };
        let actions: Vec<Value> = nodes.iter().map(action).collect();
        builder.part(purpose, xml::Origin::None);
        builder.afterwards("transaction", json!({"actions": actions}));
    })?;
    for (overlay, (node, new)) in overlays.iter().zip(&nodes) {
        let replaced = Rewired::Replaced { node: node.clone(), by: new.clone() };
        let backing = Rewired::Backing { node: new.clone(), backing: Some(node.clone()) };
        job.rewired.extend([replaced, backing]);
        let before = overlay.worked.named();
        let after = [vec![overlay.image.clone()], before.clone()].concat();
        let disk = overlay.worked.disk.name().to_owned();
        job.images.push(DiskImages { disk, before, after });
    }
    job.given_up = nodes.into_iter().next().map(|(_, new)| new);
    Ok(Change { job: Some(job), ..change })
}

/// The disks that get an overlay, and what is said of each.
fn disks<'a>(
    running: &Running<'a>,
    wanted: &Snapshot,
) -> Result<Vec<(Worked<'a>, DiskSpec)>, Vec<Problem>> {
    use conf::device::disk::Snapshot as S;
    let mut disks = Vec::new();
    for spec in &wanted.disks {
        let worked = running.disk(&spec.disk)?;
        let is_double =
            |(other, _): &(Worked<'_>, DiskSpec)| other.disk.name() == worked.disk.name();
        if disks.iter().any(is_double) {
            return worked.refuse("it is named twice");
        }
        disks.push((worked, spec.clone()));
    }
    for disk in &running.live.devices.disks {
        let is_named = disks.iter().any(|(worked, _)| worked.disk.name() == disk.name());
        let is_out = disk.readonly
            || disk.is_removable()
            || disk.is_transient()
            || matches!(disk.snapshot, Some(S::No | S::Manual));
        if !is_named && !is_out {
            disks.push((running.disk(disk.name())?, DiskSpec::default()));
        }
    }
    disks.retain(|(_, spec)| !spec.is_left_out);
    Ok(disks)
}

/// An overlay that a disk gets.
struct Overlay<'a> {
    worked: Worked<'a>,
    image: Image,
    size: u64,
}

impl<'a> Overlay<'a> {
    fn new(
        running: &Running<'_>,
        worked: Worked<'a>,
        spec: &DiskSpec,
        wanted: &Snapshot,
    ) -> Result<Self, Vec<Problem>> {
        let top = &worked.images[0];
        let path = match &spec.path {
            Some(path) => path.clone(),
            None if top.image.block => {
                return worked.refuse("its image is a block device; say which file the overlay is");
            }
            None => beside(&top.image.path, &wanted.name),
        };
        if worked.images.iter().any(|open| open.image.path == path) {
            return worked.refuse(&format!("'{path}' is one of its images already"));
        }
        let format = spec.format.clone().unwrap_or_else(|| "qcow2".to_owned());
        let size = running.size(top)?;
        Ok(Self { image: Image { path, block: spec.block, format }, size, worked })
    }

    fn top(&self) -> &OpenImage {
        &self.worked.images[0]
    }

    fn node(&self) -> String {
        self.top().node.clone()
    }

    /// The node of the overlay, which has nothing below it before the snapshot.
    fn add(&self, builder: &mut Builder<'_>, is_reused: bool) -> Option<String> {
        let Worked { disk, alias, .. } = &self.worked;
        builder.part(format!("disk {}", disk.name()), disk.origin);
        let new = NewImage {
            image: &self.image,
            name: format!("{alias}-overlay"),
            size: self.size,
            is_reused,
            backing: Some(&self.top().image),
            backing_node: None,
        };
        add(builder, disk, &new)
    }
}

/// The name of a new file beside an image: what comes after the last dot is replaced.
///
/// libvirt: `virDomainSnapshotDefAssignExternalNames`.
fn beside(image: &str, name: &str) -> String {
    let stem = match image.rsplit_once('.') {
        Some((stem, suffix)) if !suffix.contains('/') => stem,
        _ => image,
    };
    format!("{stem}.{name}")
}
