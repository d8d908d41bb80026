//! Adaptation: what a guest is changed to, when the user allows it, so that it can run here.
//!
//! Nothing of this is done unasked, and each change is told.

use conf::Domain;
use conf::device::disk::source::Source;
use conf::device::interface::{Backend, InterfaceKind};
use conf::memory_backing::{MemoryAccess, MemoryBacking, MemorySource};
use xml::Origin;

use crate::host::Host;
use crate::validate::has_shared_memory;

/// Changes what libvirt, or a start on this host, would refuse; returns a sentence for each change.
/// To be run before completion.
pub fn adapt(domain: &mut Domain, host: &Host) -> Vec<String> {
    let mut changes = Vec::new();
    share_memory(domain, &mut changes);
    leave_unknown_networks(domain, host, &mut changes);
    changes
}

/// Devices that another process serves need memory that it can map.
fn share_memory(domain: &mut Domain, changes: &mut Vec<String>) {
    let devices = &domain.devices;
    let what = if devices.filesystems.iter().any(|filesystem| filesystem.is_virtiofs()) {
        "virtiofs"
    } else if devices.disks.iter().any(|disk| matches!(disk.source, Source::VhostUser(_))) {
        "a vhost-user disk"
    } else if devices.interfaces.iter().any(|i| matches!(i.kind, InterfaceKind::VhostUser(_))) {
        "a vhost-user interface"
    } else {
        return;
    };
    if has_shared_memory(domain) {
        return;
    }
    let backing = domain.memory_backing.get_or_insert_with(|| MemoryBacking {
        origin: Origin::Step("adapt"),
        ..MemoryBacking::default()
    });
    let source = *backing.source.get_or_insert(MemorySource::Memfd);
    backing.access = Some(MemoryAccess::Shared);
    for cell in domain.cpu.iter_mut().filter_map(|cpu| cpu.numa.as_mut()).flat_map(|n| &mut n.cells)
    {
        cell.access = None;
    }
    changes.push(format!(
        "adapted: the memory is shared, which {what} needs: <memoryBacking><source \
         type='{source}'/><access mode='shared'/></memoryBacking>"
    ));
}

/// An interface of a network that is not known here is connected by QEMU itself.
fn leave_unknown_networks(domain: &mut Domain, host: &Host, changes: &mut Vec<String>) {
    for (at, interface) in domain.devices.interfaces.iter_mut().enumerate() {
        let Some(name) = interface.kind.network() else { continue };
        if host.networks.get(name).is_some_and(|network| network.bridge.is_some()) {
            continue;
        }
        changes.push(format!(
            "adapted: interface {at} is of type 'user', as this host has no network '{name}' with a \
             bridge"
        ));
        interface.kind = InterfaceKind::User(Default::default());
        interface.virtualport = None;
        interface.vlan = None;
        interface.bandwidth = None;
        interface.filterref = None;
        interface.trust_guest_rx_filters = None;
        interface.port = Default::default();
        interface.target = Default::default();
        interface.coalesce = Default::default();
        interface.mtu = None;
        interface.backend = Backend::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(devices: &str) -> Domain {
        let text = format!(
            "<domain type='kvm'><name>a</name><memory>1</memory><os><type>hvm</type></os>\
             <devices>{devices}</devices></domain>"
        );
        conf::parse(&xml::Source::new("a.xml", text)).unwrap().0
    }

    #[test]
    fn virtiofs_gets_memory_that_can_be_shared_and_nothing_else_does() {
        let mut domain = read(
            "<filesystem><driver type='virtiofs'/><source dir='/a'/><target dir='a'/></filesystem>",
        );
        assert_eq!(adapt(&mut domain, &Host::default()).len(), 1);
        assert!(has_shared_memory(&domain));
        assert!(adapt(&mut domain, &Host::default()).is_empty());

        let mut plain = read("<filesystem><source dir='/a'/><target dir='a'/></filesystem>");
        assert!(adapt(&mut plain, &Host::default()).is_empty());
    }

    #[test]
    fn an_unknown_network_becomes_qemus_own() {
        let text = "<interface type='network'><source network='default'/></interface>";
        let mut domain = read(text);
        let mut host = Host::default();
        assert_eq!(adapt(&mut domain, &host).len(), 1);
        assert!(matches!(domain.devices.interfaces[0].kind, InterfaceKind::User(_)));

        let bridge = Some("virbr0".to_owned());
        let known = crate::host::Network { bridge, ..crate::host::Network::default() };
        host.networks.insert("default".to_owned(), known);
        assert!(adapt(&mut read(text), &host).is_empty());
    }
}
