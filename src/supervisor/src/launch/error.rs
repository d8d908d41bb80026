//! Why a launch failed.

use std::io;

use host::control_group::GroupError;
use host::helper::{HelperError, last_lines};
use host::opening::OpenError;

use super::{Resources, ended_soon};

/// Why a launch failed.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A thing that the plan names could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A helper process could not be started.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// The kernel could not be told a limit.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// QEMU may not lock as much memory as the guest is to have locked.
    #[error(
        "the guest's memory cannot be locked, as <locked/> and devices of the host need it: that takes \
         {}, and this user may lock {most} bytes; raise LimitMEMLOCK= of systemd's unit or 'memlock' \
         in /etc/security/limits.conf, or leave out <locked/> and such devices",
        .wanted.map_or("more than can be told".to_owned(), |wanted| format!("{wanted} bytes"))
    )]
    Locked {
        /// How many bytes are wanted. Absent: as many as there are.
        wanted: Option<u64>,
        /// How many bytes it may lock.
        most: u64,
    },
    /// QEMU could not be started.
    #[error("cannot start QEMU: {}", sys::reason(.0))]
    Spawn(io::Error),
    /// QEMU refused a command, or did not answer.
    #[error("{}{purpose}: {error}", .at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default())]
    Command {
        /// Where the element stands that asked for it.
        at: Option<String>,
        /// What it was for.
        purpose: String,
        /// What QEMU said.
        error: qmp::Error,
    },
    /// The host cannot give the guest the processor that it is to have.
    #[error(
        "{}processor: the host cannot give the guest all of '{model}': {missing}; switch these off by \
         <feature policy='disable'>, name another model, or write check='none'",
        .at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default()
    )]
    Processor {
        /// Where the element stands that asks for it.
        at: Option<String>,
        /// The model.
        model: String,
        /// The features that are missing.
        missing: String,
    },
    /// A thread of QEMU could not be put where it is to run.
    #[error(
        "{}{what} cannot be placed or scheduled as asked: {}",
        .at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default(),
        sys::reason(.error)
    )]
    Thread {
        /// Where the element stands that asked for it.
        at: Option<String>,
        /// Which one.
        what: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The conversation with QEMU failed.
    #[error(transparent)]
    Qmp(#[from] qmp::Error),
    /// QEMU ended while it was being set up.
    #[error("QEMU ended ({status}) while the guest was being started{said}")]
    QemuEnded {
        /// How it ended.
        status: String,
        /// The last lines it wrote.
        said: String,
    },
    /// The plan names a descriptor that it does not open, or opens once and uses twice.
    #[error("the plan has no descriptor '{0}' left; this is a bug in vdomain")]
    NoDescriptor(String),
    /// Files of ours.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Files of ours.
    #[error("{}", sys::reason(.0))]
    Io(#[from] io::Error),
}

impl LaunchError {
    /// A conversation breaks off when QEMU ends; then what QEMU said is the reason.
    pub(super) async fn with_end_of(self, resources: &mut Resources) -> Self {
        let broke_off = match &self {
            Self::Qmp(error) | Self::Command { error, .. } => {
                !matches!(error, qmp::Error::Refused { .. })
            }
            _ => false,
        };
        let Some(qemu) = resources.qemu.as_mut().filter(|_| broke_off) else { return self };
        let Some(status) = ended_soon(qemu).await else { return self };
        let lines = last_lines(&resources.run.log(), 5);
        let said = match lines.as_slice() {
            [] => String::new(),
            lines => format!("; it said:\n  {}", lines.join("\n  ")),
        };
        Self::QemuEnded { status: status.to_string(), said }
    }
}
