//! Opening what a plan names. What the domain names is opened here and nowhere else.

mod claim;
mod network;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use qemu::plan::{Access, Fd, Open, VirtualFunction};
use serde::{Deserialize, Serialize};

use crate::helper::Running;
use crate::late::LateValues;
use network::Taps;

pub use claim::{Claim, claim};

/// What could not be opened, where that is asked for, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}{purpose}: {problem}{}", front(.at.as_deref()), behind(.help.as_deref()))]
pub struct OpenError {
    /// Where the element stands that asks for it.
    pub at: Option<String>,
    /// What it is for.
    pub purpose: String,
    /// What could not be done, with what, and why.
    pub problem: String,
    /// What to do.
    pub help: Option<String>,
}

fn front(at: Option<&str>) -> String {
    at.map(|at| format!("{at}: ")).unwrap_or_default()
}

fn behind(help: Option<&str>) -> String {
    help.map(|help| format!("; {help}")).unwrap_or_default()
}

/// Everything that was opened for a guest.
#[derive(Debug, Default)]
pub struct Opened {
    /// The descriptors by the plan's names.
    pub fds: BTreeMap<String, OwnedFd>,
    /// What was made for it.
    pub made: Made,
}

/// What was made for a guest on the host, and goes when the guest does.
///
/// Taps are not in it: they are gone when nobody has their descriptors any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Made {
    /// Sockets.
    pub sockets: Vec<PathBuf>,
    /// Images that were asked for. Once a guest has them, they are nothing that goes.
    #[serde(skip)]
    pub images: Vec<PathBuf>,
    /// Network devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// Programs that take something back, such as a port of Open vSwitch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Vec<String>>,
}

impl Made {
    /// Adds what was made for something that came later.
    pub fn add(&mut self, more: &Self) {
        self.sockets.extend(more.sockets.iter().cloned());
        self.links.extend(more.links.iter().cloned());
        self.undo.extend(more.undo.iter().cloned());
    }

    /// Forgets what was taken back.
    pub fn forget(&mut self, gone: &Self) {
        self.sockets.retain(|socket| !gone.sockets.contains(socket));
        self.links.retain(|link| !gone.links.contains(link));
        self.undo.retain(|undo| !gone.undo.contains(undo));
    }

