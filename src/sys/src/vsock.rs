//! Vsock devices of the kernel: a descriptor of `/dev/vhost-vsock` with the guest's CID claimed.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::context;

/// Where the kernel's half of a vsock device is opened (module `vhost_vsock`).
pub const DEVICE: &str = "/dev/vhost-vsock";

/// The lowest CID that a guest may have: 0 is the hypervisor, 1 local, 2 the host.
pub const FIRST_CID: u32 = 3;

mod ioctl {
    // VHOST_VSOCK_SET_GUEST_CID of include/uapi/linux/vhost.h.
    nix::ioctl_write_ptr!(set_guest_cid, 0xAF, 0x60, u64);
}

/// Opens a device and claims a CID for it, which is free again when the last copy of the
/// descriptor is closed.
///
/// `None` when another guest has it.
///
/// # Errors
///
/// `NotFound` when there is no such device on this host; `InvalidInput` for a CID no guest may
/// have; otherwise what open(2) and the ioctl say.
pub fn claim(cid: u32) -> io::Result<Option<OwnedFd>> {
    let device = open()?;
    Ok(set_cid(&device, cid)?.then(|| device.into()))
}

/// Opens a device and claims the lowest CID that is free.
///
/// Guests started at the same time get different ones: the kernel decides.
///
/// # Errors
///
/// As for [`claim`].
pub fn claim_any() -> io::Result<(u32, OwnedFd)> {
    let device = open()?;
    for cid in FIRST_CID..u32::MAX {
        if set_cid(&device, cid)? {
            return Ok((cid, device.into()));
        }
    }
    Err(io::Error::other("every vsock CID is in use"))
}

fn open() -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .open(DEVICE)
        .map_err(|error| context(error, format_args!("cannot open '{DEVICE}'")))
}

/// Whether the CID could be had.
fn set_cid(device: &File, cid: u32) -> io::Result<bool> {
    // SAFETY: the kernel reads eight bytes from the pointer.
    match unsafe { ioctl::set_guest_cid(device.as_raw_fd(), &u64::from(cid)) } {
        Ok(_) => Ok(true),
        Err(nix::errno::Errno::EADDRINUSE) => Ok(false),
        Err(error) => Err(context(error, format_args!("cannot claim the vsock CID {cid}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_guests_get_different_cids() {
        let (first, device) = match claim_any() {
            Ok(claimed) => claimed,
            Err(error) => return println!("not tested: {error}"),
        };

        let (second, _device) = claim_any().unwrap();

        assert_ne!(first, second);
        assert!(claim(first).unwrap().is_none());
        drop(device);
    }
}
