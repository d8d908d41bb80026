//! What a guest has on the host: to be taken back when its start fails, and cleared away when it is
//! gone.

use std::path::PathBuf;

use host::control_group;
use host::helper::{self, Running};
use host::opening::Made;
use host::vfio::{self, Taken};
use store::RunDirectory;
use sys::process::{Child, Process, Signal};

use crate::status::{Pid, Status};

/// What a guest has on the host, in the order in which it was made.
#[derive(Debug)]
pub struct Resources {
    /// The guest's run-time directory.
    pub run: RunDirectory,
    /// Whether it was made.
    pub directory: bool,
    /// The helper processes.
    pub helpers: Vec<Running>,
    /// What was made outside the run-time directory.
    pub made: Made,
    /// PCI devices that were taken from the host.
    pub taken: Vec<Taken>,
    /// The directory of the control group that they are in.
    pub group: Option<PathBuf>,
    /// QEMU.
    pub qemu: Option<Child>,
}

impl Resources {
    pub(super) fn new(run: RunDirectory) -> Self {
        Self {
            run,
            directory: false,
            helpers: Vec::new(),
            made: Made::default(),
            taken: Vec::new(),
            group: None,
            qemu: None,
        }
    }

    /// What a guest has whose supervisor has gone, as far as it is still there.
    pub fn found(run: RunDirectory, status: &Status) -> Self {
        let find = |pid: Pid| Process::find(pid.into()).ok().flatten().map(Child::found);
        Self {
            directory: true,
            helpers: status
                .helpers
                .iter()
                .filter_map(|(name, pid)| {
                    let child = find(*pid)?;
                    Some(Running {
                        name: name.clone(),
                        child,
                        end: None,
                        socket: None,
                        claim: None,
                    })
                })
                .collect(),
            made: status.made.clone(),
            taken: status.taken.clone(),
            group: status.group.clone(),
            qemu: status.qemu.and_then(find),
            run,
        }
    }

    /// Takes everything back, the last first.
    pub fn clear(&mut self) {
        if let Some(mut qemu) = self.qemu.take() {
            helper::end_now(&mut qemu);
        }
        std::mem::take(&mut self.made).remove();
        for running in self.helpers.drain(..).rev() {
            end_helper(running);
        }
        if let Some(group) = self.group.take() {
            control_group::remove(&group);
        }
        self.taken.drain(..).rev().for_each(|taken| vfio::give_back(&taken));
        if std::mem::take(&mut self.directory) {
            // What cannot be removed is found and removed by the next start.
            let _ = self.run.remove();
        }
    }
}

/// Ends a helper. virtiofsd and passt end by themselves when QEMU is gone; the others are told to.
pub(crate) fn end_helper(mut running: Running) {
    let _ = running.child.process().kill(Signal::TERM);
    helper::end_within(&mut running.child, helper::END_LIMIT);
}
