//! What is written down about a guest's devices, for whoever comes after its supervisor.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use host::opening::Made;
use qemu::change::{Removal, Undo};
use qemu::plan::{Command, Inventory};
use serde::{Deserialize, Serialize};
use store::RunDirectory;

use super::job::{Begun, Ended};

/// What QEMU has, and what is being done about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// What QEMU was told to have.
    #[serde(flatten)]
    pub inventory: Inventory,
    /// Devices that the guest was asked to let go of, and has not yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<Removal>,
    /// What takes back a change that is being made, in order. It is carried out by whoever takes the
    /// guest over in the middle of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Undo>,
    /// The work on images that the change which is being made begins or does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beginning: Option<Beginning>,
    /// Work on images that is under way, or whose end is not written down everywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<Begun>,
    /// How the last job of each disk ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<Ended>,
    /// What was made on the host for devices that came later, by their ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub made: BTreeMap<String, Made>,
    /// The ids of disks that others have handed over, by the names they have for them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<String, String>,
}

/// Work on images that is just being begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beginning {
    /// The work.
    pub begun: Begun,
    /// What QEMU is told for it.
    pub told: Vec<Command>,
}

/// Changes the live document of a guest, as far as `edit` has something to change. A document that cannot
/// be written stays as it is: whoever asks QEMU is told what is so.
pub(super) fn edit_document(run: &RunDirectory, edit: impl FnOnce(&str) -> Option<String>) {
    let path = run.document();
    let document = fs::read_to_string(&path).ok();
    if let Some(document) = document.and_then(|text| edit(&text)) {
        let _ = sys::file::atomic_write_until_crash(&path, document.as_bytes(), 0o600);
    }
}

impl Record {
    /// Of a guest that was just started.
    pub fn new(inventory: Inventory) -> Self {
        Self { inventory, ..Self::default() }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, run: &RunDirectory) -> io::Result<()> {
        sys::file::atomic_write_until_crash(&run.inventory(), &serde_json::to_vec(self)?, 0o600)
    }

    /// Reads what was written down; `None` if there is nothing that can be understood.
    pub fn read(run: &RunDirectory) -> Option<Self> {
        serde_json::from_slice(&fs::read(run.inventory()).ok()?).ok()
    }
}
