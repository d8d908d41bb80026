//! Terminals: raw mode that is always taken back, the window's size, and passing keys through to
//! a guest's console.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, Winsize};

use crate::context;

/// Opens a terminal without making it this session's own; for `OpenOptionsExt::custom_flags`.
pub const NOT_CONTROLLING: i32 = libc::O_NOCTTY;

/// A terminal whose keys come through one by one and unchanged; dropping this restores it.
#[derive(Debug)]
#[must_use = "the terminal is restored when this is dropped"]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Puts a terminal into raw mode: no echo, no lines, no signals from keys.
    ///
    /// # Errors
    ///
    /// Those of tcgetattr(3), such as "not a terminal".
    pub fn enter(terminal: impl AsFd) -> io::Result<Self> {
        let enter = || {
            let terminal = rustix::io::fcntl_dupfd_cloexec(&terminal, 0)?;
            let before = rustix::termios::tcgetattr(&terminal)?;
            let mut raw = before.clone();
            raw.make_raw();
            rustix::termios::tcsetattr(&terminal, OptionalActions::Flush, &raw)?;
            Ok(Self { terminal, before })
        };
        enter().map_err(|error: Errno| context(error, "cannot put the terminal into raw mode"))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that went away needs no restoring.
        let _ = rustix::termios::tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Rows and columns of a terminal; nothing where it is none, or does not know.
pub fn window_size(terminal: impl AsFd) -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Tells a terminal how many rows and columns there are; what runs in it is told by a signal.
///
/// # Errors
///
/// It is no terminal.
pub fn set_window_size(terminal: impl AsFd, (rows, columns): (u16, u16)) -> io::Result<()> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}

/// How many bytes wait in a terminal for whoever reads it next. The reader is not disturbed.
///
/// # Errors
///
/// The terminal is gone, or is none.
pub fn unread(terminal: &Path) -> io::Result<u64> {
    let terminal = OpenOptions::new()
        .read(true)
        .custom_flags(NOT_CONTROLLING | libc::O_NONBLOCK)
        .open(terminal)?;
    Ok(rustix::io::ioctl_fionread(&terminal)?)
}

/// How passing through ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// `keys` said so.
    ByUser,
    /// The console's other end was closed: the guest is gone.
    ByPeer,
}

/// What follows on keys that were typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Passing goes on.
    PassOn,
    /// It goes on, and without further keys within this time they are asked again, with none.
    AskAgain(Duration),
    /// It ends.
    End,
}

