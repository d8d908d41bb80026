//! `<maxMemory>`, `<memory>` and `<currentMemory>`: sizes in KiB.

use std::fmt::Write;
use std::num::{NonZeroU32, NonZeroU64};

use base::{BadValue, Datatype, OnOff, Unit, Value, size};
use xml::{Origin, Xml};

/// A size that is read in any unit, KiB if none is given, and printed in KiB.
///
/// libvirt: `virDomainParseMemory`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kibibytes(pub u64);

impl Kibibytes {
    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0.saturating_mul(1024)
    }
}

/// With its unit, which is an attribute of its own.
impl Value for Kibibytes {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        size::parse(text, Unit::KIB).map(|bytes| Some(Self(Unit::KIB.round_up(bytes))))
    }

    fn write(&self, out: &mut String) {
        write!(out, "{} KiB", self.0).expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Unsigned
    }
}

/// A size in KiB of which 0 means that there is none. It is read with its unit, which is an
/// attribute of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NonZeroKibibytes(pub NonZeroU64);

impl NonZeroKibibytes {
    /// The size.
    pub fn get(self) -> Kibibytes {
        Kibibytes(self.0.get())
    }
}

impl Value for NonZeroKibibytes {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        Ok(Kibibytes::parse(text)?.and_then(|size| NonZeroU64::new(size.0)).map(Self))
    }

    fn write(&self, out: &mut String) {
        Value::write(&self.get(), out);
    }

    fn datatype() -> Datatype {
        Kibibytes::datatype()
    }
}

/// `<maxMemory>`: how much memory devices may add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct MaxMemory {
    /// Where it was written.
    pub origin: Origin,
    /// How many memory devices there may be.
    #[xml(attribute)]
    pub slots: Option<NonZeroU32>,
    /// The size.
    #[xml(text, unit, required)]
    pub size: Kibibytes,
}

/// `<memory>`: what the guest has, memory devices included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Memory {
    /// Where it was written.
    pub origin: Origin,
    /// Whether the guest's memory is part of a core dump of QEMU.
    #[xml(attribute, name = "dumpCore")]
    pub dump_core: Option<OnOff>,
    /// The size.
    #[xml(text, unit, required)]
    pub size: Kibibytes,
}
