//! The password of a display, which only QMP tells QEMU.

use conf::device::graphics::Auth;
use serde_json::{Value, json};

use crate::plan::Builder;

/// Sets the password of a server.
pub(super) fn set(builder: &mut Builder<'_>, protocol: &str, auth: &Auth, default: Option<&str>) {
    for (command, arguments) in commands(protocol, auth, default) {
        builder.afterwards(command, arguments);
    }
}

/// What sets the password of a server, the one of the document before the one of the settings. There is
/// nothing to set if both have none.
///
/// libvirt: `qemuDomainChangeGraphicsPasswords`.
pub(crate) fn commands(
    protocol: &str,
    auth: &Auth,
    default: Option<&str>,
) -> Vec<(&'static str, Value)> {
    let Some(password) = auth.passwd.as_deref().or(default) else { return Vec::new() };
    let mut arguments = json!({"protocol": protocol, "password": password});
    if let Some(connected) = auth.connected {
        arguments["connected"] = Value::String(connected.to_string());
    }
    // QEMU takes a moment that is over for one that has come.
    let time = match auth.valid_to {
        _ if password.is_empty() => "now".to_owned(),
        Some(moment) => moment.unix_seconds().to_string(),
        None => "never".to_owned(),
    };
    vec![
        ("set_password", arguments),
        ("expire_password", json!({"protocol": protocol, "time": time})),
    ]
}
