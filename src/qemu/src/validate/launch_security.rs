//! Guests whose memory the host cannot read.
//!
//! libvirt: `qemuValidateDomainDef`.

use conf::launch_security::LaunchSecurity;
use xml::Part;

use super::{Check, Rule};

pub(super) const RULES: &[Rule] =
    &[Rule::new("launch-security-is-there", "QEMU has an object for each kind", there)];

fn there(check: &mut Check<'_>) {
    let (origin, object, name) = match &check.domain.launch_security {
        None => return,
        Some(LaunchSecurity::Sev(sev)) => (sev.origin, "sev-guest", "SEV"),
        Some(LaunchSecurity::SevSnp(snp)) => (snp.origin, "sev-snp-guest", "SEV-SNP"),
        Some(LaunchSecurity::S390Pv) => {
            let message = "only guests of s390 have <launchSecurity type='s390-pv'>";
            check.refuse(check.domain.origin, Part::Name, message, "leave it out");
            return;
        }
    };
    check.need_type(object, origin, name);
}
