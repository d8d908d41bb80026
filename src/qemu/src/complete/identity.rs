//! What makes a guest this one and no other: its UUID, and the MAC addresses of its interfaces.

use base::Uuid;
use conf::Domain;
use conf::device::interface::MacElement;
use xml::Origin;

use super::context::Context;

/// A guest without a UUID gets a random one.
///
/// libvirt: `virDomainDefParseIDs`.
pub(super) fn uuid(domain: &mut Domain, context: &mut Context<'_>) {
    if domain.uuid.is_none() {
        domain.uuid = generated(context, "UUID");
    }
}

/// An empty `<genid>` gets an identifier.
///
/// libvirt: `virDomainDefParseIDs`.
pub(super) fn genid(domain: &mut Domain, context: &mut Context<'_>) {
    if let Some(genid) = domain.genid.as_mut().filter(|genid| genid.id.is_none()) {
        genid.id = generated(context, "genid");
    }
}

fn generated(context: &mut Context<'_>, what: &str) -> Option<Uuid> {
    let uuid = Uuid::from_random(context.random()?);
    context.made.push(format!("{what} {uuid}"));
    Some(uuid)
}

/// Gives a new definition of a guest the identifiers that the old one has, where it names none:
/// its UUID, and the MAC addresses of interfaces by their position.
pub fn keep_identity(new: &mut Domain, old: &Domain) {
    new.uuid = new.uuid.or(old.uuid);
    for (new, old) in new.devices.interfaces.iter_mut().zip(&old.devices.interfaces) {
        if new.mac().is_none()
            && let Some(address) = old.mac()
        {
            let origin = Origin::Step("MAC of the old definition");
            new.mac.get_or_insert_with(|| MacElement { origin, ..MacElement::default() }).address =
                address;
        }
    }
}

#[cfg(test)]
mod tests {
    use base::Mac;
    use conf::device::Interface;

    use super::*;

    fn interface(mac: Option<u8>) -> Interface {
        let element =
            |last| MacElement { address: Mac([2, 0, 0, 0, 0, last]), ..Default::default() };
        Interface { mac: mac.map(element), ..Interface::default() }
    }

    #[test]
    fn a_new_definition_keeps_what_it_does_not_name() {
        let mut old = Domain { uuid: Some(Uuid([7; 16])), ..Domain::default() };
        old.devices.interfaces = vec![interface(Some(1)), interface(Some(2))];
        let mut new = Domain::default();
        new.devices.interfaces = vec![interface(None), interface(Some(9)), interface(None)];

        keep_identity(&mut new, &old);

        assert_eq!(new.uuid, old.uuid);
        let macs: Vec<_> = new.devices.interfaces.iter().map(Interface::mac).collect();
        assert_eq!(macs, [Some(Mac([2, 0, 0, 0, 0, 1])), Some(Mac([2, 0, 0, 0, 0, 9])), None]);
    }
}
