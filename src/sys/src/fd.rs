//! Descriptors: opening what a guest needs, sealed copies in memory, passing over Unix sockets.
//!
//! Everything opened here is close-on-exec.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::{context, invalid};

/// Most descriptors that one message can carry: `SCM_MAX_FD` of Linux, `include/net/scm.h`.
pub const MAX_PER_MESSAGE: usize = 253;

/// What may be done with an opened file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `O_RDONLY`.
    ReadOnly,
    /// `O_RDWR`.
    ReadWrite,
}

/// Opens an image or a device node; `direct` bypasses the page cache (`O_DIRECT`).
///
/// A terminal does not become the controlling one. A FIFO without a peer blocks: look at the
/// file's type first.
///
/// # Errors
///
/// Those of open(2); the text names the path.
pub fn open_file(path: &Path, access: Access, direct: bool) -> io::Result<OwnedFd> {
    let mode = match access {
        Access::ReadOnly => OFlags::RDONLY,
        Access::ReadWrite => OFlags::RDWR,
    };
    let direct = if direct { OFlags::DIRECT } else { OFlags::empty() };
    open(path, mode | direct | OFlags::NOCTTY)
}

/// Opens a directory for reading, such as the root of a share.
///
/// # Errors
///
/// Those of open(2), `NotADirectory` among them; the text names the path.
pub fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Makes a file that never has a name: in the directory that the path is, or in the nearest one above
/// it that is there.
///
/// # Errors
///
/// Those of open(2); the text names the directory.
pub fn nameless_file(path: &Path) -> io::Result<OwnedFd> {
    let directory = path.ancestors().find(|directory| directory.is_dir());
    open_mode(
        directory.unwrap_or(Path::new("/")),
        OFlags::RDWR | OFlags::TMPFILE,
        Mode::RUSR | Mode::WUSR,
    )
}

/// Opens a place in the file tree without opening what is there (`O_PATH`): a socket to connect
/// to later through `/proc/self/fd`.
///
/// # Errors
///
/// Those of open(2); the text names the path.
pub fn open_path(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::PATH)
}

/// Whether a descriptor only names a place (`O_PATH`). QEMU 11.1 drops its monitor's connection
/// when it is sent one.
///
/// # Errors
///
/// Those of fcntl(2).
pub fn is_path_only(fd: impl AsFd) -> io::Result<bool> {
    Ok(rustix::fs::fcntl_getfl(fd)?.contains(OFlags::PATH))
}

/// How a descriptor was opened, nothing for `O_WRONLY` and `O_PATH` ones.
///
/// # Errors
///
/// Those of fcntl(2).
pub fn access(fd: impl AsFd) -> io::Result<Option<Access>> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(match flags & OFlags::ACCMODE {
        _ if flags.contains(OFlags::PATH) => None,
        OFlags::RDWR => Some(Access::ReadWrite),
        OFlags::WRONLY => None,
        _ => Some(Access::ReadOnly),
    })
}

/// Whether what is read and written passes by the host's cache (`O_DIRECT`).
///
/// # Errors
///
/// Those of fcntl(2).
pub fn is_direct(fd: impl AsFd) -> io::Result<bool> {
    Ok(rustix::fs::fcntl_getfl(fd)?.contains(OFlags::DIRECT))
}

/// Copies a file from its beginning into memory and seals the copy, so that nobody can change it.
///
/// `name` shows up in `/proc/PID/fd` as `/memfd:name`; it is for people and need not be unique.
///
/// # Errors
///
/// Those of memfd_create(2), reading and writing.
pub fn memfd_copy(name: &str, mut source: &File) -> io::Result<OwnedFd> {
    source.rewind()?;
    sealed(name, |copy| io::copy(&mut source, copy).map(drop))
}

/// Puts bytes into a sealed file in memory; see [`memfd_copy`].
///
/// # Errors
///
/// Those of memfd_create(2) and writing.
pub fn memfd_of(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    sealed(name, |copy| copy.write_all(bytes))
}

/// Makes an empty file in memory that can be written to.
///
/// # Errors
///
/// Those of memfd_create(2).
pub fn memfd(name: &str) -> io::Result<OwnedFd> {
    rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC).map_err(Into::into)
}

/// Takes over a descriptor that this process was started with, by its number. From now on it is
/// not passed on to others.
///
/// # Errors
///
/// There is no such descriptor, or it is one of the first three, which everybody uses.
pub fn inherited(number: i32) -> io::Result<OwnedFd> {
    if number < 3 {
        return Err(invalid(format_args!("{number} is not the number of an inherited descriptor")));
    }
    // SAFETY: it is only asked about; closing one that is not ours is the caller's to rule out.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)
        .map_err(|error| context(error, format_args!("descriptor {number} was not passed")))?;
    // SAFETY: the descriptor exists; whoever started this process made it for it, and the number is
    // taken over once, at the start.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes two connected stream sockets.
///
/// # Errors
///
/// Those of socketpair(2).
pub fn socketpair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (one, other) = std::os::unix::net::UnixStream::pair()?;
    Ok((one.into(), other.into()))
}

