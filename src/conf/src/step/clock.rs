//! The clock.

use crate::clock::Clock;
use crate::domain::Domain;

/// A guest without `<clock>` has one that shows UTC.
///
/// libvirt: `virDomainDefParseXML`.
pub fn default_clock(domain: &mut Domain) {
    domain.clock.get_or_insert_with(Clock::default);
}
