//! Taps and vsock: descriptors that come with a name or number of the kernel's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use base::{Mac, Value};
use qemu::plan::{LinkSetup, Macvtap, Tap, VirtualFunction};
use sys::macvtap::Wanted;
use sys::netlink::{MacvlanMode, PortVlan};

use super::Made;
use crate::late::LateValues;

/// The taps that were made, with the queues that were not taken yet.
#[derive(Debug, Default)]
pub(super) struct Taps(BTreeMap<String, Vec<Option<OwnedFd>>>);

impl Taps {
    /// One queue of a macvtap. The first queue that is asked for makes all of them.
    pub(super) fn macvtap(
        &mut self,
        macvtap: &Macvtap,
        late: &mut LateValues,
        made: &mut Made,
    ) -> io::Result<OwnedFd> {
        if !self.0.contains_key(&macvtap.late) {
            let tap = make_macvtap(macvtap)?;
            made.links.push(tap.name.clone());
            late.insert(&macvtap.late, tap.name.clone());
            set_up(&tap.name, &macvtap.setup, late, made)?;
            self.0.insert(macvtap.late.clone(), tap.queues.into_iter().map(Some).collect());
        }
        self.take(&macvtap.late, macvtap.queue)
    }

    fn take(&mut self, name: &str, queue: u32) -> io::Result<OwnedFd> {
        self.0
            .get_mut(name)
            .and_then(|queues| queues.get_mut(queue as usize)?.take())
            .ok_or_else(|| io::Error::other(format!("the tap has no queue {queue}")))
    }

    /// One queue of a tap. The first queue that is asked for makes all of them.
    pub(super) fn queue(
        &mut self,
        tap: &Tap,
        late: &mut LateValues,
        made: &mut Made,
    ) -> io::Result<OwnedFd> {
        if !self.0.contains_key(&tap.late) {
            let device = make(tap)?;
            late.insert(&tap.late, device.name.clone());
            set_up(&device.name, &tap.setup, late, made)?;
            self.0.insert(tap.late.clone(), device.queues.into_iter().map(Some).collect());
        }
        self.take(&tap.late, tap.queue)
    }
}

fn make(tap: &Tap) -> io::Result<sys::tap::Tap> {
    let queues = tap.queues.max(1) as usize;
    if tap.existing {
        return sys::tap::Tap::open(&tap.name, queues);
    }
    let made = match &tap.device {
        Some(node) => sys::tap::Tap::create_by(node, &tap.name, queues)?,
        None => sys::tap::Tap::create(&tap.name, queues)?,
    };
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

fn make_macvtap(macvtap: &Macvtap) -> io::Result<sys::tap::Tap> {
    let mode = match macvtap.mode.as_str() {
        "private" => MacvlanMode::Private,
        "bridge" => MacvlanMode::Bridge,
        "passthrough" => MacvlanMode::Passthrough,
        _ => MacvlanMode::Vepa,
    };
    let mac = macvtap.mac.as_deref().and_then(|mac| Mac::parse(mac).ok().flatten());
    sys::macvtap::create(&Wanted {
        pattern: &macvtap.name,
        on: &macvtap.on,
        mode,
        mac: mac.map(|Mac(bytes)| bytes),
        mtu: macvtap.mtu,
        queues: macvtap.queues.max(1) as usize,
    })
}

/// Does to a network device what is asked for besides, once it is there.
fn set_up(name: &str, setup: &LinkSetup, late: &LateValues, made: &mut Made) -> io::Result<()> {
    let port = Path::new("/sys/class/net").join(name).join("brport");
    if setup.isolated {
        fs::write(port.join("isolated"), "1").map_err(|error| {
            io::Error::new(
                error.kind(),
                format!(
                    "cannot isolate '{name}' from its bridge's other ports: {}",
                    sys::reason(&error)
                ),
            )
        })?;
    }
    if !setup.vlans.is_empty() {
        let filters = fs::read_to_string(port.join("bridge/bridge/vlan_filtering"));
        if filters.is_ok_and(|filters| filters.trim() != "1") {
            return Err(io::Error::other(format!(
                "the bridge of '{name}' does not filter VLANs; switch that on by \
                 'ip link set BRIDGE type bridge vlan_filtering 1'"
            )));
        }
        let vlans: Vec<PortVlan> = setup
            .vlans
            .iter()
            .map(|vlan| PortVlan { id: vlan.id, native: vlan.native, untagged: vlan.untagged })
            .collect();
        sys::netlink::set_port_vlans(sys::tap::index(name)?.cast_unsigned(), &vlans)?;
    }
    if let Some(frames) = setup.rx_frames {
        sys::tap::set_rx_frames(name, frames)?;
    }
    let filled = |argv: &[String]| argv.iter().map(|word| late.in_text(word)).collect::<Vec<_>>();
    made.undo.extend(setup.undo.iter().map(|argv| filled(argv)));
    for argv in &setup.commands {
        run(&filled(argv))?;
    }
    Ok(())
}

/// Runs a program to its end.
///
/// # Errors
/// It could not be started, or failed: what it said.
pub(super) fn run(argv: &[String]) -> io::Result<()> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| io::Error::other("the plan names no program for a network device"))?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    // What follows are mostly words on how the program is used.
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    Err(io::Error::other(format!("'{}' said: {first}", argv.join(" "))))
}

/// Sets up a virtual function of a network card, by the card.
///
/// # Errors
/// There is no such device, or the card refuses.
pub(super) fn virtual_function(function: &VirtualFunction) -> io::Result<()> {
    let device = Path::new("/sys/bus/pci/devices").join(&function.address);
    let card = device.join("physfn");
    if !card.exists() {
        return match function.vlan {
            // Nobody could take the guest's packets for those of another VLAN's.
            Some(vlan) => Err(io::Error::other(format!(
                "'{}' is no virtual function, and only such can be put into VLAN {vlan}",
                function.address
            ))),
            None => Ok(()),
        };
    }
    let not_found = |what: &str| io::Error::other(format!("'{}' {what}", function.address));
    let number = (0..u32::from(u16::MAX))
        .map(|number| (number, card.join(format!("virtfn{number}"))))
        .take_while(|(_, link)| link.exists())
        .find(|(_, link)| {
            fs::read_link(link).is_ok_and(|target| target.ends_with(&function.address))
        })
        .map(|(number, _)| number)
        .ok_or_else(|| not_found("is not among the functions of its card"))?;
    let link = fs::read_dir(card.join("net"))?
        .next()
        .ok_or_else(|| not_found("has a card without a network device"))??;
    let index = sys::tap::index(&link.file_name().to_string_lossy())?.cast_unsigned();
    let mac = function.mac.as_deref().and_then(|mac| Mac::parse(mac).ok().flatten());
    sys::netlink::set_virtual_function(index, number, mac.map(|Mac(bytes)| bytes), function.vlan)
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
