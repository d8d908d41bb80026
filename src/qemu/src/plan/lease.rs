//! Locks that are held while the guest runs.

use conf::device::lease::Lease;

use super::Builder;
use crate::host::Leases;

/// A lock of sanlock, which would keep another host from starting the guest.
///
/// libvirt: `virDomainLockProcessStart`, `virLockManagerNopAddResource`.
pub(super) fn lease(builder: &mut Builder<'_>, _pos: usize, lease: &Lease) {
    builder.part(format!("lease {}", lease.key), lease.origin);
    match builder.host.settings.leases {
        Leases::Refuse => {
            let refused = builder.refuse("no lock manager holds leases here");
            refused.help = Some("leave out <lease>; images of guests are locked anyway".to_owned());
        }
        Leases::Ignore => {
            builder
                .note(format!("lease {}: it is not held, as the host's settings say", lease.key));
        }
    }
}