    /// Takes everything back.
    pub fn remove(&self) {
        // What is gone already is as it should be.
        for argv in self.undo.iter().rev() {
            let _ = network::run(argv);
        }
        for link in &self.links {
            let _ = sys::netlink::remove(link);
        }
        for path in self.sockets.iter().chain(&self.images) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Where things of one guest's start are made.
#[derive(Debug)]
pub struct Place<'a> {
    /// The socket of QEMU's monitor.
    pub monitor: PathBuf,
    /// The helpers that run already.
    pub helpers: &'a [Running],
}

/// How QEMU reaches a helper.
#[derive(Debug)]
pub enum HelperEnd {
    /// It listens at a path.
    Path(PathBuf),
    /// It has one end of a pair; this is the other.
    Pair(OwnedFd),
    /// Not at all.
    None,
}

/// Sets up what is to be set up, and opens everything, in order.
///
/// # Errors
/// The first thing that could not be opened; what was made before it is taken back.
pub fn open_all(
    (functions, fds): (&[VirtualFunction], &[Fd]),
    place: &Place<'_>,
    late: &mut LateValues,
) -> Result<Opened, OpenError> {
    let mut opened = Opened::default();
    let mut taps = Taps::default();
    for function in functions {
        network::virtual_function(function).map_err(|error| OpenError {
            at: function.at.clone(),
            purpose: function.purpose.clone(),
            problem: sys::reason(&error),
            help: None,
        })?;
    }
    for fd in fds {
        let result = open(fd, place, late, &mut taps, &mut opened.made);
        match result {
            Ok(descriptor) => {
                opened.fds.insert(fd.name.clone(), descriptor);
            }
            Err(error) => {
                opened.made.remove();
                return Err(worded(fd, &late.in_text(&fd.source), &error));
            }
        }
    }
    Ok(opened)
}

fn open(
    fd: &Fd,
    place: &Place<'_>,
    late: &mut LateValues,
    taps: &mut Taps,
    made: &mut Made,
) -> io::Result<OwnedFd> {
    let source = Path::new(&fd.source);
    match &fd.open {
        Open::File { access, direct } => sys::fd::open_file(source, sys_access(*access), *direct),
        Open::Create { size, direct } => create(source, *size, *direct, made),
        Open::Device { access } => sys::fd::open_file(source, sys_access(*access), false),
        Open::Directory => sys::fd::open_directory(source),
        Open::Memory => sys::fd::nameless_file(source),
        Open::Overlay => overlay(source),
        Open::MemfdCopy => {
            let name = source.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            sys::fd::memfd_copy(&name, &File::open(source)?)
        }
        Open::Text { content } => sys::fd::memfd_of("text", content.as_bytes()),
        Open::MemoryFile => memory_file(source),
        Open::Log { append } => log(source, *append),
        Open::Tap(tap) => taps.queue(tap, late, made),
        Open::Macvtap(macvtap) => taps.macvtap(macvtap, late, made),
        Open::VhostNet => {
            sys::fd::open_file(Path::new("/dev/vhost-net"), sys::fd::Access::ReadWrite, false)
        }
        Open::VhostVsock { cid, late: name } => network::vhost_vsock(*cid, name, late),
        Open::SocketNode => sys::fd::open_path(source),
        Open::ListenUnix => listen(source, &mut made.sockets),
        Open::ListenTcp { address, port, auto } => listen_tcp(address, *port, *auto),
        Open::ConnectUnix => UnixStream::connect(source).map(OwnedFd::from),
        Open::Helper { helper } => {
            match place
                .helpers
                .iter()
                .find(|running| running.name == *helper)
                .and_then(|found| found.end.as_ref())
            {
                Some(HelperEnd::Path(path)) => UnixStream::connect(path).map(OwnedFd::from),
                Some(HelperEnd::Pair(end)) => end.try_clone(),
                Some(HelperEnd::None) | None => {
                    Err(io::Error::other(format!("the plan has no helper '{helper}'")))
                }
            }
        }
        Open::HelperNode { helper } => {
            let running = place.helpers.iter().find(|running| running.name == *helper);
            match running.and_then(|running| running.socket.as_deref()) {
                Some(socket) => sys::fd::open_path(socket),
                None => Err(io::Error::other(format!("the plan has no helper '{helper}'"))),
            }
        }
        Open::Secret { late: name } => match late.get(name).and_then(|value| value.as_str()) {
            Some(value) => sys::fd::memfd_of("secret", value.as_bytes()),
            None => Err(io::Error::other(format!("the plan has no secret '{name}'"))),
        },
        Open::Monitor => UnixListener::bind(&place.monitor).map(OwnedFd::from),
    }
}

fn sys_access(access: Access) -> sys::fd::Access {
    match access {
        Access::Ro => sys::fd::Access::ReadOnly,
        Access::Rw => sys::fd::Access::ReadWrite,
    }
}

fn log(path: &Path, append: bool) -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    if append {
        options.append(true)
    } else {
        options.truncate(true)
    };
    options.open(path).map(OwnedFd::from)
}

/// A new file for an image, for nobody but its owner.
fn create(path: &Path, size: u64, direct: bool, made: &mut Made) -> io::Result<OwnedFd> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    made.images.push(path.to_owned());
    file.set_len(size)?;
    sys::fd::open_file(path, sys::fd::Access::ReadWrite, direct)
}

/// A file without a name for what is written to an image and not kept. There is most room where the
/// image is; not every file system has files without names.
fn overlay(image: &Path) -> io::Result<OwnedFd> {
    let beside = image.parent().unwrap_or(Path::new("/"));
    let on_disk = [beside, Path::new("/var/tmp")].into_iter().map(sys::fd::nameless_file);
    on_disk.flatten().next().map_or_else(|| sys::fd::memfd("overlay"), Ok)
}

