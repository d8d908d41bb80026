//! What can be told of a guest.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sys::process::Identity;

use crate::launch::Guest;
use crate::state::Reason;

/// Everything that is known of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Its state, in virsh's words.
    pub state: String,
    /// Why it is in its state.
    pub reason: Reason,
    /// QEMU's process number.
    pub pid: u32,
    /// When QEMU was started, in seconds since 1970.
    pub started: u64,
    /// The processes beside QEMU, by what they are for.
    pub helpers: BTreeMap<String, u32>,
    /// The consoles, in the order of the document.
    pub consoles: Vec<Console>,
    /// The devices that it was asked to let go of, and has not yet.
    #[serde(default)]
    pub removals: Vec<String>,
    /// What happens when it powers off, in libvirt's words.
    pub on_poweroff: String,
    /// What happens when it reboots.
    pub on_reboot: String,
    /// What happens when it crashes.
    pub on_crash: String,
    /// Who watches over it.
    pub supervisor: Supervisor,
    /// What came of registering it with systemd-machined: `registered`, or why not. Absent where it is
    /// not known yet, nobody tried, or another supervisor did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machined: Option<String>,
    /// What came of asking systemd for units of its own: `kept`, or why not. Absent where it is not
    /// known yet, or nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
}

/// A console of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Console {
    /// The terminal behind it, if it has one.
    pub terminal: Option<PathBuf>,
}

/// Who watches over a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervisor {
    /// The process number.
    pub pid: u32,
    /// The version of vdomain.
    pub version: String,
    /// Whether it took the guest over from another one; what happened before is not known then.
    pub adopted: bool,
}

impl Guest {
    /// The numbers of its processes: QEMU's, and those of its helpers.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let helpers = self.status.helpers.values().map(|helper| helper.pid);
        std::iter::once(self.qemu.process().pid()).chain(helpers).collect()
    }

    /// Its consoles, in the order of the document.
    pub(crate) fn consoles(&self) -> Vec<Console> {
        self.status.consoles.iter().cloned().map(|terminal| Console { terminal }).collect()
    }

    /// What can be told of it.
    pub fn describe(&self) -> Description {
        let (state, reason) = self.state;
        let status = &self.status;
        let started = status.qemu.and_then(|qemu| Identity::from(qemu).started().ok());
        Description {
            name: self.resources.run.name().to_string(),
            uuid: status.uuid.clone(),
            state: state.to_string(),
            reason,
            pid: self.qemu.process().pid(),
            started: started.unwrap_or_default(),
            helpers: status.helpers.iter().map(|(name, pid)| (name.clone(), pid.pid)).collect(),
            consoles: self.consoles(),
            removals: Vec::new(),
            on_poweroff: status.lifecycle.poweroff.clone(),
            on_reboot: status.lifecycle.reboot.clone(),
            on_crash: status.lifecycle.crash.clone(),
            supervisor: Supervisor {
                pid: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                adopted: self.adopted,
            },
            machined: self.registration.machined.get().cloned(),
            units: self.registration.units.get().cloned(),
        }
    }
}
