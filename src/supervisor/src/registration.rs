//! Telling systemd of a guest: units of its own, and an entry of systemd-machined. A guest runs without
//! either.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use store::RunDirectory;
use sys::runtime::{self, JoinHandle};

use crate::launch::Guest;
use crate::machined;
use crate::units::Units;

/// What is said where a guest has units.
const KEPT: &str = "kept";

/// What came of telling systemd of a guest. Each is nothing as long as it is not known, and where
/// nobody tried.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// Of units of its own: `kept`, or why not.
    pub units: Arc<OnceLock<String>>,
    /// Of registering it with machined: `registered`, or why not.
    pub machined: Arc<OnceLock<String>>,
}

impl Registration {
    /// Begins to put a guest's processes and this one into units of its own.
    pub(crate) fn keep(
        &self,
        units: Units,
        run: RunDirectory,
        processes: Vec<u32>,
    ) -> JoinHandle<()> {
        let outcome = Arc::clone(&self.units);
        runtime::spawn(async move {
            let kept = units.keep(&run, &processes).await;
            // It is set nowhere else.
            let _ = outcome.set(kept.err().unwrap_or_else(|| KEPT.to_owned()));
        })
    }

    /// Begins to register a guest with the machined that listens at a path.
    pub(crate) fn register(&self, guest: &Guest, socket: PathBuf) {
        let call = machined::call(guest);
        // A user's machined takes a unit that it has not made for a part of the user's manager, and
        // ends us when it is gone.
        let is_of_system = guest.status.units.as_ref().is_some_and(|units| units.user.is_none());
        let has_unit = is_of_system && self.units.get().is_some_and(|said| said == KEPT);
        let outcome = Arc::clone(&self.machined);
        if guest.resources.group.is_some() && !has_unit {
            // A unit of machined's would take QEMU out of the control group that limits it.
            let _ = outcome.set("it is limited by a control group of its own".to_owned());
            return;
        }
        runtime::spawn(async move {
            let registered = machined::register(&socket, call, has_unit).await;
            // It is set nowhere else.
            let _ = outcome.set(registered.err().unwrap_or_else(|| "registered".to_owned()));
        });
    }
}

/// Puts helpers that a guest has got since it had these processes beside its QEMU.
pub(crate) fn add(guest: &Guest, before: &[u32]) {
    let mut new = guest.processes();
    new.retain(|process| !before.contains(process));
    if let Some(units) = guest.status.units.clone()
        && !new.is_empty()
    {
        let run = guest.resources.run.clone();
        // Where the guest has no unit, they stay where the supervisor is.
        runtime::spawn(async move { units.attach(&run, &new).await });
    }
}
