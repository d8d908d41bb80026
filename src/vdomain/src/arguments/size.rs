//! Sizes as virsh takes them: a number, and right behind it perhaps a unit.
//!
//! virsh: `vshCommandOptScaledInt`.

use base::size::{self, Unit};

/// A size in bytes; without a unit, that is what the number counts.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    parse(text, Unit::BYTE)
}

/// A size in bytes; without a unit, the number counts KiB.
pub(super) fn kibibytes(text: &str) -> Result<u64, String> {
    parse(text, Unit::KIB)
}

fn parse(text: &str, unit: Unit) -> Result<u64, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, behind) = text.split_at(digits);
    size::parse(&format!("{number} {behind}"), unit)
        .map_err(|bad| format!("expected {}, such as 10G for 10 GiB", bad.expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_stands_right_behind_the_number() {
        assert_eq!(
            (bytes("7"), kibibytes("7"), kibibytes("2G")),
            (Ok(7), Ok(7 << 10), Ok(2 << 30))
        );
        assert!(bytes("G").is_err() && bytes("1 furlong").is_err() && bytes("").is_err());
    }
}
