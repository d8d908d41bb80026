//! The security driver that a label is for.

use base::NonEmpty;

use crate::domain::Domain;

/// A single label that leaves it open, as only some may, is for the host's own security driver.
///
/// libvirt: `virSecurityLabelDefsParseXML`.
pub fn run(domain: &mut Domain, default: Option<&str>) {
    let [label] = &mut domain.seclabel[..] else { return };
    if label.model.is_none()
        && let Some(model) = default
    {
        label.model = Some(NonEmpty(model.to_owned()));
        if model == "none" {
            label.clear();
        }
    }
}
