//! Which `<seclabel>` is for which security driver.

use xml::{Part, Problem};

use crate::domain::Domain;
use crate::seclabel::{Seclabel, SeclabelKind};

/// No two labels are for one security driver, and only a single one with nothing in it may leave it
/// open.
///
/// libvirt: `virSecurityLabelDefsParseXML`.
pub fn check(domain: &Domain) -> Vec<Problem> {
    let labels = &domain.seclabel;
    let mut problems = Vec::new();
    for (at, label) in labels.iter().enumerate() {
        match &label.model {
            None if labels.len() > 1 || !may_be_open(label) => problems.push(
                Problem::error(label.origin, Part::Name, "<seclabel> needs attribute 'model'")
                    .help("a label is for one security driver"),
            ),
            Some(model) if labels[..at].iter().any(|other| other.model == label.model) => {
                let message = format!("two <seclabel> are for model '{}'", model.0);
                let part = Part::Attribute("model".to_owned());
                problems.push(Problem::error(label.origin, part, message));
            }
            _ => {}
        }
    }
    problems
}

/// Whether it says so little that it can be for any security driver.
fn may_be_open(label: &Seclabel) -> bool {
    match label.kind {
        Some(SeclabelKind::None) => true,
        Some(SeclabelKind::Dynamic) => label.base_label.is_none(),
        Some(SeclabelKind::Static) | None => false,
    }
}
