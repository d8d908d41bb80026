//! Sizes with a unit, as libvirt's documents write them.

use std::fmt::Write;
use std::num::NonZeroU64;

use crate::value::{BadValue, Datatype, Value};

/// A unit of size, as a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit(u64);

impl Unit {
    /// Bytes.
    pub const BYTE: Self = Self(1);
    /// 1024 bytes: what libvirt assumes for memory.
    pub const KIB: Self = Self(1 << 10);
    /// 1024 KiB.
    pub const MIB: Self = Self(1 << 20);

    /// The spellings of a unit.
    pub const DATATYPE: Datatype =
        Datatype::Pattern("([bB]([yY][tT][eE][sS]?)?)|([kKmMgGtTpPeE]([iI]?[bB])?)");

    /// Reads a unit: `b`, `byte`, `bytes`; `k`, `m`, `g`, `t`, `p`, `e`, alone or with `ib` for
    /// powers of 1024, with `b` for powers of 1000; capitals do not matter.
    ///
    /// libvirt: `virScaleInteger`.
    ///
    /// # Errors
    /// The units there are.
    pub fn parse(text: &str) -> Result<Self, BadValue> {
        let lower = text.to_ascii_lowercase();
        if matches!(lower.as_str(), "b" | "byte" | "bytes") {
            return Ok(Self::BYTE);
        }
        let bad =
            || BadValue::new("a unit such as bytes, KiB, MiB, GiB (1024) or KB, MB, GB (1000)");
        let mut letters = lower.chars();
        let power = letters
            .next()
            .and_then(|letter| "kmgtpe".find(letter))
            .map(|at| at as u32 + 1)
            .ok_or_else(bad)?;
        match letters.as_str() {
            "" | "ib" => Ok(Self(1024u64.pow(power))),
            "b" => Ok(Self(1000u64.pow(power))),
            _ => Err(bad()),
        }
    }

    /// `number` of this unit in bytes; `None` when it is more than 64 bits hold.
    pub fn bytes(self, number: u64) -> Option<u64> {
        number.checked_mul(self.0)
    }

    /// `bytes` in this unit, rounded up.
    pub fn round_up(self, bytes: u64) -> u64 {
        bytes.div_ceil(self.0)
    }
}

/// Reads a number, and behind a blank its unit, as a number of bytes.
///
/// libvirt: `virParseScaledValue`.
///
/// # Errors
/// What would have been accepted instead.
pub fn parse(text: &str, default: Unit) -> Result<u64, BadValue> {
    let text = text.trim();
    let (number, unit) = match text.split_once(char::is_whitespace) {
        Some((number, unit)) => (number, Unit::parse(unit.trim())?),
        None => (text, default),
    };
    let number = number.parse().map_err(|_| BadValue::new("a number of zero or more"))?;
    unit.bytes(number).ok_or_else(|| BadValue::new("at most 16 EiB"))
}

/// A size in bytes; 0 means that there is none. It is read with any unit, which stands behind the
/// number, and written in bytes.
///
/// libvirt: `virParseScaledValue` with a default scale of 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub NonZeroU64);

impl Bytes {
    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl Value for Bytes {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let bytes = parse(text, Unit::BYTE)?;
        Ok(NonZeroU64::new(bytes).map(Self))
    }

    fn write(&self, out: &mut String) {
        write!(out, "{} bytes", self.0).expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Unsigned
    }
}

/// The largest unit that divides `bytes` exactly, and how many of it there are: `(2, "MiB")`.
///
/// libvirt: `virFormatIntPretty`, used for the TSEG size and for cache sizes.
pub fn pretty(bytes: u64) -> (u64, &'static str) {
    let mut number = bytes;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if number == 0 || !number.is_multiple_of(1024) {
            break;
        }
        number /= 1024;
        unit = larger;
    }
    (number, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024_unless_they_end_in_b() {
        assert_eq!(Unit::parse("k").unwrap().bytes(3), Some(3072));
        assert_eq!(Unit::parse("KiB").unwrap().bytes(3), Some(3072));
        assert_eq!(Unit::parse("KB").unwrap().bytes(3), Some(3000));
        assert_eq!(Unit::parse("bytes").unwrap().bytes(3), Some(3));
        assert!(Unit::parse("KiBi").is_err());
    }

    #[test]
    fn a_number_without_a_unit_has_the_default_one() {
        assert_eq!(parse("3", Unit::KIB), Ok(3072));
        assert_eq!(parse(" 3 MiB", Unit::KIB), Ok(3 << 20));
        assert_eq!(parse("16 E", Unit::KIB).unwrap_err().expected, "at most 16 EiB");
        assert!(parse("3MiB", Unit::KIB).is_err());
    }

    #[test]
    fn too_large_a_size_is_noticed() {
        assert_eq!(Unit::parse("E").unwrap().bytes(16), None);
    }

    #[test]
    fn a_size_in_bytes_is_read_in_any_unit() {
        assert_eq!(Bytes::parse("3 KiB").unwrap().unwrap().to_text(), "3072 bytes");
        assert_eq!(Bytes::parse("3").unwrap().unwrap().get(), 3);
        assert_eq!(Bytes::parse("0 GiB"), Ok(None));
        assert!(Bytes::parse("3 hectares").is_err());
        assert!(Bytes::parse("99 EiB").is_err());
    }

    #[test]
    fn a_pretty_size_uses_the_largest_unit_that_fits() {
        assert_eq!(pretty(16 << 20), (16, "MiB"));
        assert_eq!(pretty(1025), (1025, "B"));
        assert_eq!(pretty(0), (0, "B"));
    }
}
