//! The port of a display.

use std::fmt::{self, Display};
use std::num::NonZeroU32;

use base::{BadValue, Datatype, Value};

/// A TCP port of a display; `-1` stands for a free one, 0 for none.
///
/// Reading never gives `Found`: the document that says it says `autoport='yes'` too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisplayPort {
    /// A free one, found at start.
    Auto,
    /// The free one that was found for a guest that runs.
    Found(NonZeroU32),
    /// This one.
    Fixed(NonZeroU32),
}

impl DisplayPort {
    /// Whether a free one is found at start.
    pub fn is_auto(self) -> bool {
        matches!(self, Self::Auto | Self::Found(_))
    }

    /// The number, where it is fixed.
    pub fn fixed(self) -> Option<u32> {
        match self {
            Self::Auto | Self::Found(_) => None,
            Self::Fixed(port) => Some(port.get()),
        }
    }
}

impl Display for DisplayPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("-1"),
            Self::Found(port) | Self::Fixed(port) => port.fmt(f),
        }
    }
}

impl Value for DisplayPort {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        match text.trim().parse::<i32>() {
            Ok(-1) => Ok(Some(Self::Auto)),
            Ok(port @ 0..) => Ok(NonZeroU32::new(port.unsigned_abs()).map(Self::Fixed)),
            _ => Err(BadValue::new("a port, or -1 for a free one")),
        }
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("-1|[0-9]+")
    }
}
