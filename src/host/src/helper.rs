//! Processes that run beside QEMU: virtiofsd, passt, vhost-device-vsock, swtpm.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use qemu::plan::{Helper, HelperSocket};
use sys::process::{Child, Program, Signal};

use crate::late::LateValues;
use crate::opening::{Claim, HelperEnd};

/// How long a helper may take to make its socket.
const SOCKET_LIMIT: Duration = Duration::from_secs(10);

/// How long a helper may take that only prepares something: swtpm_setup makes keys.
const PREPARATION_LIMIT: Duration = Duration::from_secs(60);

/// How long a helper that was told to end may take.
pub const END_LIMIT: Duration = Duration::from_secs(2);

/// The number under which a helper inherits its socket.
const SOCKET_FD: i32 = 3;
/// The number under which it inherits its claim, which it never uses.
const CLAIM_FD: i32 = 4;

/// The number under which it inherits its secret.
const SECRET_FD: i32 = 5;

/// A helper that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{}{purpose}: {reason}", .at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default())]
pub struct HelperError {
    /// Where the element stands that needs it.
    pub at: Option<String>,
    /// What it is for.
    pub purpose: String,
    /// Why it could not be started.
    pub reason: String,
}

/// A helper that runs.
#[derive(Debug)]
pub struct Running {
    /// Its name in the plan.
    pub name: String,
    /// The process.
    pub child: Child,
    /// How QEMU reaches it.
    pub end: Option<HelperEnd>,
    /// Its socket, if that has a name.
    pub socket: Option<PathBuf>,
    /// The number that it has for itself.
    pub claim: Option<Claim>,
}

/// Starts a helper, whose socket is at `socket` if it has a name, and whose messages go to `log`. It
/// holds `claim` as long as it lives.
///
/// # Errors
/// It could not be started, or ended before it made its socket; the last lines it wrote are said.
pub fn start(
    helper: &Helper,
    socket: &Path,
    log: &Path,
    environment: &[(OsString, OsString)],
    late: &LateValues,
    claim: Option<Claim>,
) -> Result<Running, HelperError> {
    try_start(helper, socket, log, environment, late, claim).map_err(|error| HelperError {
        at: helper.at.clone(),
        purpose: helper.purpose.clone(),
        reason: sys::reason(&error),
    })
}

fn try_start(
    helper: &Helper,
    socket: &Path,
    log: &Path,
    environment: &[(OsString, OsString)],
    late: &LateValues,
    claim: Option<Claim>,
) -> io::Result<Running> {
    if let Some(directory) = &helper.directory {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
            io::Error::other(format!("cannot make '{directory}': {}", sys::reason(&error)))
        })?;
    }
    let (inherited, end, placeholder) = match helper.socket {
        HelperSocket::Inherited => {
            let listener = UnixListener::bind(socket)?;
            (Some(listener.into()), HelperEnd::Path(socket.to_owned()), SOCKET_FD.to_string())
        }
        HelperSocket::Path => {
            (None, HelperEnd::Path(socket.to_owned()), socket.display().to_string())
        }
        HelperSocket::None => (None, HelperEnd::None, String::new()),
        HelperSocket::Pair => {
            let (ours, theirs) = UnixStream::pair()?;
            (Some(OwnedFd::from(theirs)), HelperEnd::Pair(ours.into()), SOCKET_FD.to_string())
        }
    };
    let argv: Vec<OsString> = helper
        .argv
        .iter()
        .map(|argument| {
            let text = late.in_text(argument).replace("{socket}", &placeholder);
            text.replace("{secret}", &SECRET_FD.to_string()).into()
        })
        .collect();
    let output = OpenOptions::new().create(true).append(true).open(log)?;
    let mut descriptors = vec![(output.try_clone()?.into(), 1), (output.into(), 2)];
    descriptors.extend(inherited.map(|socket| (socket, SOCKET_FD)));
    if let Some(name) = &helper.secret {
        descriptors.push((secret(name, late)?, SECRET_FD));
    }
    if let Some(claim) = &claim {
        descriptors.push((claim.share()?, CLAIM_FD));
    }
    let program = Program {
        argv,
        environment: environment.to_vec(),
        descriptors,
        own_session: true,
        ..Program::default()
    };
    let mut child = program.spawn()?;
    if helper.socket == HelperSocket::Path
        && let Err(error) = wait_for_socket(&mut child, socket, log)
    {
        end_now(&mut child);
        return Err(error);
    }
    if helper.ends {
        wait_for_success(&mut child, log)?;
    }
    let has_name = matches!(helper.socket, HelperSocket::Inherited | HelperSocket::Path);
    let named = has_name.then(|| socket.to_owned());
    Ok(Running { name: helper.name.clone(), child, end: Some(end), socket: named, claim })
}

/// A secret in sealed memory.
fn secret(name: &str, late: &LateValues) -> io::Result<OwnedFd> {
    let value = late.get(name).and_then(|value| base::base64::decode(value.as_str()?));
    let value = value.ok_or_else(|| io::Error::other("its secret is not one in base64"))?;
    sys::fd::memfd_of("secret", &value)
}

/// Waits until something is at the path of the socket, or the helper has ended.
fn wait_for_socket(child: &mut Child, socket: &Path, log: &Path) -> io::Result<()> {
    let deadline = Instant::now() + SOCKET_LIMIT;
    while !socket.exists() {
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("it ended with {status}{}", said(log))));
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("it made no socket within {SOCKET_LIMIT:?}")));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Waits until a helper has ended, and well.
fn wait_for_success(child: &mut Child, log: &Path) -> io::Result<()> {
    if !child.wait_for_end(PREPARATION_LIMIT)? {
        end_now(child);
        let message = format!("it did not end within {PREPARATION_LIMIT:?}{}", said(log));
        return Err(io::Error::other(message));
    }
    match child.try_wait()? {
        Some(status) if !status.success() => {
            Err(io::Error::other(format!("it ended with {status}{}", said(log))))
        }
        _ => Ok(()),
    }
}

/// Ends a helper and waits for it.
pub fn end_now(child: &mut Child) {
    // A process that cannot be signalled or waited for is gone.
    let _ = child.process().kill(Signal::KILL);
    let _ = child.wait_for_end(END_LIMIT);
}

/// Waits for a helper that was told to end, and ends it if it does not.
pub fn end_within(child: &mut Child, limit: Duration) {
    if !child.wait_for_end(limit).unwrap_or(true) {
        end_now(child);
    }
}

/// The last lines of a log, to be put behind a message.
pub fn said(log: &Path) -> String {
    let lines = last_lines(log, 5);
    if lines.is_empty() { String::new() } else { format!(":\n{}", lines.join("\n")) }
}

/// The last lines of a log that are not empty.
pub fn last_lines(log: &Path, number: usize) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        use std::io::{Read, Seek, SeekFrom};
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(16 << 10)))?;
        file.read_to_end(&mut bytes)
    });
    if read.is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(number)..].iter().map(|line| (*line).to_owned()).collect()
}
