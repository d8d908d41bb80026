//! Ethernet addresses.

use std::fmt::{self, Display, Write};

use crate::value::{BadValue, Datatype, Value};

/// An Ethernet address, printed in lower case with colons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// An address in the range that QEMU and libvirt use for guests, `52:54:00`, ending in `tail`.
    pub fn generated(tail: [u8; 3]) -> Self {
        Self([0x52, 0x54, 0x00, tail[0], tail[1], tail[2]])
    }

    /// Whether the address names a group of hosts, which no interface can have as its own.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether all six bytes are zero, which libvirt takes for "no address given".
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }
}

impl Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Value for Mac {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let bad = || BadValue::new("an Ethernet address such as 52:54:00:12:34:56");
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| (1..=2).contains(&part.len())).ok_or_else(bad)?;
            if !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(bad());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Some(Self(bytes))) }
    }

    fn write(&self, out: &mut String) {
        write!(out, "{self}").expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("[a-fA-F0-9]{1,2}(:[a-fA-F0-9]{1,2}){5}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_in_lower_case_with_two_digits() {
        assert_eq!(Mac::parse("0:1A:2b:3:4:FF").unwrap().unwrap().to_string(), "00:1a:2b:03:04:ff");
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for text in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "52:54:00:12:34:5g",
            "52-54-00-12-34-56",
            "+1:2:3:4:5:6",
        ] {
            assert!(Mac::parse(text).is_err(), "{text}");
        }
    }
}
