//! Persistent reservations of SCSI, which a helper with more rights than QEMU makes for the guest.

use base::YesNo;

use super::chain::Layer;
use super::{Builder, HelperSocket, Open};
use serde_json::json;

/// The program that makes reservations.
const PROGRAM: &str = "qemu-pr-helper";
/// The object of the helper that is started with the guest, which all its disks share.
///
/// libvirt: `qemuDomainGetManagedPRAlias`.
const MANAGED: &str = "pr-helper0";

/// The object by which a node reaches who makes its reservations. `None`: nobody does, or it was
/// refused.
///
/// libvirt: `qemuDomainPrepareStorageSourcePR`.
pub(super) fn manager(builder: &mut Builder<'_>, layer: &Layer<'_>, node: &str) -> Option<String> {
    let reservations = layer.common?.reservations.as_ref()?;
    if reservations.managed == Some(YesNo::Yes) {
        if !builder.has_object(MANAGED) {
            let open = start(builder)?;
            let source = builder.helper_source(PROGRAM, MANAGED, MANAGED);
            object(builder, MANAGED, source, open);
        }
        return Some(MANAGED.to_owned());
    }
    let id = format!("pr-helper-{node}");
    let source = reservations.source.as_ref()?;
    object(builder, &id, source.path.clone(), Open::SocketNode);
    Some(id)
}

/// Starts the helper; how QEMU reaches it.
fn start(builder: &mut Builder<'_>) -> Option<Open> {
    let Some(program) = builder.host.programs.get(PROGRAM) else {
        let refused = builder.refuse(format!("this host has no {PROGRAM}"));
        refused.help =
            Some(format!("install {PROGRAM}, or start one and write <reservations managed='no'>"));
        return None;
    };
    let argv = vec![program.clone(), "-k".to_owned(), "{socket}".to_owned()];
    builder.helper(MANAGED, argv).socket = HelperSocket::Path;
    Some(Open::HelperNode { helper: MANAGED.to_owned() })
}

fn object(builder: &mut Builder<'_>, id: &str, source: String, open: Open) {
    let fd = builder.fd(format!("{id}-socket"), source, open);
    let path = builder.inherited_path(fd);
    builder.object(json!({"qom-type": "pr-manager-helper", "id": id, "path": path}));
}
