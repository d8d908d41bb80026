//! Whether QEMU could make the processor that the document wants.

use std::collections::BTreeSet;

use qemu::plan::RequiredProcessor;
use qmp::Client;
use serde_json::json;

use super::LaunchError;

/// The first processor of every machine.
///
/// libvirt: `QOM_CPU_PATH` in `src/qemu/qemu_monitor_json.c`.
const FIRST: &str = "/machine/unattached/device[0]";

/// Asks QEMU what of the processor the host cannot give. A QEMU that does not say is believed.
///
/// libvirt: `qemuProcessUpdateAndVerifyCPU`.
///
/// # Errors
/// Something is missing that the document wants checked, or QEMU does not answer.
pub(super) async fn check(
    client: &Client,
    required: Option<&RequiredProcessor>,
) -> Result<(), LaunchError> {
    let Some(required) = required else { return Ok(()) };
    let arguments = json!({"path": FIRST, "property": "unavailable-features"});
    let unavailable = match client.execute("qom-get", &arguments).await {
        Ok(unavailable) => unavailable,
        Err(qmp::Error::Refused { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let unavailable = unavailable.as_array().map_or(&[][..], Vec::as_slice);
    let unavailable: BTreeSet<&str> = unavailable.iter().filter_map(|it| it.as_str()).collect();
    let missing: Vec<&str> = required
        .features
        .iter()
        .map(String::as_str)
        .filter(|feature| unavailable.contains(feature))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(LaunchError::Processor {
        at: required.at.clone(),
        model: required.model.clone(),
        missing: missing.join(", "),
    })
}
