//! Work on the images of disks while the guest runs: overlays, commits, pulls, copies.
//!
//! What takes no time, such as a new overlay, is done when its last step is. The rest is a job of
//! QEMU's: the change begins it, and what the job makes of images, nodes and documents is decided then
//! already, for whoever supervises the guest when the job has ended.

mod copy;
mod document;
mod merge;
mod snapshot;

use std::collections::BTreeMap;

use conf::Domain;
use conf::device::{DeviceKind, Disk};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xml::Problem;

use super::{Change, refusal};
use crate::alias::Aliases;
use crate::answers::{Answers, Question};
use crate::capabilities::Capabilities;
use crate::host::Host;
use crate::plan::{Builder, Inventory, OpenImage, Options, Wanted, image_questions, images};

pub use copy::Copy;
pub use document::{live_after, stored_after};
pub use merge::{Commit, Pull};
pub use snapshot::{DiskSpec, Snapshot};

/// The unit of QEMU's sizes, in bytes.
const SECTOR: u64 = 512;

/// Something that is wanted of the disks of a guest that runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Overlays.
    Snapshot(Snapshot),
    /// Data goes into an image below.
    Commit(Commit),
    /// Data goes into the topmost image.
    Pull(Pull),
    /// Everything goes into another image, too.
    Copy(Copy),
    /// Another size.
    Resize {
        /// The disk: its name, or the path of its image.
        disk: String,
        /// The size, in bytes.
        size: u64,
        /// It may be less than it was: what is behind the new end is lost.
        #[serde(default)]
        shrink: bool,
    },
    /// That it is said when the topmost image is filled beyond a point.
    Threshold {
        /// The disk: its name, or the path of its image.
        disk: String,
        /// The point, in bytes; 0: it is not said.
        at: u64,
    },
}

impl Work {
    /// What is done for it.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub fn change(&self, running: &Running<'_>) -> Result<Change, Vec<Problem>> {
        match self {
            Self::Snapshot(wanted) => snapshot::snapshot(running, wanted),
            Self::Commit(wanted) => merge::commit(running, wanted),
            Self::Pull(wanted) => merge::pull(running, wanted),
            Self::Copy(wanted) => copy::copy(running, wanted),
            Self::Resize { disk, size, shrink } => resize(running, disk, *size, *shrink),
            Self::Threshold { disk, at } => threshold(running, disk, *at),
        }
    }
}

/// An image, as documents name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its path on this host.
    pub path: String,
    /// Whether it is a block device, not a file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub block: bool,
    /// Its format in libvirt's words.
    pub format: String,
}

/// What has become of the graph of block nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rewired {
    /// Whatever used a node uses another one, which perhaps uses it itself.
    Replaced {
        /// The node.
        node: String,
        /// The other one.
        by: String,
    },
    /// An image has another one below it, or none.
    Backing {
        /// Its node.
        node: String,
        /// The node below it.
        backing: Option<String>,
    },
}

/// What has become of the images of a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskImages {
    /// The disk, such as `vda`.
    pub disk: String,
    /// Which images it had, from the topmost down to the lowest that has to do with it.
    pub before: Vec<Image>,
    /// Which images it has, from the topmost down to the deepest.
    pub after: Vec<Image>,
}

/// What kind of work it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Overlays, which are there at once.
    #[default]
    Snapshot,
    /// Data of images below the topmost one goes into the topmost one.
    Pull,
    /// Data of images goes into one below them.
    Commit,
    /// The same with the topmost image, which the guest goes on writing until it is told to go over to
    /// the one below.
    ActiveCommit,
    /// Everything goes into another image, too, until the guest is told to go over to that.
    Copy,
}

impl JobKind {
    /// Whether it goes on until the guest is told to go over to another image.
    pub fn pivots(self) -> bool {
        matches!(self, Self::ActiveCommit | Self::Copy)
    }

    /// What virsh calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Snapshot => "Snapshot",
            Self::Pull => "Block Pull",
            Self::Commit => "Block Commit",
            Self::ActiveCommit => "Active Block Commit",
            Self::Copy => "Block Copy",
        }
    }
}

/// Work on images, and what it will have made of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The name of QEMU's job. Empty: there is none, and it is done with the last step.
    pub id: String,
    /// What kind of work it is.
    pub kind: JobKind,
    /// The disk, such as `vda`; the first of several.
    pub disk: String,
    /// The id of its device.
    pub device: String,
    /// A node that is out of use if and only if images have changed, where QEMU's job ends the same way
    /// whether they have or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// What has become of the images when it has succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<DiskImages>,
    /// What has become of the nodes then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewired: Vec<Rewired>,
    /// A node that goes then, with all that only it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused: Option<String>,
    /// Images that are removed then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<String>,
    /// A node that goes if it has not succeeded, with all that only it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<String>,
}

/// What a guest runs with, for work on its images.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    /// Its live document.
    pub live: &'a Domain,
    /// What its QEMU has.
    pub inventory: &'a Inventory,
    /// What its QEMU can do.
    pub capabilities: &'a Capabilities,
    /// The host.
    pub host: &'a Host,
    /// What the images say.
    pub answers: &'a Answers,
    /// How many bytes the guest sees of the images, by their nodes.
    pub sizes: &'a BTreeMap<String, u64>,
}

