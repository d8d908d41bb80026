//! Files that are either the old or the new one, never half of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FallocateFlags, inotify};
use rustix::io::Errno;

use crate::{context, invalid};

/// Replaces a file as a whole: temporary file beside it, fsync, rename, fsync of the directory.
///
/// `mode` is the file's permission exactly, whatever the umask. A symbolic link at `path` is
/// replaced, not followed. After a crash the file is the old or the new one; a leftover
/// temporary file begins with `.` and may be removed.
///
/// # Errors
///
/// Those of the steps; the text names `path`. The old file is then still there, unless the last
/// fsync failed.
pub fn atomic_write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace(path, bytes, mode, File::sync_all)
        .map_err(|error| context(error, format_args!("cannot write '{}'", path.display())))
}

/// The same for a file that means nothing after a crash of the host: nothing is synced, so that a
/// start does not wait for a disk.
///
/// # Errors
///
/// Those of [`atomic_write`].
pub fn atomic_write_until_crash(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace(path, bytes, mode, |_| Ok(()))
        .map_err(|error| context(error, format_args!("cannot write '{}'", path.display())))
}

/// Whether systemd has left a control group to whoever runs in it.
///
/// systemd: `cg_set_xattr_graceful` marks it with one of two attributes.
pub fn is_delegated(group: &Path) -> bool {
    ["trusted.delegate", "user.delegate"].iter().any(|name| {
        let mut value = [0; 8];
        rustix::fs::getxattr(group, *name, &mut value).is_ok_and(|size| value[..size] == *b"1")
    })
}

/// The first part of a device's number, `st_rdev` of `stat(2)`.
pub fn major(device: u64) -> u32 {
    rustix::fs::major(device)
}

/// The second part of a device's number.
pub fn minor(device: u64) -> u32 {
    rustix::fs::minor(device)
}

fn replace(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    sync: impl Fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(invalid("it is not the path of a file")),
    };
    let (temporary, mut file) = create_beside(directory, path)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.set_permissions(PermissionsExt::from_mode(mode)))
        .and_then(|()| sync(&file))
        .and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    sync(&File::open(directory)?)
}

/// Gives back the room of everything in a file but its last `kept` bytes, or a little more, once the
/// file takes more than `most`. Its length stays, so whoever reads on or appends does not notice; what
/// was before reads as zeros. A file system that cannot do that loses all of it instead.
///
/// # Errors
///
/// Those of opening the file, fallocate(2) and ftruncate(2).
pub fn forget_beginning(path: &Path, most: u64, kept: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let found = file.metadata()?;
    // Linux counts in blocks of 512 bytes, whatever those of the file system are.
    if found.blocks() * 512 <= most {
        return Ok(());
    }
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(&file, punch, 0, found.len().saturating_sub(kept)) {
        Err(Errno::OPNOTSUPP) => file.set_len(0),
        forgotten => Ok(forgotten?),
    }
}

/// A descriptor that can be read whenever something was written to a file, or it was removed. What is
/// read then says no more.
///
/// # Errors
///
/// Those of inotify_init1(2), which allows each user only so many, and of inotify_add_watch(2).
pub fn watch(path: &Path) -> io::Result<OwnedFd> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    // A file that somebody has open says of its removal only that it has fewer names.
    let changes = inotify::WatchFlags::MODIFY | inotify::WatchFlags::ATTRIB;
    inotify::add_watch(&watch, path, changes)?;
    Ok(watch)
}

/// Creates a file with a name that nobody has yet.
fn create_beside(directory: &Path, path: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().ok_or_else(|| invalid("it has no file name"))?;
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{number}", std::process::id()));
        let temporary = directory.join(temporary);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            opened => return Ok((temporary, opened?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn old_content_is_replaced_and_nothing_is_left_beside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web1.xml");

        atomic_write(&path, b"old, and longer", 0o644).unwrap();
        atomic_write(&path, b"new", 0o640).unwrap();

        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_keeps_the_old_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        std::fs::create_dir(&path).unwrap();

        let error = atomic_write(&path, b"new", 0o644).unwrap_err();

        assert!(error.to_string().starts_with("cannot write '"), "{error}");
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn of_a_long_file_only_the_end_takes_room() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let text: Vec<u8> = (0..1 << 20).map(|at| b'a' + (at % 26) as u8).collect();
        std::fs::write(&path, &text).unwrap();

        forget_beginning(&path, 2 << 20, 1 << 16).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), text);
        forget_beginning(&path, 1 << 19, 1 << 16).unwrap();

        let left = std::fs::read(&path).unwrap();
        // A file system without holes has lost all of it.
        if !left.is_empty() {
            assert_eq!(left.len(), text.len());
            assert!(left.ends_with(&text[text.len() - (1 << 16)..]));
            assert!(left.starts_with(&[0; 1 << 16]));
        }
        assert!(path.metadata().unwrap().blocks() * 512 <= 1 << 17);
    }

    #[test]
    fn a_file_that_is_open_elsewhere_is_watched_until_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = File::create(&path).unwrap();
        let mut watch = File::from(watch(&path).unwrap());
        let mut events = [0; 1024];

        log.write_all(b"said").unwrap();
        assert!(watch.read(&mut events).unwrap() > 0);
        std::fs::remove_file(&path).unwrap();
        assert!(watch.read(&mut events).unwrap() > 0);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = atomic_write(Path::new("/no/such/file"), b"", 0o600).unwrap_err();

        assert_eq!(error.to_string(), "cannot write '/no/such/file': no such file or directory");
    }
}
