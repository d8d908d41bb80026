//! Registration with systemd-machined, so that `machinectl` lists a guest and steers it.
//!
//! It is a courtesy: a guest runs without it, and no start waits for it. Where the guest has no unit
//! of its own, machined puts QEMU into a scope, beside the session that the guest was started from.
//! It forgets the guest when QEMU ends.
//!
//! systemd: `io.systemd.Machine` in `src/shared/varlink-io.systemd.Machine.c`.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sys::runtime::{self, Socket};

use crate::launch::Guest;
use crate::varlink::{Call, Connection, Reply};

/// How long machined may take: it waits for the service manager.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest name of a machine, in bytes (Linux: `HOST_NAME_MAX`).
const LONGEST_NAME: usize = 64;

/// Registers a guest with the machined that listens at a path. Where the guest has no unit of its own,
/// machined makes one.
///
/// # Errors
/// Why it is not registered.
///
/// # Cancel safety
/// Dropped while waiting, it may be registered all the same.
pub(crate) async fn register(
    socket: &Path,
    call: Result<Call, String>,
    has_unit: bool,
) -> Result<(), String> {
    let mut call = call?;
    call.parameters["allocateUnit"] = Value::from(!has_unit);
    runtime::within(LIMIT, ask(socket, &call))
        .await
        .unwrap_or_else(|| Err(format!("systemd-machined did not reply within {LIMIT:?}")))
}

async fn ask(socket: &Path, call: &Call) -> Result<(), String> {
    let connected = Socket::connect(socket).await;
    let mut machined = Connection::new(connected.map_err(|error| sys::reason(&error))?);
    let reply: io::Result<Option<Reply>> = async {
        machined.send(call).await?;
        machined.receive().await
    }
    .await;
    match reply.map_err(|error| sys::reason(&error))? {
        None => Err("systemd-machined has closed the connection".to_owned()),
        Some(Reply { error: None, .. }) => Ok(()),
        // Without it, `machinectl poweroff` would end QEMU by a signal.
        Some(reply) if refuses(&reply, "controlAddress") => {
            Err("this systemd-machined knows no control sockets, as those since 262 do".to_owned())
        }
        Some(Reply { error: Some(error), parameters, .. }) => {
            Err(format!("systemd-machined says {error} {parameters}"))
        }
    }
}

/// Whether a reply says that a parameter is wrong, or not known.
fn refuses(reply: &Reply, parameter: &str) -> bool {
    reply.error.as_deref() == Some("org.varlink.service.InvalidParameter")
        && reply.parameters["parameter"] == parameter
}

/// What machined is told of a guest; or why it cannot be.
pub(crate) fn call(guest: &Guest) -> Result<Call, String> {
    let run = &guest.resources.run;
    let name = run.name().as_str();
    if !is_machine_name(name) {
        return Err(format!("'{name}' cannot be the name of a machine of systemd"));
    }
    let pid = guest.qemu.process().pid();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut parameters = json!({
        "name": name,
        "class": "vm",
        "service": "vdomain",
        "leader": pid,
        "leaderProcessId": { "pid": pid },
        "controlAddress": run.control(),
    });
    let plain = |id: &str| id.trim().replace('-', "");
    if let Some(cid) = guest.status.cid {
        parameters["vSockCid"] = Value::from(cid);
    }
    if !boot.is_empty() {
        parameters["leaderProcessId"]["bootId"] = Value::from(plain(&boot));
    }
    if !guest.status.uuid.is_empty() {
        parameters["id"] = Value::from(plain(&guest.status.uuid));
    }
    Ok(Call::new("io.systemd.Machine.Register", parameters))
}

/// Whether machined takes a name: it has to be one that a host can have.
///
/// systemd: `hostname_is_valid` in `src/basic/hostname-util.c`.
fn is_machine_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= LONGEST_NAME && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_named_like_a_host() {
        for name in ["web1", "web-1.example", "win_10"] {
            assert!(is_machine_name(name), "{name}");
        }
        for name in ["", "a b", "-a", "a..b", "Größe", &"x".repeat(65)] {
            assert!(!is_machine_name(name), "{name}");
        }
    }
}