/// What to look at before the images of disks are worked on.
pub fn questions(live: &Domain, host: &Host, answers: &Answers) -> Vec<Question> {
    let disks = live.devices.disks.iter().filter(|disk| !disk.is_empty());
    let mut questions: Vec<Question> =
        disks.flat_map(|disk| image_questions(disk, host, answers)).collect();
    questions.retain(|question| answers.get(question).is_none());
    questions
}

/// libvirt: `qemuDomainBlockResize`, which makes a disk smaller without being asked twice.
fn resize(
    running: &Running<'_>,
    disk: &str,
    size: u64,
    shrink: bool,
) -> Result<Change, Vec<Problem>> {
    let worked = running.disk(disk)?;
    let image = &worked.images[0];
    let name = worked.disk.name();
    let purpose = format!("resize of disk {name}");
    // QEMU counts in sectors.
    let size = size.div_ceil(SECTOR).saturating_mul(SECTOR);
    let there = running.size(image)?;
    if size < there && !shrink {
        let message = format!("disk {name} has {there} bytes, and {size} are less");
        let help = "--shrink makes it smaller: what is behind the new end is lost";
        return Err(vec![refusal(message).help(help)]);
    }
    let arguments = json!({"node-name": image.node, "size": size});
    running.change(purpose.clone(), |builder| {
        builder.part(purpose, worked.disk.origin);
        builder.afterwards("block_resize", arguments);
    })
}

/// libvirt: `qemuDomainSetBlockThreshold`.
fn threshold(running: &Running<'_>, disk: &str, bytes: u64) -> Result<Change, Vec<Problem>> {
    let worked = running.disk(disk)?;
    let purpose = format!("threshold of disk {}", worked.disk.name());
    let arguments = json!({"node-name": worked.images[0].storage, "write-threshold": bytes});
    running.change(purpose.clone(), |builder| {
        builder.part(purpose, worked.disk.origin);
        builder.afterwards("block-set-write-threshold", arguments);
    })
}

/// The sizes of images that QEMU has open, from what it says to `query-named-block-nodes`.
pub fn sizes(nodes: &Value) -> BTreeMap<String, u64> {
    let size = |node: &Value| {
        let name = node["node-name"].as_str()?.to_owned();
        Some((name, node["image"]["virtual-size"].as_u64()?))
    };
    nodes.as_array().into_iter().flatten().filter_map(size).collect()
}

/// A disk of a guest that runs, and its images from the topmost down.
struct Worked<'a> {
    disk: &'a Disk,
    alias: String,
    images: Vec<OpenImage>,
}

impl<'a> Running<'a> {
    /// The disk that a word means.
    fn disk(&self, word: &str) -> Result<Worked<'a>, Vec<Problem>> {
        let pos = super::disk(self.live, word)?;
        let disk = &self.live.devices.disks[pos];
        let alias = Aliases::assign(self.live).get(DeviceKind::Disk, pos).to_owned();
        let images = images(disk, &alias, self.inventory, (self.host, self.answers))?;
        if disk.readonly || disk.is_removable() {
            let message = format!("disk {}: the guest cannot write to it", disk.name());
            return Err(vec![refusal(message)]);
        }
        Ok(Worked { disk, alias, images })
    }

    /// How many bytes the guest sees of an image.
    fn size(&self, image: &OpenImage) -> Result<u64, Vec<Problem>> {
        self.sizes.get(&image.node).copied().ok_or_else(|| {
            vec![refusal(format!("QEMU does not say how large '{}' is", image.image.path))]
        })
    }

    /// A change that a builder makes the steps of.
    fn change(
        &self,
        purpose: String,
        make: impl FnOnce(&mut Builder<'_>),
    ) -> Result<Change, Vec<Problem>> {
        let options = Options::default();
        let devices = std::collections::BTreeSet::new();
        let mut builder =
            Builder::new(self.live, self.capabilities, self.host, self.answers, &options);
        builder.only(Wanted { devices: &devices, there: self.inventory });
        make(&mut builder);
        let plan = Change::of_plan(builder.finish_additions()?);
        let Change { revision, document, .. } =
            Change::of_steps(self.inventory, self.live, String::new(), Vec::new());
        Ok(Change { purpose, revision, document, ..plan })
    }
}

impl Worked<'_> {
    /// Which image a path names.
    fn find(&self, path: &str) -> Result<usize, Vec<Problem>> {
        let found = self.images.iter().position(|open| open.image.path == path);
        found.ok_or_else(|| {
            let paths: Vec<&str> =
                self.images.iter().map(|open| open.image.path.as_str()).collect();
            let message = format!("disk {}: '{path}' is not one of its images", self.disk.name());
            vec![refusal(message).help(format!("it has {}", paths.join(", ")))]
        })
    }

    /// The images, as documents name them.
    fn named(&self) -> Vec<Image> {
        self.images.iter().map(|open| open.image.clone()).collect()
    }

    fn refuse<T>(&self, message: &str) -> Result<T, Vec<Problem>> {
        Err(vec![refusal(format!("disk {}: {message}", self.disk.name()))])
    }
}

/// The name of a job, in libvirt's way: what it is, of which disk and which image.
fn job_id(kind: &str, disk: &Disk, image: &OpenImage) -> String {
    format!("{kind}-{}-{}", disk.name(), image.node)
}