/// Sends bytes over a Unix stream socket; the descriptors travel with the first of them.
///
/// Returns how many bytes were taken, at least one; the descriptors have gone with them. No
/// `SIGPIPE` is raised.
///
/// # Errors
///
/// Those of sendmsg(2); `InvalidInput` for descriptors without bytes and for more than
/// [`MAX_PER_MESSAGE`].
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_PER_MESSAGE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        if bytes.is_empty() {
            return Err(invalid("descriptors need at least one byte to travel with"));
        }
        if fds.len() > MAX_PER_MESSAGE || !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(invalid(format_args!(
                "{} descriptors in one message, {MAX_PER_MESSAGE} fit",
                fds.len()
            )));
        }
    }
    let bytes = &[IoSlice::new(bytes)];
    Ok(rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(&socket, bytes, &mut control, SendFlags::NOSIGNAL)
    })?)
}

/// Receives bytes and the descriptors that came with them, close-on-exec.
///
/// No bytes mean that the peer has closed its end.
///
/// # Errors
///
/// Those of recvmsg(2). When not all descriptors could be installed (the limit of open files is
/// reached), those that were are closed, the bytes are lost, and the error says so: the
/// connection is of no further use.
pub fn receive(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_PER_MESSAGE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [IoSliceMut::new(bytes)];
    let received = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(&socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            fds.extend(passed);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other("descriptors were lost: the limit of open files is reached"));
    }
    Ok((received.bytes, fds))
}

fn open(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    open_mode(path, flags, Mode::empty())
}

fn open_mode(path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    rustix::io::retry_on_intr(|| rustix::fs::open(path, flags | OFlags::CLOEXEC, mode))
        .map_err(|error| context(error, format_args!("cannot open '{}'", path.display())))
}

fn sealed(name: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<OwnedFd> {
    let doing = |error| context(error, format_args!("cannot copy '{name}' into memory"));
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memfd = rustix::fs::memfd_create(name, flags).map_err(|error| doing(error.into()))?;
    let mut copy = File::from(memfd);
    fill(&mut copy).and_then(|()| copy.rewind()).map_err(doing)?;
    // Nobody has it mapped yet, so this forbids all writing. The plain seal would fail with EBUSY
    // whenever the kernel itself looks at a page just then.
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE;
    rustix::fs::fcntl_add_seals(&copy, seals).map_err(|error| doing(error.into()))?;
    Ok(copy.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_nameless_file_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let fd = nameless_file(&directory.path().join("ram/guest/pc.ram")).unwrap();
        assert_eq!(access(&fd).unwrap(), Some(Access::ReadWrite));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn descriptors_arrive_with_the_bytes_they_were_sent_with() {
        let (near, far) = socketpair().unwrap();
        let memfd = memfd_of("letter", b"hello").unwrap();

        assert_eq!(send(&near, b"first", &[memfd.as_fd()]).unwrap(), 5);
        assert_eq!(send(&near, b"second", &[]).unwrap(), 6);

        let mut bytes = [0; 64];
        let (count, mut fds) = receive(&far, &mut bytes).unwrap();
        assert_eq!(&bytes[..5], b"first");
        assert!(count >= 5);
        let mut text = String::new();
        File::from(fds.remove(0)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        assert!(fds.is_empty());
    }

    #[test]
    fn received_descriptors_are_closed_on_exec() {
        let (near, far) = socketpair().unwrap();
        send(&near, b"x", &[far.as_fd()]).unwrap();

        let (_, fds) = receive(&far, &mut [0; 8]).unwrap();

        let flags = rustix::io::fcntl_getfd(&fds[0]).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn as_many_descriptors_as_the_kernel_allows_can_be_passed() {
        let (near, far) = socketpair().unwrap();

        send(&near, b"x", &[near.as_fd(); MAX_PER_MESSAGE]).unwrap();
        let (_, fds) = receive(&far, &mut [0; 8]).unwrap();

        assert_eq!(fds.len(), MAX_PER_MESSAGE);
        let one_more = send(&near, b"x", &[near.as_fd(); MAX_PER_MESSAGE + 1]);
        assert_eq!(one_more.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_closed_peer_is_an_error_and_not_a_signal() {
        let (near, far) = socketpair().unwrap();
        drop(far);

        let error = send(&near, b"x", &[]).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(receive(&near, &mut [0; 8]).unwrap().0, 0);
    }

    #[test]
    fn nobody_can_write_to_a_sealed_copy() {
        let copy = memfd_copy("kernel", &File::open("/proc/self/exe").unwrap()).unwrap();

        let mut copy = File::from(copy);
        assert!(copy.metadata().unwrap().len() > 0);
        assert!(copy.write_all(b"x").is_err());
        assert!(copy.set_len(0).is_err());
    }

    #[test]
    fn open_errors_name_the_path() {
        let error = open_file(Path::new("/no/such"), Access::ReadWrite, false).unwrap_err();

        assert_eq!(error.to_string(), "cannot open '/no/such': no such file or directory");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_place_is_told_from_a_file() {
        let place = open_path(Path::new("/proc/self/exe")).unwrap();
        let file = open_file(Path::new("/proc/self/exe"), Access::ReadOnly, false).unwrap();

        assert!(is_path_only(&place).unwrap());
        assert!(!is_path_only(&file).unwrap());
        assert_eq!(access(&place).unwrap(), None);
        assert_eq!(access(&file).unwrap(), Some(Access::ReadOnly));
    }
}
