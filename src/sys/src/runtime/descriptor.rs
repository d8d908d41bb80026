//! Waiting for descriptors of any kind that can be polled: pseudoterminals, pipes, inotify,
//! pidfds.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use async_io::Async;

use crate::process::Process;

/// A descriptor that is read and written without blocking the thread.
#[derive(Debug)]
pub struct Descriptor(Async<OwnedFd>);

impl Descriptor {
    /// Takes a descriptor over and makes it non-blocking, for whoever shares it, too.
    ///
    /// # Errors
    ///
    /// Those of epoll_ctl(2): regular files and directories cannot be waited for.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(Async::new(fd)?))
    }

    /// Reads what is there, at most what fits; nothing means the end.
    ///
    /// # Errors
    ///
    /// Those of read(2); `EIO` when nobody has the other end of a pseudoterminal open.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: nothing is lost.
    pub async fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read_with(|fd| Ok(rustix::io::read(fd, &mut *bytes)?)).await
    }

    /// Waits until there is something to read, or the end; of a pidfd, until its process has ended.
    ///
    /// # Errors
    ///
    /// Those of epoll_ctl(2).
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time.
    pub async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Writes what is taken of the bytes, at least one.
    ///
    /// # Errors
    ///
    /// Those of write(2).
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: nothing was written then.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_with(|fd| Ok(rustix::io::write(fd, bytes)?)).await
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until a process has ended, ours or not. It is not reaped.
///
/// # Errors
///
/// Those of dup(2) and epoll_ctl(2).
///
/// # Cancel safety
///
/// May be dropped at any time.
pub async fn exited(process: &Process) -> io::Result<()> {
    // A copy of its own, so that any number of tasks may wait for the same process.
    let pidfd = process.as_fd().try_clone_to_owned()?;
    Async::new_nonblocking(pidfd)?.readable().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::{Program, Signal};
    use crate::runtime::{block_on, within, zip};

    #[test]
    fn several_tasks_may_wait_for_one_process() {
        let (reader, _writer) = io::pipe().unwrap();
        let argv = ["/bin/sh", "-c", "read line"].map(Into::into).to_vec();
        let descriptors = vec![(reader.into(), 0)];
        let mut child = Program { argv, descriptors, ..Program::default() }.spawn().unwrap();

        block_on(async {
            let early = within(Duration::from_millis(1), exited(child.process())).await;
            assert!(early.is_none());
            child.process().kill(Signal::KILL).unwrap();
            let both = zip(exited(child.process()), exited(child.process()));
            let (one, other) = within(Duration::from_secs(10), both).await.unwrap();
            one.and(other).unwrap();
        });

        assert!(!child.process().is_alive().unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn a_pipe_is_read_when_something_is_written() {
        let (reader, writer) = io::pipe().unwrap();
        let (reader, writer) =
            (Descriptor::new(reader.into()).unwrap(), Descriptor::new(writer.into()).unwrap());

        block_on(async {
            let mut bytes = [0; 8];
            let (read, written) = zip(reader.read(&mut bytes), writer.write(b"line")).await;
            assert_eq!((read.unwrap(), written.unwrap()), (4, 4));
            drop(writer);
            assert_eq!(reader.read(&mut bytes).await.unwrap(), 0);
        });
    }
}
