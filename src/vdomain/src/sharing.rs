//! Which guest has an image that is to be written by another disk.

use conf::device::Disk;
use store::{Name, RunDirectory};

use crate::domains;
use crate::environment::Environment;
use crate::failure::Failure;

/// What QEMU says of an image that somebody else has locked.
///
/// QEMU: `raw_check_lock_bytes` in `block/file-posix.c`.
const LOCKED: [&str; 2] = ["Is another process using the image", "\" lock"];

/// Adds to a refusal for an image's lock which guest has the image, if it is one of ours.
pub(crate) fn name_the_other(
    failure: Failure,
    name: &Name,
    disks: &[Disk],
    environment: &Environment,
) -> Failure {
    match &failure {
        Failure::Other { message, .. } if LOCKED.iter().any(|said| message.contains(said)) => {}
        _ => return failure,
    }
    let wanted: Vec<&str> = disks.iter().filter_map(|disk| disk.source.path()).collect();
    let others = RunDirectory::list(&environment.directories.run).unwrap_or_default();
    for other in &others {
        let Ok(model) = domains::model(other, false, environment) else { continue };
        let is_wanted =
            |disk: &&Disk| disk.source.path().is_some_and(|path| wanted.contains(&path));
        if let Some(disk) = model.devices.disks.iter().find(is_wanted) {
            let (path, disk) = (disk.source.path().unwrap_or_default(), disk.name());
            return failure.help(match other == name {
                true => format!("the guest has '{path}' already, as its disk {disk}"),
                false => format!(
                    "domain '{other}' has '{path}' as its disk {disk}; end that guest, write \
                     <shareable/> in both documents if both can write it, or start both with \
                     --ephemeral"
                ),
            });
        }
    }
    failure
}
