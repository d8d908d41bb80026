//! What changes in a domain when it is started, before anything is planned: libvirt leaves it open in
//! what it stores.
//!
//! libvirt: `qemuProcessPrepareDomain` in `src/qemu/qemu_process.c`.

use conf::Domain;
use xml::Problem;

use crate::address;
use crate::complete::{CompleteDomain, Mode};

/// The domain as it is started.
///
/// # Errors
/// What there is no place for.
pub(crate) fn prepared(domain: &CompleteDomain) -> Result<Domain, Vec<Problem>> {
    let mut domain = Domain::clone(domain);
    address::usb::assign(&mut domain, Mode::Define).map_err(|problem| vec![problem])?;
    Ok(domain)
}
