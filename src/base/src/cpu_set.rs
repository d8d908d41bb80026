//! Sets of small numbers: CPUs, NUMA nodes.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write};

use crate::value::{BadValue, Datatype, Value};

/// A set of CPUs or NUMA nodes, written `0-3,5,7-8`; `^2` takes one out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuSet(pub BTreeSet<u32>);

impl CpuSet {
    /// The largest number plus one (libvirt: `VIR_DOMAIN_CPUMASK_LEN`).
    pub const LIMIT: u32 = 16384;

    /// The numbers from 0 up to `count`, without it.
    pub fn first(count: u32) -> Self {
        Self((0..count).collect())
    }

    /// The runs of adjacent numbers, each from its first to its last.
    pub fn ranges(&self) -> Vec<(u32, u32)> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for &number in &self.0 {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => ranges.push((number, number)),
            }
        }
        ranges
    }
}

impl Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.ranges().into_iter().enumerate() {
            if at > 0 {
                f.write_char(',')?;
            }
            write!(f, "{first}")?;
            if first != last {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

impl Value for CpuSet {
    /// libvirt: `virBitmapParse`.
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let bad = || BadValue::new("a set such as 0-3,^2 of numbers below 16384");
        let number =
            |text: &str| text.trim().parse().ok().filter(|n| *n < Self::LIMIT).ok_or_else(bad);
        let mut set = BTreeSet::new();
        for part in text.split(',') {
            let part = part.trim();
            if let Some(out) = part.strip_prefix('^') {
                set.remove(&number(out)?);
            } else if let Some((first, last)) = part.split_once('-') {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(bad());
                }
                set.extend(first..=last);
            } else {
                set.insert(number(part)?);
            }
        }
        Ok(Some(Self(set)))
    }

    fn write(&self, out: &mut String) {
        write!(out, "{self}").expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern(r"[0-9,\-\^\s]+")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        CpuSet::parse(text).unwrap().unwrap().to_string()
    }

    #[test]
    fn sets_print_as_ascending_ranges() {
        assert_eq!(printed("7,8,0-3,5"), "0-3,5,7-8");
        assert_eq!(printed("0-3,^2"), "0-1,3");
        assert_eq!(printed("0,1"), "0-1");
    }

    #[test]
    fn malformed_sets_are_refused() {
        for text in ["", "aaa", "3-1", "16384", "1-", "-1"] {
            assert!(CpuSet::parse(text).is_err(), "{text}");
        }
    }
}
