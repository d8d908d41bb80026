//! Sockets between guest and host.
//!
//! libvirt: `virDomainVsockDefValidate`.

use super::{Check, Rule};

/// CIDs below are the hypervisor's, the guest's own and the host's.
const FIRST_CID: u32 = 3;

pub(super) const RULES: &[Rule] =
    &[Rule::new("vsock-cid-is-a-guests", "the CIDs up to 2 have a meaning of their own", cid)];

fn cid(check: &mut Check<'_>) {
    let Some(cid) = check.domain.devices.vsock.as_ref().and_then(|vsock| vsock.cid.as_ref()) else {
        return;
    };
    if let Some(address) = cid.address.filter(|address| address.get() < FIRST_CID) {
        let message = format!("{address} is no CID of a guest");
        check.refuse_value(cid.origin, "address", message, format!("{FIRST_CID} or more"));
    }
}
