//! Taps: network devices whose other end is a descriptor, and their place in a bridge.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use libc::{c_short, ifreq};

use crate::{context, invalid};

/// The node that taps are made with.
const DEVICE: &str = "/dev/net/tun";

/// Requests about network devices, each with a whole `ifreq`.
mod ioctl {
    use libc::ifreq;

    // The kernel writes the name that it chose into the request, though the number says otherwise.
    nix::ioctl_readwrite_bad!(set_tap, libc::TUNSETIFF, ifreq);
    nix::ioctl_readwrite_bad!(get_flags, libc::SIOCGIFFLAGS, ifreq);
    nix::ioctl_readwrite_bad!(get_index, libc::SIOCGIFINDEX, ifreq);
    nix::ioctl_readwrite_bad!(get_mtu, libc::SIOCGIFMTU, ifreq);
    nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, ifreq);
    nix::ioctl_write_ptr_bad!(set_address, libc::SIOCSIFHWADDR, ifreq);
    nix::ioctl_write_ptr_bad!(set_mtu, libc::SIOCSIFMTU, ifreq);
    // SIOCBRADDIF of include/uapi/linux/sockios.h, which libc lacks.
    nix::ioctl_write_ptr_bad!(bridge_add, 0x89a2, ifreq);
    nix::ioctl_readwrite_bad!(ethtool, libc::SIOCETHTOOL, ifreq);
}

/// A tap and a descriptor for each of its queues.
///
/// One that [`Tap::create`] made is gone when the last copy of the descriptors is closed: a QEMU
/// that holds them is all the cleaning up there is.
#[derive(Debug)]
pub struct Tap {
    /// The name that the kernel gave it.
    pub name: String,
    /// One a queue.
    pub queues: Vec<OwnedFd>,
}

impl Tap {
    /// Makes a tap with virtio-net headers; in `pattern`, `%d` stands for the lowest free number.
    ///
    /// It is down and belongs to no bridge.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` without `CAP_NET_ADMIN`; `ResourceBusy` when the name is taken;
    /// `InvalidInput` for a name that no device can have, or no queue.
    pub fn create(pattern: &str, queues: usize) -> io::Result<Self> {
        Self::create_by(DEVICE, pattern, queues)
    }

    /// Makes a tap by another node than the usual one.
    ///
    /// # Errors
    ///
    /// As for [`Tap::create`].
    pub fn create_by(node: &str, pattern: &str, queues: usize) -> io::Result<Self> {
        Self::attach(node, pattern, queues, "make")
    }

    /// Opens the queues of a tap that exists, made by somebody else and meant for us.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none of that name, so that none is made by accident; otherwise as
    /// for [`Tap::create`].
    pub fn open(name: &str, queues: usize) -> io::Result<Self> {
        index(name)?;
        Self::attach(DEVICE, name, queues, "open")
    }

    fn attach(node: &str, pattern: &str, queues: usize, verb: &str) -> io::Result<Self> {
        let doing =
            |error: io::Error| context(error, format_args!("cannot {verb} tap '{pattern}'"));
        let mut request = request(pattern)?;
        if queues == 0 {
            return Err(invalid("a tap needs at least one queue"));
        }
        request.ifr_ifru.ifru_flags = flags(queues);
        let mut descriptors = Vec::with_capacity(queues);
        for _ in 0..queues {
            let queue = File::options()
                .read(true)
                .write(true)
                .open(node)
                .map_err(|error| doing(context(error, format_args!("cannot open '{node}'"))))?;
            // SAFETY: the request is a whole `ifreq`. From the second queue on it holds the name
            // that the kernel chose for the first.
            unsafe { ioctl::set_tap(queue.as_raw_fd(), &raw mut request) }
                .map_err(|error| doing(error.into()))?;
            descriptors.push(queue.into());
        }
        let name: Vec<u8> =
            request.ifr_name.iter().map(|c| c.cast_unsigned()).take_while(|c| *c != 0).collect();
        let name = String::from_utf8(name).map_err(|_| invalid("the device has no proper name"))?;
        Ok(Self { name, queues: descriptors })
    }
}

/// How a tap's descriptors carry packets: with the headers of virtio, and without any other.
fn flags(queues: usize) -> c_short {
    let several = if queues > 1 { libc::IFF_MULTI_QUEUE } else { 0 };
    (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | several) as c_short
}