/// A file of which QEMU makes memory. One that is made is for nobody but its owner.
fn memory_file(path: &Path) -> io::Result<OwnedFd> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(OwnedFd::from)
}

/// Listens at an address and port, or at the first free port after it.
fn listen_tcp(address: &str, port: u32, auto: bool) -> io::Result<OwnedFd> {
    let first = u16::try_from(port).map_err(|_| io::Error::other("there is no such port"))?;
    if auto {
        return Ok(first_free_port(address, first)?.1.into());
    }
    Ok(TcpListener::bind((address, first))?.into())
}

/// The first free port at an address from a port on, and a socket that listens there.
///
/// # Errors
/// No port is free, or the address is none of this host.
pub fn first_free_port(address: &str, from: u16) -> io::Result<(u16, TcpListener)> {
    for port in from..=u16::MAX {
        match TcpListener::bind((address, port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            listener => return Ok((port, listener?)),
        }
    }
    Err(io::Error::other(format!("no port is free at {address} from {from} on")))
}

/// The sockets that opening these will make, but for those on which somebody listens already.
pub fn sockets(fds: &[Fd]) -> Vec<PathBuf> {
    let listens = fds.iter().filter(|fd| fd.open == Open::ListenUnix);
    let paths = listens.map(|fd| PathBuf::from(&fd.source));
    paths.filter(|path| is_stale(path) || !path.exists()).collect()
}

/// Whether a path is a socket that nobody listens on any more.
fn is_stale(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Listens at a path. A socket that nobody listens on any more is replaced.
fn listen(path: &Path, sockets: &mut Vec<PathBuf>) -> io::Result<OwnedFd> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if is_stale(path) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    sockets.push(path.to_owned());
    Ok(listener.into())
}

fn worded(fd: &Fd, source: &str, error: &io::Error) -> OpenError {
    let action = match fd.open {
        Open::Tap(_) | Open::Macvtap(_) | Open::Create { .. } => "make",
        Open::ListenUnix | Open::ListenTcp { .. } | Open::Monitor => "listen on",
        Open::ConnectUnix | Open::Helper { .. } | Open::HelperNode { .. } => "connect to",
        _ => "open",
    };
    let reason = sys::reason(error);
    // What was tried is in the text already where it was tried further down.
    let problem = if reason.starts_with("cannot ") {
        reason
    } else {
        format!("cannot {action} '{source}': {reason}")
    };
    OpenError {
        at: fd.at.clone(),
        purpose: fd.purpose.clone(),
        problem,
        help: help(&fd.open, error),
    }
}

fn help(open: &Open, error: &io::Error) -> Option<String> {
    let text = match (open, error.kind()) {
        (Open::VhostVsock { .. }, io::ErrorKind::NotFound) => {
            "load the kernel module vhost_vsock, or install vhost-device-vsock"
        }
        (Open::Tap(_), io::ErrorKind::PermissionDenied) => {
            "making a tap needs CAP_NET_ADMIN; use <interface type='user'>, or an existing tap of \
             yours with <target dev='…' managed='no'/>"
        }
        (Open::Macvtap(_), io::ErrorKind::PermissionDenied) => {
            "making a macvtap needs CAP_NET_ADMIN; use <interface type='user'>"
        }
        (Open::Create { .. }, io::ErrorKind::AlreadyExists) => {
            "--reuse-external takes an image that is there"
        }
        (Open::VhostNet, io::ErrorKind::PermissionDenied) => {
            "add yourself to the group of /dev/vhost-net, or use <driver name='qemu'/>"
        }
        (_, io::ErrorKind::PermissionDenied) => {
            "it is opened as the user who runs vdomain; give that user access"
        }
        _ => return None,
    };
    Some(text.to_owned())
}
