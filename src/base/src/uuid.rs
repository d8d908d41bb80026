//! UUIDs.

use std::fmt::{self, Display, Write};

use crate::value::{BadValue, Datatype, Value};

/// A UUID, printed in lower case with dashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// A random UUID (version 4) made of `bytes`.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }
}

impl Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_char('-')?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl Value for Uuid {
    /// Takes either case, with or without dashes, with surrounding blanks (libvirt: `virUUIDParse`).
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let bad = || BadValue::new("a UUID such as c7a5fdbd-edaf-9455-926a-d65c16db1809");
        let mut digits = text.trim().chars().filter(|letter| *letter != '-');
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            let mut digit = || digits.next().and_then(|d| d.to_digit(16)).ok_or_else(bad);
            *byte = (digit()? * 16 + digit()?) as u8;
        }
        if digits.next().is_some() { Err(bad()) } else { Ok(Some(Self(bytes))) }
    }

    fn write(&self, out: &mut String) {
        write!(out, "{self}").expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern(r"\s*(([0-9a-fA-F]-*){32}\s*)?")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_case_and_missing_dashes_are_read_alike() {
        let uuid = Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db1809").unwrap().unwrap();
        assert_eq!(Uuid::parse(" C7A5FDBDEDAF9455926AD65C16DB1809\n"), Ok(Some(uuid)));
        assert_eq!(uuid.to_string(), "c7a5fdbd-edaf-9455-926a-d65c16db1809");
    }

    #[test]
    fn a_random_uuid_carries_its_version() {
        let bytes: [u8; 16] = std::array::from_fn(|at| at as u8);
        assert_eq!(Uuid::from_random(bytes).to_string(), "00010203-0405-4607-8809-0a0b0c0d0e0f");
    }

    #[test]
    fn malformed_uuids_are_refused() {
        for text in [
            "",
            "c7a5fdbd",
            "c7a5fdbd-edaf-9455-926a-d65c16db180g",
            "c7a5fdbd-edaf-9455-926a-d65c16db18090",
        ] {
            assert!(Uuid::parse(text).is_err(), "{text}");
        }
    }
}
