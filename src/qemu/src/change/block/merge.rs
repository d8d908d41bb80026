//! Images of a chain that become one: commits into an image below, and pulls into the topmost one.

use serde::Deserialize;
use serde_json::{Value, json};
use xml::Problem;

use super::{DiskImages, Job, JobKind, Rewired, Running, Worked, job_id};
use crate::change::{Change, refusal};
use crate::plan::{Access, Builder, lend};

/// What is wanted of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Commit {
    /// The disk: its name, or the path of its image.
    pub disk: String,
    /// The topmost image whose data goes down. Absent: that which the guest writes.
    pub top: Option<String>,
    /// The image that it goes into. Absent: the deepest.
    pub base: Option<String>,
    /// Only one image goes down: `base` is the one below `top`.
    pub shallow: bool,
    /// That which the guest writes may be committed.
    pub active: bool,
    /// Images that are not used any more are removed.
    pub delete: bool,
    /// The most bytes a second. 0: as fast as can be.
    pub speed: u64,
}

/// What is wanted of a pull.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pull {
    /// The disk: its name, or the path of its image.
    pub disk: String,
    /// The image that stays below. Absent: none does.
    pub base: Option<String>,
    /// The most bytes a second. 0: as fast as can be.
    pub speed: u64,
}

/// What is done to begin a commit.
///
/// libvirt: `qemuDomainBlockCommitImpl`.
pub(super) fn commit(running: &Running<'_>, wanted: &Commit) -> Result<Change, Vec<Problem>> {
    let worked = running.disk(&wanted.disk)?;
    let images = &worked.images;
    let top = wanted.top.as_deref().map_or(Ok(0), |path| worked.find(path))?;
    let base = match (&wanted.base, wanted.shallow) {
        (Some(_), true) => {
            return worked.refuse("a shallow commit has the image below as its base");
        }
        (Some(path), false) => worked.find(path)?,
        (None, true) => top + 1,
        (None, false) => images.len() - 1,
    };
    if top == 0 && !wanted.active {
        let problem = refusal(format!(
            "disk {}: the guest writes to '{}'",
            worked.disk.name(),
            images[0].image.path
        ));
        return Err(vec![problem.help("--active commits it nevertheless")]);
    }
    if top != 0 && wanted.active {
        return worked.refuse("--active is for the image that the guest writes");
    }
    if base <= top || base >= images.len() {
        let top = &images[top].image.path;
        return worked.refuse(&format!("there is no such image below '{top}' to commit into"));
    }
    let kind = if top == 0 { JobKind::ActiveCommit } else { JobKind::Commit };
    let id = job_id("commit", worked.disk, &images[top]);
    let mut arguments = json!({
        "device": images[0].node, "job-id": id, "top-node": images[top].node,
        "base-node": images[base].node, "auto-finalize": true, "auto-dismiss": false,
    });
    speed(&mut arguments, wanted.speed);
    if top > 0 {
        named(&mut arguments, running, Some(&images[base].image.path));
    }
    // The base is written, and so is the header of the image above `top`.
    let written = [Some(base), top.checked_sub(1)];
    let mut job = job(&worked, kind, id, (top, base));
    if wanted.delete {
        job.delete = images[top..base].iter().map(|open| open.image.path.clone()).collect();
    }
    let purpose = format!("commit of disk {}", worked.disk.name());
    let change = running.change(purpose.clone(), |builder| {
        begin(builder, &worked, &purpose, &written, ("block-commit", arguments));
    })?;
    Ok(Change { job: Some(job), ..change })
}

/// What is done to begin a pull.
///
/// libvirt: `qemuDomainBlockPullCommon`.
pub(super) fn pull(running: &Running<'_>, wanted: &Pull) -> Result<Change, Vec<Problem>> {
    let worked = running.disk(&wanted.disk)?;
    let images = &worked.images;
    let base = wanted.base.as_deref().map(|path| worked.find(path)).transpose()?;
    if base == Some(0) {
        return worked.refuse("the guest writes to that image; the base is one below it");
    }
    if images.len() < 2 || base == Some(1) {
        return worked.refuse("there is no image to pull from");
    }
    let id = job_id("pull", worked.disk, &images[0]);
    let mut arguments = json!({
        "device": images[0].node, "job-id": id, "auto-finalize": true, "auto-dismiss": false,
    });
    let path = base.map(|base| {
        arguments["base-node"] = images[base].node.as_str().into();
        images[base].image.path.as_str()
    });
    named(&mut arguments, running, path);
    speed(&mut arguments, wanted.speed);
    let job = job(&worked, JobKind::Pull, id, (1, base.unwrap_or(images.len())));
    let purpose = format!("pull of disk {}", worked.disk.name());
    let change = running.change(purpose.clone(), |builder| {
        begin(builder, &worked, &purpose, &[], ("block-stream", arguments));
    })?;
    Ok(Change { job: Some(job), ..change })
}

/// What the job makes of the images: those from `first` on go, up to `base`, which stays.
fn job(worked: &Worked<'_>, kind: JobKind, id: String, (first, base): (usize, usize)) -> Job {
    let images = &worked.images;
    let node = |at: usize| images.get(at).map(|open| open.node.clone());
    let before = worked.named();
    let after = [&before[..first], before.get(base..).unwrap_or_default()].concat();
    let rewired = match first.checked_sub(1).and_then(node) {
        Some(above) => Rewired::Backing { node: above, backing: node(base) },
        None => {
            Rewired::Replaced { node: images[0].node.clone(), by: node(base).unwrap_or_default() }
        }
    };
    let disk = worked.disk.name().to_owned();
    // Of a stored document it matters what is named down to the base.
    let before = before.into_iter().take(base + 1).collect();
    Job {
        id,
        kind,
        disk: disk.clone(),
        device: worked.alias.clone(),
        left: node(0).filter(|_| kind.pivots()),
        images: vec![DiskImages { disk, before, after }],
        rewired: vec![rewired],
        unused: node(first),
        ..Job::default()
    }
}

/// Begins a job that writes to images which QEMU has open for reading.
fn begin(
    builder: &mut Builder<'_>,
    worked: &Worked<'_>,
    purpose: &str,
    written: &[Option<usize>],
    (execute, arguments): (&str, Value),
) {
    builder.part(purpose, worked.disk.origin);
    let images = written.iter().flatten().map(|at| &worked.images[*at]);
    let lent: Vec<_> = images.filter(|open| open.is_read_only).collect();
    for image in &lent {
        lend(builder, worked.disk, image, Access::Rw);
    }
    builder.afterwards(execute, arguments);
    // When the job has ended, QEMU opens them for reading again.
    for image in &lent {
        lend(builder, worked.disk, image, Access::Ro);
    }
}

/// Names the image that comes to be below another one, for the header of that.
fn named(arguments: &mut Value, running: &Running<'_>, path: Option<&str>) {
    if let Some(path) = path {
        arguments["backing-file"] = path.into();
    }
    if running.capabilities.at_least(9, 2) {
        arguments["backing-mask-protocol"] = true.into();
    }
}

fn speed(arguments: &mut Value, speed: u64) {
    if speed > 0 {
        arguments["speed"] = speed.into();
    }
}