/// Passes what is typed on `input` to `peer` and what comes from `peer` to `output`, blocking the
/// thread, until one side ends it.
///
/// `keys` sees what was typed first and may change it, such as to take out an escape; what it
/// leaves is sent, also when it ends the passing. End of `input` only ends that direction.
///
/// # Errors
///
/// Those of poll(2), read(2) and write(2). A pseudoterminal whose other end is closed is no error.
pub fn pass_through(
    input: impl AsFd,
    output: impl AsFd,
    peer: impl AsFd,
    mut keys: impl FnMut(&mut Vec<u8>) -> Keys,
) -> io::Result<Ended> {
    let mut buffer = vec![0; 16 * 1024];
    let mut typing = true;
    let mut ask_at: Option<Instant> = None;
    loop {
        let typed = if typing { PollFlags::IN } else { PollFlags::empty() };
        let mut ready = [PollFd::new(&peer, PollFlags::IN), PollFd::new(&input, typed)];
        // A hung-up input is reported even when nothing is asked of it.
        let watched = if typing { &mut ready[..] } else { &mut ready[..1] };
        let left = ask_at.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        rustix::io::retry_on_intr(|| rustix::event::poll(watched, left.as_ref()))?;
        let (from_peer, from_input) =
            (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
        let is_time = ask_at.is_some_and(|at| Instant::now() >= at);
        if from_peer {
            match rustix::io::retry_on_intr(|| rustix::io::read(&peer, &mut buffer)) {
                // EIO: nobody has the other end of the pseudoterminal open.
                Ok(0) | Err(Errno::IO | Errno::CONNRESET) => return Ok(Ended::ByPeer),
                Ok(count) => write_all(&output, &buffer[..count])?,
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if from_input || is_time {
            let mut typed = Vec::new();
            if from_input {
                let count = rustix::io::retry_on_intr(|| rustix::io::read(&input, &mut buffer))?;
                typing = count > 0;
                typed.extend_from_slice(&buffer[..count]);
            }
            let follows = keys(&mut typed);
            ask_at = match follows {
                Keys::AskAgain(time) => Instant::now().checked_add(time),
                Keys::PassOn | Keys::End => None,
            };
            match write_all(&peer, &typed) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(Ended::ByPeer);
                }
                written => written?,
            }
            if follows == Keys::End {
                return Ok(Ended::ByUser);
            }
        }
    }
}

fn write_all(to: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Descriptors of consoles are often shared with somebody who made them non-blocking.
            Err(Errno::AGAIN) => {
                let mut ready = [PollFd::new(&to, PollFlags::OUT)];
                rustix::io::retry_on_intr(|| rustix::event::poll(&mut ready, None))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;
    use crate::fd;

    #[test]
    fn typed_bytes_reach_the_peer_until_the_escape() {
        let (mut typist, input) = UnixStream::pair().unwrap();
        let (mut screen, output) = UnixStream::pair().unwrap();
        let (mut guest, peer) = UnixStream::pair().unwrap();
        typist.write_all(b"ls\x1drest").unwrap();

        let ended = pass_through(&input, &output, &peer, |keys| {
            match keys.iter().position(|key| *key == 0x1d) {
                Some(escape) => {
                    keys.truncate(escape);
                    Keys::End
                }
                None => Keys::PassOn,
            }
        });
        drop((output, peer));

        assert_eq!(ended.unwrap(), Ended::ByUser);
        let mut text = String::new();
        guest.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ls");
        assert_eq!(screen.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn keys_that_wait_for_more_are_asked_again_in_time() {
        let (mut typist, input) = UnixStream::pair().unwrap();
        let (_screen, output) = UnixStream::pair().unwrap();
        let (_guest, peer) = UnixStream::pair().unwrap();
        typist.write_all(b"x").unwrap();
        let mut asked = Vec::new();

        let ended = pass_through(&input, &output, &peer, |keys| {
            asked.push(keys.len());
            if keys.is_empty() { Keys::End } else { Keys::AskAgain(Duration::from_millis(5)) }
        });

        assert_eq!(ended.unwrap(), Ended::ByUser);
        assert_eq!(asked, [1, 0]);
    }

    #[test]
    fn what_nobody_has_read_yet_is_counted() {
        let master = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let path = rustix::pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let mut reader = File::open(&path).unwrap();
        let _raw = RawMode::enter(&reader).unwrap();
        rustix::io::write(&master, b"last words").unwrap();
        let mut first = [0];
        reader.read_exact(&mut first).unwrap();

        assert_eq!(unread(Path::new(&path)).unwrap(), 9);
        drop(master);
        assert!(unread(Path::new(&path)).is_err());
    }

    #[test]
    fn output_is_shown_until_the_peer_closes_though_input_has_ended() {
        let (typist, input) = UnixStream::pair().unwrap();
        let (mut screen, output) = UnixStream::pair().unwrap();
        let (mut guest, peer) = UnixStream::pair().unwrap();
        drop(typist);
        let console = thread::spawn(move || pass_through(&input, &output, &peer, |_| Keys::PassOn));

        guest.write_all(b"login: ").unwrap();
        let mut text = [0; 7];
        screen.read_exact(&mut text).unwrap();
        drop(guest);

        assert_eq!(&text, b"login: ");
        assert_eq!(console.join().unwrap().unwrap(), Ended::ByPeer);
    }

    #[test]
    fn raw_mode_is_taken_back() {
        let controller = open_pseudoterminal();
        let before = rustix::termios::tcgetattr(&controller).unwrap();

        let raw = RawMode::enter(&controller).unwrap();
        let during = rustix::termios::tcgetattr(&controller).unwrap();
        drop(raw);
        let after = rustix::termios::tcgetattr(&controller).unwrap();

        assert_ne!(before.local_modes, during.local_modes);
        assert_eq!(before.local_modes, after.local_modes);
        assert_eq!(before.input_modes, after.input_modes);
    }

    #[test]
    fn a_file_is_no_terminal() {
        let file = std::fs::File::open("/dev/null").unwrap();

        assert!(window_size(&file).is_none());
        let error = RawMode::enter(&file).unwrap_err();
        assert!(error.to_string().starts_with("cannot put the terminal into raw mode"), "{error}");
    }

    #[test]
    fn a_terminal_knows_the_size_that_it_was_told() {
        let controller = open_pseudoterminal();
        assert_eq!(window_size(&controller), None);
        set_window_size(&controller, (50, 132)).unwrap();
        assert_eq!(window_size(&controller), Some((50, 132)));
    }

    fn open_pseudoterminal() -> OwnedFd {
        let path = std::path::Path::new("/dev/ptmx");
        fd::open_file(path, fd::Access::ReadWrite, false).unwrap()
    }
}
