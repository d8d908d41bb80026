//! Where the displays of a running guest can be seen.

use serde_json::Value;

/// A display that a viewer can connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Display {
    /// `vnc` or `spice`.
    pub kind: &'static str,
    /// Its address, such as `vnc://127.0.0.1:0`.
    pub uri: String,
}

/// The first port of VNC: display 0.
const FIRST_VNC_PORT: u32 = 5900;

/// The displays of a running guest, VNC before SPICE.
///
/// # Errors
/// Those of QEMU.
///
/// # Cancel safety
/// May be dropped at any time.
pub async fn displays(qemu: &qmp::Client) -> Result<Vec<Display>, qmp::Error> {
    let vnc = qemu.send("query-vnc-servers", &Value::Null);
    let spice = qemu.send("query-spice", &Value::Null);
    let mut found = Vec::new();
    for server in optional(vnc.answer().await)?.as_array().into_iter().flatten() {
        let ends = server["server"].as_array().into_iter().flatten();
        found.extend(ends.filter_map(vnc_uri).map(|uri| Display { kind: "vnc", uri }));
    }
    let spice = optional(spice.answer().await)?;
    found.extend(spice_uri(&spice).map(|uri| Display { kind: "spice", uri }));
    Ok(found)
}

/// An answer, or nothing from a QEMU that was built without that display.
fn optional(answer: Result<Value, qmp::Error>) -> Result<Value, qmp::Error> {
    match answer {
        Err(qmp::Error::Refused { .. }) => Ok(Value::Null),
        answer => answer,
    }
}

/// libvirt: `cmdDomDisplay` in `tools/virsh-domain.c`.
fn vnc_uri(end: &Value) -> Option<String> {
    let text = |key: &str| end[key].as_str();
    if end["websocket"] == Value::Bool(true) {
        return None;
    }
    if text("family") == Some("unix") {
        return Some(format!("vnc+unix://{}", text("service").or(text("host"))?));
    }
    let port: u32 = text("service")?.parse().ok()?;
    Some(format!("vnc://{}:{}", host(text("host")?), port.checked_sub(FIRST_VNC_PORT)?))
}

fn spice_uri(spice: &Value) -> Option<String> {
    let port = |key: &str| spice[key].as_u64().filter(|port| *port > 0);
    let address = host(spice["host"].as_str().unwrap_or_default());
    match (port("port"), port("tls-port")) {
        (Some(port), None) => Some(format!("spice://{address}:{port}")),
        (Some(port), Some(tls)) => Some(format!("spice://{address}:{port}?tls-port={tls}")),
        (None, Some(tls)) => Some(format!("spice://{address}?tls-port={tls}")),
        (None, None) => None,
    }
}

/// The address to connect to where a display listens: one that stands for all is not one to
/// connect to.
fn host(listens: &str) -> String {
    match listens {
        "" | "*" | "0.0.0.0" | "::" => "localhost".to_owned(),
        address if address.contains(':') => format!("[{address}]"),
        address => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn vnc_is_addressed_by_the_number_of_its_display() {
        let end = |host: &str, port: &str| {
            vnc_uri(&json!({"host": host, "service": port, "family": "ipv4", "websocket": false}))
        };
        assert_eq!(end("127.0.0.1", "5901").unwrap(), "vnc://127.0.0.1:1");
        assert_eq!(end("0.0.0.0", "5900").unwrap(), "vnc://localhost:0");
        assert_eq!(end("::1", "5900").unwrap(), "vnc://[::1]:0");
        let socket = json!({"host": "/run/vnc", "service": "/run/vnc", "family": "unix"});
        assert_eq!(vnc_uri(&socket).unwrap(), "vnc+unix:///run/vnc");
        assert_eq!(vnc_uri(&json!({"websocket": true, "service": "5700", "host": "a"})), None);
    }

    #[test]
    fn spice_is_addressed_by_its_ports() {
        let uri = |spice: Value| spice_uri(&spice);
        let both = json!({"enabled": true, "host": "127.0.0.1", "port": 5900, "tls-port": 5901});
        assert_eq!(uri(both).unwrap(), "spice://127.0.0.1:5900?tls-port=5901");
        assert_eq!(uri(json!({"enabled": false})), None);
    }
}
