//! What happens when the guest powers off, reboots or crashes.

use crate::domain::Domain;
use crate::lifecycle::LifecycleAction;

/// A guest that says nothing goes when it powers off or crashes, and starts again when it reboots.
///
/// libvirt: `virDomainDefLifecycleParse`.
pub fn default_actions(domain: &mut Domain) {
    domain.on_poweroff.get_or_insert(LifecycleAction::Destroy);
    domain.on_reboot.get_or_insert(LifecycleAction::Restart);
    domain.on_crash.get_or_insert(LifecycleAction::Destroy);
}
