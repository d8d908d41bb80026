//! `<smm>`: system management mode.

use std::fmt::Write;

use base::{BadValue, Datatype, OnOff, Unit, Value, size};
use xml::Xml;

/// `<smm>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Smm {
    /// Whether the machine has it.
    #[xml(attribute)]
    pub state: OnOff,
    /// How much memory it has to itself. Absent: the machine's default.
    #[xml(text_child, unit, read_if = Smm::is_on)]
    pub tseg: Option<Tseg>,
}

impl Smm {
    /// Whether the machine has it.
    pub fn is_on(&self) -> bool {
        self.state.into()
    }
}

/// A size in bytes, read in MiB and printed in the largest unit that fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tseg(pub u64);

impl Value for Tseg {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        size::parse(text, Unit::MIB).map(|bytes| Some(Self(bytes)))
    }

    fn write(&self, out: &mut String) {
        let (number, unit) = size::pretty(self.0);
        write!(out, "{number} {unit}").expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Unsigned
    }
}