/// Opens a queue of a macvtap by its node, with the headers of virtio.
///
/// # Errors
///
/// Those of opening and of the ioctl; the text names the node.
pub fn open_node(node: &Path, queues: usize) -> io::Result<OwnedFd> {
    let doing = |error| context(error, format_args!("cannot open '{}'", node.display()));
    let queue = File::options().read(true).write(true).open(node).map_err(doing)?;
    // SAFETY: all zeroes are a valid request: numbers and byte arrays only.
    let mut request: ifreq = unsafe { std::mem::zeroed() };
    request.ifr_ifru.ifru_flags = flags(queues);
    // SAFETY: the request is a whole `ifreq` with its flags filled in.
    unsafe { ioctl::set_tap(queue.as_raw_fd(), &raw mut request) }
        .map_err(|error| doing(error.into()))?;
    Ok(queue.into())
}

/// Sets how many received packets may wait for an interrupt.
///
/// Linux: `struct ethtool_coalesce`.
///
/// # Errors
///
/// Those of the ioctls; the text names the device.
pub fn set_rx_frames(name: &str, frames: u32) -> io::Result<()> {
    const GET: u32 = 0x0e;
    const SET: u32 = 0x0f;
    let mut request = request(name)?;
    let mut values = [0_u32; 23];
    with_socket(|socket| {
        for command in [GET, SET] {
            values[0] = command;
            if command == SET {
                values[2] = frames;
            }
            request.ifr_ifru.ifru_data = (&raw mut values).cast();
            // SAFETY: the request points to a whole `ethtool_coalesce`, which lives until after the
            // call.
            unsafe { ioctl::ethtool(socket.as_raw_fd(), &raw mut request) }?;
        }
        Ok(0)
    })
    .map_err(|error| context(error, format_args!("cannot set the rx-frames of '{name}'")))
}

/// Sets the address of a network device: on a tap, the host's end, not the guest's.
///
/// # Errors
///
/// Those of the ioctl; the text names the device.
pub fn set_mac(name: &str, mac: [u8; 6]) -> io::Result<()> {
    let mut request = request(name)?;
    let mut address = libc::sockaddr { sa_family: libc::ARPHRD_ETHER, sa_data: [0; 14] };
    for (to, from) in address.sa_data.iter_mut().zip(mac) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_hwaddr = address;
    with_socket(|socket| {
        // SAFETY: the request is a whole `ifreq` with its address filled in.
        unsafe { ioctl::set_address(socket.as_raw_fd(), &raw const request) }
    })
    .map_err(|error| context(error, format_args!("cannot set the MAC of '{name}'")))
}

/// Sets the largest packet of a network device, in bytes.
///
/// # Errors
///
/// Those of the ioctl; the text names the device.
pub fn set_largest_packet(name: &str, mtu: u32) -> io::Result<()> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_mtu =
        i32::try_from(mtu).map_err(|_| invalid(format_args!("an MTU of {mtu} is too large")))?;
    with_socket(|socket| {
        // SAFETY: the request is a whole `ifreq` with its MTU filled in.
        unsafe { ioctl::set_mtu(socket.as_raw_fd(), &raw const request) }
    })
    .map_err(|error| context(error, format_args!("cannot set the MTU of '{name}' to {mtu}")))
}

/// The largest packet of a network device, in bytes: a tap takes over its bridge's.
///
/// # Errors
///
/// Those of the ioctl; the text names the device.
pub fn largest_packet(name: &str) -> io::Result<u32> {
    let mut request = request(name)?;
    with_socket(|socket| {
        // SAFETY: the request is a whole `ifreq`, which the kernel fills in.
        unsafe { ioctl::get_mtu(socket.as_raw_fd(), &raw mut request) }
    })
    .map_err(|error| context(error, format_args!("cannot read the MTU of '{name}'")))?;
    // SAFETY: the kernel has filled in the MTU.
    Ok(unsafe { request.ifr_ifru.ifru_mtu }.cast_unsigned())
}

/// Brings a network device up.
///
/// # Errors
///
/// Those of the ioctls; the text names the device.
pub fn bring_up(name: &str) -> io::Result<()> {
    let mut request = request(name)?;
    with_socket(|socket| {
        // SAFETY: the request is a whole `ifreq`; reading the flags fills in what is written back.
        unsafe {
            ioctl::get_flags(socket.as_raw_fd(), &raw mut request)?;
            request.ifr_ifru.ifru_flags |= (libc::IFF_UP | libc::IFF_RUNNING) as c_short;
            ioctl::set_flags(socket.as_raw_fd(), &raw const request)
        }
    })
    .map_err(|error| context(error, format_args!("cannot bring up '{name}'")))
}

