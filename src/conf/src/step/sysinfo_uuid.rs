//! The UUID among the SMBIOS strings.

use base::{Uuid, Value};
use xml::{Part, Problem};

use crate::domain::Domain;
use crate::sysinfo::{Sysinfo, SystemEntry};

/// The guest reads the domain's UUID in SMBIOS: where a document gives one in both places they are
/// the same, and one that is given there only is the domain's.
///
/// libvirt: `virDomainDefParseXML`.
pub fn run(domain: &mut Domain) -> Option<Problem> {
    let (origin, text) = domain.sysinfo.iter().find_map(|sysinfo| match sysinfo {
        Sysinfo::Smbios(smbios) => {
            let system = smbios.system.as_ref()?;
            Some((system.origin, system.get(SystemEntry::Uuid)?.to_owned()))
        }
        Sysinfo::Fwcfg(_) => None,
    })?;
    let part = Part::Within("entry=uuid".to_owned());
    let Ok(Some(found)) = Uuid::parse(&text) else {
        let message = format!("'{text}' among the entries of <system> is not a UUID");
        return Some(Problem::error(origin, part, message));
    };
    if *domain.uuid.get_or_insert(found) == found {
        return None;
    }
    Some(
        Problem::error(origin, part, format!("the guest would read {found} as its UUID"))
            .expected("the <uuid> of the domain"),
    )
}
