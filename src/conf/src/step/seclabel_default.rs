//! The security driver that a label is for.

use base::NonEmpty;

use crate::domain::Domain;
use crate::seclabel::SeclabelKind;

/// A single label that leaves it open is for the host's own security driver.
///
/// libvirt: `virSecurityLabelDefsParseXML`.
pub fn run(domain: &mut Domain, default: Option<&str>) {
    let [label] = &mut domain.seclabel[..] else { return };
    let may_be_open = match label.kind {
        SeclabelKind::None => true,
        SeclabelKind::Dynamic => label.base_label.is_none(),
        SeclabelKind::Static => false,
    };
    if label.model.is_none()
        && may_be_open
        && let Some(model) = default
    {
        label.model = Some(NonEmpty(model.to_owned()));
        if model == "none" {
            label.clear();
        }
    }
}
