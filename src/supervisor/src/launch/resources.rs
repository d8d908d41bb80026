//! What a guest has on the host: to be taken back when its start fails, and cleared away when it is
//! gone.

use std::path::PathBuf;

use host::helper::{self, Running};
use host::opening;
use host::vfio::{self, Taken};
use store::RunDirectory;
use sys::process::{Child, Process, Signal};

use crate::status::{Pid, Status};

/// What a guest has on the host, in the order in which it was made.
///
/// Taps are not in it: they are gone when nobody has their descriptors any more.
#[derive(Debug)]
pub struct Resources {
    /// The guest's run-time directory.
    pub run: RunDirectory,
    /// Whether it was made.
    pub directory: bool,
    /// The helper processes.
    pub helpers: Vec<Running>,
    /// Sockets outside the run-time directory.
    pub sockets: Vec<PathBuf>,
    /// PCI devices that were taken from the host.
    pub taken: Vec<Taken>,
    /// QEMU.
    pub qemu: Option<Child>,
}

impl Resources {
    pub(super) fn new(run: RunDirectory) -> Self {
        Self {
            run,
            directory: false,
            helpers: Vec::new(),
            sockets: Vec::new(),
            taken: Vec::new(),
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
            sockets: status.sockets.clone(),
            taken: status.taken.clone(),
            qemu: status.qemu.and_then(find),
            run,
        }
    }

    /// Takes everything back, the last first.
    pub fn clear(&mut self) {
        if let Some(mut qemu) = self.qemu.take() {
            helper::end_now(&mut qemu);
        }
        opening::remove_sockets(&std::mem::take(&mut self.sockets));
        for running in self.helpers.drain(..).rev() {
            end_helper(running);
        }
        self.taken.drain(..).rev().for_each(|taken| vfio::give_back(&taken));
        if std::mem::take(&mut self.directory) {
            // What cannot be removed is found and removed by the next start.
            let _ = self.run.remove();
        }
    }
}

/// Ends a helper. virtiofsd and passt end by themselves when QEMU is gone; the others are told to.
fn end_helper(mut running: Running) {
    let _ = running.child.process().kill(Signal::TERM);
    helper::end_within(&mut running.child, helper::END_LIMIT);
}
