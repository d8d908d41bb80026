//! Huge pages of nodes that there are not.

use crate::domain::Domain;

/// A guest without NUMA cells has no node 0 by itself: pages for it are pages for all.
///
/// libvirt: `virDomainDefPostParseMemtune`.
pub fn for_all_nodes(domain: &mut Domain) {
    if domain.cpu.as_ref().is_some_and(|cpu| !cpu.numa_cells().is_empty()) {
        return;
    }
    let backing = domain.memory_backing.as_mut();
    let pages = backing.and_then(|backing| backing.hugepages.as_mut()).map(|huge| &mut huge.pages);
    for page in pages.into_iter().flatten() {
        page.nodeset.take_if(|nodes| nodes.0.iter().eq(&[0]));
    }
}
