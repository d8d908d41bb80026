//! Telling a service manager how a service is.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// A text as a part of the name of a unit of systemd; what a `/` or a `.` at the beginning means there is
/// the caller's to see to.
///
/// Source: `systemd.unit(5)`, "String escaping for inclusion in unit names".
pub fn in_unit(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b':' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        other => format!("\\x{other:02x}"),
    };
    text.bytes().map(letter).collect()
}

/// Tells a service manager something, such as `READY=1`. `address` is what it has put into
/// `NOTIFY_SOCKET`: a path, or a name that begins with `@`.
///
/// Source: `sd_notify(3)`.
///
/// # Errors
///
/// Those of sendto(2): nobody listens there.
pub fn notify(address: &str, state: &str) -> io::Result<()> {
    let address = match address.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_addresses_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("vdomain-test-{}", std::process::id());
        let by_path = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();

        notify(path.to_str().unwrap(), "READY=1").unwrap();
        notify(&format!("@{name}"), "STOPPING=1").unwrap();

        let mut text = [0; 32];
        let count = by_path.recv(&mut text).unwrap();
        assert_eq!(&text[..count], b"READY=1");
        let count = by_name.recv(&mut text).unwrap();
        assert_eq!(&text[..count], b"STOPPING=1");
        assert!(notify("/no/such", "READY=1").is_err());
    }
}
