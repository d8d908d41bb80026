//! Firmware configuration entries.
//!
//! libvirt: `qemuValidateDomainDefSysinfo`.

use conf::sysinfo::Sysinfo;

use super::{Check, Rule};

pub(super) const RULES: &[Rule] = &[Rule::new(
    "firmware-entry-is-the-users",
    "names outside of opt/ are QEMU's and the firmware's own",
    names,
)];

fn names(check: &mut Check<'_>) {
    let entries = check.domain.sysinfo.iter().flat_map(|sysinfo| match sysinfo {
        Sysinfo::Fwcfg(fwcfg) => &fwcfg.entries[..],
        Sysinfo::Smbios(_) => &[],
    });
    for entry in entries {
        let name = entry.name.as_str();
        let is_reserved = ["opt/ovmf/", "opt/org.qemu/"].iter().any(|own| name.starts_with(own));
        if is_reserved || !name.starts_with("opt/") {
            let message = format!("the name '{name}' is not free for <entry>");
            let expected =
                "a name that starts with 'opt/' and your domain, such as opt/com.example/a";
            check.refuse_value(entry.origin, "name", message, expected);
        }
    }
}
