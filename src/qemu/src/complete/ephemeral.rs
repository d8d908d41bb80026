//! A start after which nothing is kept.

use conf::Domain;
use conf::device::Disk;
use conf::device::disk::Transient;

/// Makes every disk that the guest writes to a `<transient/>` one.
pub fn ephemeral(domain: &mut Domain) {
    let is_written = |disk: &&mut Disk| !disk.readonly && !disk.is_removable() && !disk.is_empty();
    for disk in domain.devices.disks.iter_mut().filter(is_written) {
        disk.transient.get_or_insert_with(Transient::default);
    }
}
