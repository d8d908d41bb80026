//! Taking a device from a guest: it is asked, and when it has let go, what was behind the device goes.

use std::collections::BTreeSet;
use std::time::Duration;

use qemu::change::{Removal, without};
use qmp::{Client, ErrorClass};
use serde_json::{Value, json};

use super::record::{Record, edit_document};
use crate::control::Problem;
use crate::launch::{Guest, end_helper};

/// How long a guest may take before whoever asked is told that it has not let go yet.
///
/// libvirt: `QEMU_UNPLUG_TIMEOUT` in `src/qemu/qemu_hotplug.c`.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// What came of asking.
pub(super) enum Asking {
    /// The guest was asked.
    Asked,
    /// It was asked a moment ago, and has not answered.
    AskedBefore,
    /// The device is not there any more.
    Gone,
}

/// Asks the guest to let go of a device.
pub(super) async fn ask(removal: &Removal, guest: &Guest) -> Result<Asking, Problem> {
    let asked = guest.client.execute("device_del", &json!({ "id": removal.device })).await;
    match asked {
        Ok(_) => Ok(Asking::Asked),
        Err(error) if error.class() == Some(&ErrorClass::DeviceNotFound) => Ok(Asking::Gone),
        Err(error) if error.to_string().contains("in the process of unplug") => {
            Ok(Asking::AskedBefore)
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes away what was behind a device that is gone. QEMU's refusals change nothing about that.
pub(super) async fn complete(removal: &Removal, guest: &mut Guest) {
    let pending: Vec<_> = removal
        .behind
        .iter()
        .map(|command| guest.client.send(&command.execute, &command.arguments))
        .collect();
    for answer in pending {
        let _ = answer.answer().await;
    }
    let (ended, kept) = std::mem::take(&mut guest.resources.helpers)
        .into_iter()
        .partition(|running| running.name.starts_with(&removal.helpers));
    guest.resources.helpers = kept;
    let ended: Vec<host::helper::Running> = ended;
    for running in ended {
        guest.status.helpers.remove(&running.name);
        end_helper(running);
    }
    let run = &guest.resources.run;
    if let Some(mut record) = Record::read(run) {
        if let Some(made) = record.made.remove(&removal.device) {
            made.remove();
            guest.resources.made.forget(&made);
            guest.status.made = guest.resources.made.clone();
        }
        for device in removal.with.iter().chain([&removal.device]) {
            record.inventory.remove_device(device);
        }
        record.inventory.remove(&removal.behind);
        record.inventory.revision += 1;
        record.removals.retain(|other| other.device != removal.device);
        record.storage.retain(|_, device| *device != removal.device);
        let _ = record.write(run);
    }
    let _ = guest.status.write(run);
    edit_document(run, |text| without(text, &removal.device));
}

/// Whether a guest says by ACPI that it does not let go of a memory module or a processor.
///
/// libvirt: `qemuProcessHandleAcpiOstInfo`.
pub(super) fn is_refusal(status: &Value) -> bool {
    is_about_ejecting(status) && matches!(status["status"].as_u64(), Some(0x1 | 0x80..=0x83))
}

/// Whether a guest says by ACPI that it has let go of something. Without KVM that is all that QEMU says of
/// a processor that is gone.
pub(super) fn is_done(status: &Value) -> bool {
    is_about_ejecting(status) && status["status"] == 0
}

/// ACPI 6.5, 6.3.5: the events that ask for it, and whose handling `_OST` tells of.
fn is_about_ejecting(status: &Value) -> bool {
    matches!(status["source"].as_u64(), Some(0x3 | 0x103))
}

/// The ids of the devices that QEMU has; `None` if it does not say.
pub(super) async fn devices(client: &Client) -> Option<BTreeSet<String>> {
    let list = client.execute("qom-list", &json!({ "path": "/machine/peripheral" })).await.ok()?;
    let name = |entry: &Value| entry["name"].as_str().map(str::to_owned);
    Some(list.as_array()?.iter().filter_map(name).collect())
}
