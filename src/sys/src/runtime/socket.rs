//! Unix stream sockets that carry descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use async_io::Async;

use crate::{context, fd};

/// A connected stream. One task may send while another receives.
#[derive(Debug)]
pub struct Socket(Async<UnixStream>);

/// A socket that others connect to.
#[derive(Debug)]
pub struct Listener(Async<UnixListener>);

impl Socket {
    /// Connects to a listening socket.
    ///
    /// # Errors
    ///
    /// Those of connect(2): `NotFound`, `ConnectionRefused` when nobody listens, `WouldBlock` when
    /// too many wait to be accepted, `InvalidInput` for a path of 108 bytes and more.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: the connection is closed.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        match Async::<UnixStream>::connect(path).await {
            Ok(stream) => Ok(Self(stream)),
            Err(error) => {
                Err(context(error, format_args!("cannot connect to '{}'", path.display())))
            }
        }
    }

    /// Makes two sockets that are connected with each other.
    ///
    /// # Errors
    ///
    /// Those of socketpair(2).
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = Async::<UnixStream>::pair()?;
        Ok((Self(one), Self(other)))
    }

    /// Sends what is taken of the bytes, at least one; all descriptors go with the first of them.
    ///
    /// # Errors
    ///
    /// As for [`fd::send`].
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: nothing was sent then.
    pub async fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.write_with(|socket| fd::send(socket, bytes, fds)).await
    }

    /// Sends all bytes; all descriptors go with the first of them.
    ///
    /// # Errors
    ///
    /// As for [`fd::send`].
    ///
    /// # Cancel safety
    ///
    /// Not safe: dropped while waiting, it may have sent a part, and the stream is of no further
    /// use.
    pub async fn send_all(&self, mut bytes: &[u8], mut fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.send(bytes, fds).await?;
            bytes = &bytes[count..];
            fds = &[];
        }
        Ok(())
    }

    /// Receives what is there, at most what fits, and the descriptors that came with it; no bytes
    /// mean that the peer has closed.
    ///
    /// # Errors
    ///
    /// As for [`fd::receive`].
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: nothing is lost.
    pub async fn receive(&self, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.0.read_with(|socket| fd::receive(socket, &mut *bytes)).await
    }

    /// Ends the stream towards the peer, who reads what was sent and then the end; receiving goes
    /// on.
    ///
    /// # Errors
    ///
    /// Those of shutdown(2).
    pub fn finish(&self) -> io::Result<()> {
        self.0.get_ref().shutdown(std::net::Shutdown::Write)
    }
}

impl TryFrom<OwnedFd> for Socket {
    type Error = io::Error;

    /// Takes over a connected Unix stream socket and makes it non-blocking.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(Async::new(UnixStream::from(fd))?))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Listener {
    /// Makes a socket at a path, where nothing may be yet; the umask decides who may connect.
    ///
    /// # Errors
    ///
    /// Those of bind(2): `AddrInUse`, `InvalidInput` for a path of 108 bytes and more.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match Async::<UnixListener>::bind(path) {
            Ok(listener) => Ok(Self(listener)),
            Err(error) => {
                Err(context(error, format_args!("cannot listen on '{}'", path.display())))
            }
        }
    }

    /// Waits for somebody to connect.
    ///
    /// # Errors
    ///
    /// Those of accept(2). One failed connection says nothing about the next.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: nobody was accepted then.
    pub async fn accept(&self) -> io::Result<Socket> {
        let (stream, _) = self.0.accept().await?;
        Ok(Socket(stream))
    }
}

impl TryFrom<OwnedFd> for Listener {
    type Error = io::Error;

    /// Takes over a listening Unix socket, such as one from a service manager.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(Async::new(UnixListener::from(fd))?))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{block_on, zip};

    #[test]
    fn more_bytes_than_the_kernel_buffers_arrive_whole() {
        let (near, far) = Socket::pair().unwrap();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();

        let received = block_on(async {
            let send = async {
                near.send_all(&sent, &[]).await.unwrap();
                near.finish().unwrap();
            };
            let receive = async {
                let (mut all, mut bytes) = (Vec::new(), vec![0; 4096]);
                loop {
                    match far.receive(&mut bytes).await.unwrap().0 {
                        0 => return all,
                        count => all.extend_from_slice(&bytes[..count]),
                    }
                }
            };
            zip(send, receive).await.1
        });

        assert!(received == sent);
    }

    #[test]
    fn a_listener_passes_descriptors_to_who_connects() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        let listener = Listener::bind(&path).unwrap();

        let fds = block_on(async {
            let (near, far) = zip(Socket::connect(&path), listener.accept()).await;
            let (near, far) = (near.unwrap(), far.unwrap());
            near.send_all(b"x", &[near.as_fd()]).await.unwrap();
            far.receive(&mut [0; 8]).await.unwrap().1
        });

        assert_eq!(fds.len(), 1);
        assert!(Listener::bind(&path).is_err());
    }

    #[test]
    fn connecting_to_nothing_names_the_path() {
        let error = block_on(Socket::connect(Path::new("/no/such"))).unwrap_err();

        assert_eq!(error.to_string(), "cannot connect to '/no/such': no such file or directory");
    }
}
