//! Devices of the host.

use base::OnOff;
use conf::Domain;
use conf::device::hostdev::scsi::ScsiSource;
use conf::device::hostdev::{HostdevKind, MdevModel};

use super::context::Context;

/// A mediated device shows no picture, and iSCSI's first unit goes without saying.
///
/// libvirt: `qemuDomainMdevDefVFIOPCIValidate`, `virDomainHostdevDefPostParse`.
pub(super) fn defaults(domain: &mut Domain, _context: &mut Context<'_>) {
    for hostdev in &mut domain.devices.hostdevs {
        match &mut hostdev.kind {
            HostdevKind::Mdev(mdev) if mdev.model == MdevModel::VfioPci => {
                mdev.display.get_or_insert(OnOff::Off);
            }
            HostdevKind::Scsi(scsi) => {
                if let ScsiSource::Iscsi(unit) = &mut scsi.source
                    && !unit.name.contains('/')
                {
                    unit.name.push_str("/0");
                }
            }
            _ => {}
        }
    }
}
