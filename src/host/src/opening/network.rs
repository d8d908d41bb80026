//! Taps and vsock: descriptors that come with a name or number of the kernel's.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use base::{Mac, Value};
use qemu::plan::Tap;

use crate::late::LateValues;

/// The taps that were made, with the queues that were not taken yet.
#[derive(Debug, Default)]
pub(super) struct Taps(BTreeMap<String, Vec<Option<OwnedFd>>>);

impl Taps {
    /// One queue of a tap. The first queue that is asked for makes all of them.
    pub(super) fn queue(&mut self, tap: &Tap, late: &mut LateValues) -> io::Result<OwnedFd> {
        if !self.0.contains_key(&tap.late) {
            let made = make(tap)?;
            late.insert(&tap.late, made.name);
            self.0.insert(tap.late.clone(), made.queues.into_iter().map(Some).collect());
        }
        self.0
            .get_mut(&tap.late)
            .and_then(|queues| queues.get_mut(tap.queue as usize)?.take())
            .ok_or_else(|| io::Error::other(format!("the tap has no queue {}", tap.queue)))
    }
}

fn make(tap: &Tap) -> io::Result<sys::tap::Tap> {
    let queues = tap.queues.max(1) as usize;
    if tap.existing {
        return sys::tap::Tap::open(&tap.name, queues);
    }
    let made = sys::tap::Tap::create(&tap.name, queues)?;
    if let Some(mac) = &tap.mac
        && let Ok(Some(Mac(bytes))) = Mac::parse(mac)
    {
        sys::tap::set_mac(&made.name, bytes)?;
    }
    // A tap with a larger packet size than its bridge would pull the bridge's up.
    let mtu = match (tap.mtu, &tap.bridge) {
        (Some(mtu), _) => Some(mtu),
        (None, Some(bridge)) => Some(sys::tap::largest_packet(bridge)?),
        (None, None) => None,
    };
    if let Some(mtu) = mtu {
        sys::tap::set_largest_packet(&made.name, mtu)?;
    }
    if let Some(bridge) = &tap.bridge {
        sys::tap::add_to_bridge(&made.name, bridge)?;
    }
    sys::tap::bring_up(&made.name)?;
    Ok(made)
}

/// Claims a CID, which becomes the late value `name`.
pub(super) fn vhost_vsock(
    cid: Option<u32>,
    name: &str,
    late: &mut LateValues,
) -> io::Result<OwnedFd> {
    let (cid, fd) = match cid {
        Some(cid) => {
            let fd = sys::vsock::claim(cid)?
                .ok_or_else(|| io::Error::other(format!("another guest has the CID {cid}")))?;
            (cid, fd)
        }
        None => sys::vsock::claim_any()?,
    };
    late.insert(name, cid);
    Ok(fd)
}