/// Makes a network device a port of a bridge of the kernel.
///
/// # Errors
///
/// `NotFound` when one of them does not exist; otherwise what the ioctl says: not a bridge, the
/// device is in another one, or no permission.
pub fn add_to_bridge(name: &str, bridge: &str) -> io::Result<()> {
    let port = index(name)?;
    index(bridge)?;
    let mut request = request(bridge)?;
    request.ifr_ifru.ifru_ifindex = port;
    with_socket(|socket| {
        // SAFETY: the request is a whole `ifreq` with the port's index filled in.
        unsafe { ioctl::bridge_add(socket.as_raw_fd(), &raw const request) }
    })
    .map_err(|error| context(error, format_args!("cannot add '{name}' to bridge '{bridge}'")))
}

/// The kernel's number of a network device.
///
/// # Errors
///
/// `NotFound` when there is none of that name.
pub fn index(name: &str) -> io::Result<i32> {
    let mut request = request(name)?;
    let found = with_socket(|socket| {
        // SAFETY: the request is a whole `ifreq`, which the kernel fills in.
        unsafe { ioctl::get_index(socket.as_raw_fd(), &raw mut request) }
    });
    match found {
        // SAFETY: the kernel has filled in the index.
        Ok(()) => Ok(unsafe { request.ifr_ifru.ifru_ifindex }),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no network device '{name}'"),
        )),
        Err(error) => Err(context(error, format_args!("cannot look up '{name}'"))),
    }
}

/// An empty request about the device of that name.
fn request(name: &str) -> io::Result<ifreq> {
    // SAFETY: all zeroes are a valid request: numbers and byte arrays only.
    let mut request: ifreq = unsafe { std::mem::zeroed() };
    // One byte stays zero and ends the name.
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains(['\0', '/']) {
        let most = request.ifr_name.len() - 1;
        return Err(invalid(format_args!(
            "'{name}' cannot be the name of a network device: 1 to {most} bytes, no '/'"
        )));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    Ok(request)
}

/// Gives the requests about network devices the socket that they need.
fn with_socket(act: impl FnOnce(BorrowedFd<'_>) -> nix::Result<libc::c_int>) -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    let family = AddressFamily::UNIX;
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    act(socket.as_fd())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    use super::*;

    /// A tap, unless this host or user cannot make one.
    fn tap(queues: usize) -> Option<Tap> {
        match Tap::create("vdtest%d", queues) {
            Ok(tap) => Some(tap),
            Err(error) => {
                println!("not tested: {error}");
                None
            }
        }
    }

    fn attribute(name: &str, attribute: &str) -> String {
        let path = PathBuf::from("/sys/class/net").join(name).join(attribute);
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    }

    #[test]
    fn a_tap_has_a_descriptor_a_queue_and_goes_with_the_last() {
        let Some(tap) = tap(3) else { return };
        let path = PathBuf::from("/sys/class/net").join(&tap.name);

        assert_eq!(tap.queues.len(), 3);
        assert!(path.exists());
        let name = tap.name.clone();
        let mut queues = tap.queues;
        queues.truncate(1);
        assert!(path.exists());
        drop(queues);

        // A child of another test may hold a copy until it executes its program.
        let deadline = Instant::now() + Duration::from_secs(10);
        while index(&name).is_ok() {
            assert!(Instant::now() < deadline, "the tap stays");
            std::thread::yield_now();
        }
    }

    #[test]
    fn two_taps_of_one_pattern_have_two_names() {
        let (Some(one), Some(two)) = (tap(1), tap(1)) else { return };

        assert_ne!(one.name, two.name);
    }

    #[test]
    fn address_size_and_state_are_set() {
        let Some(tap) = tap(1) else { return };

        set_mac(&tap.name, [0xfe, 0x54, 0, 1, 2, 3]).unwrap();
        set_largest_packet(&tap.name, 1400).unwrap();
        bring_up(&tap.name).unwrap();

        assert_eq!(attribute(&tap.name, "address"), "fe:54:00:01:02:03");
        assert_eq!(largest_packet(&tap.name).unwrap(), 1400);
        let flags = attribute(&tap.name, "flags");
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap();
        assert_eq!(flags & libc::IFF_UP as u32, libc::IFF_UP as u32);
    }

    #[test]
    fn a_missing_bridge_is_named() {
        let Some(tap) = tap(1) else { return };

        let error = add_to_bridge(&tap.name, "nosuchbr0").unwrap_err();

        assert_eq!(error.to_string(), "there is no network device 'nosuchbr0'");
    }

    #[test]
    fn opening_makes_nothing() {
        let error = Tap::open("nosuchtap0", 1).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(index("nosuchtap0").is_err());
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        assert!(Tap::create("sixteen-letters-", 1).is_err());
        assert!(Tap::create("", 1).is_err());
        assert!(Tap::create("a/b", 1).is_err());
    }
}
