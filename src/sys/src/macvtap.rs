//! Macvtaps: network devices on top of another one, whose other end is a descriptor.

use std::io;
use std::path::PathBuf;

use crate::netlink::{self, MacvlanMode};
use crate::tap::{self, Tap};

/// How many names are tried where a pattern leaves the choice.
const NAMES: u32 = 8192;

/// What a macvtap is like.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its name; `%d` stands for the lowest free number.
    pub pattern: &'a str,
    /// The device it is put on.
    pub on: &'a str,
    /// Whom devices on the same device reach.
    pub mode: MacvlanMode,
    /// Its address.
    pub mac: Option<[u8; 6]>,
    /// Its largest packet. Absent: the device's below.
    pub mtu: Option<u32>,
    /// How many queues it has.
    pub queues: usize,
}

/// Makes a macvtap, which is up and stays until it is removed by [`netlink::remove`].
///
/// # Errors
/// `NotFound` where the device below is not there; `PermissionDenied` without `CAP_NET_ADMIN`; what
/// else the kernel says. Nothing is left then.
pub fn create(wanted: &Wanted<'_>) -> io::Result<Tap> {
    let on = tap::index(wanted.on)?.cast_unsigned();
    let name = add(wanted, on)?;
    open(&name, wanted.queues).inspect_err(|_| {
        // That it could not be opened is what counts.
        let _ = netlink::remove(&name);
    })
}

/// Makes the device, with the first free name of a pattern.
fn add(wanted: &Wanted<'_>, on: u32) -> io::Result<String> {
    let add = |name: &str| netlink::add_macvtap(name, on, wanted.mode, wanted.mac, wanted.mtu);
    if !wanted.pattern.contains("%d") {
        return add(wanted.pattern).map(|()| wanted.pattern.to_owned());
    }
    for number in 0..NAMES {
        let name = wanted.pattern.replacen("%d", &number.to_string(), 1);
        match add(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| name),
        }
    }
    Err(io::Error::other(format!("no name '{}' is free", wanted.pattern)))
}

fn open(name: &str, queues: usize) -> io::Result<Tap> {
    tap::bring_up(name)?;
    let node = PathBuf::from(format!("/dev/tap{}", tap::index(name)?));
    let queues: io::Result<Vec<_>> =
        (0..queues.max(1)).map(|_| tap::open_node(&node, queues)).collect();
    Ok(Tap { name: name.to_owned(), queues: queues? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_named() {
        let wanted = Wanted {
            pattern: "vdtest%d",
            on: "nosuchdev0",
            mode: MacvlanMode::Bridge,
            mac: None,
            mtu: None,
            queues: 1,
        };
        let error = create(&wanted).unwrap_err();
        assert_eq!(error.to_string(), "there is no network device 'nosuchdev0'");
    }
}
