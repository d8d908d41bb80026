//! Values that are written as one piece of text: an attribute, or the text of an element.

use std::fmt::{self, Display, Write};
use std::net::Ipv4Addr;
use std::num::{NonZeroI64, NonZeroU16, NonZeroU32, NonZeroU64};

/// A value with one textual form.
pub trait Value: Sized + 'static {
    /// Reads the value. `Ok(None)` is a text that means the same as no value at all, such as `0`
    /// where zero stands for "unset", or the word `default`.
    ///
    /// # Errors
    /// What would have been accepted instead.
    fn parse(text: &str) -> Result<Option<Self>, BadValue>;

    /// Appends the text, unescaped.
    fn write(&self, out: &mut String);

    /// What texts are accepted, for the schema.
    fn datatype() -> Datatype;

    /// The text by itself.
    fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

/// A text that is not a value of the type asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue {
    /// What would do, as the end of "'…' is not": `one of: file, block`, `a number`.
    pub expected: String,
    /// The accepted word that comes nearest, if one is near.
    pub near: Option<&'static str>,
}

impl BadValue {
    /// A refusal that says what would do.
    pub fn new(expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), near: None }
    }
}

impl Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expected)
    }
}

/// The texts a [`Value`] accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datatype {
    /// One of a list of words.
    Words(&'static [&'static str]),
    /// A number of zero or more.
    Unsigned,
    /// A number.
    Integer,
    /// Any text.
    Text,
    /// Texts that match a regular expression of XML Schema.
    Pattern(&'static str),
}

/// A place for a [`Value`]: the value itself, or an `Option` of it.
pub trait Attribute {
    /// Fills the place from `text`; a text that means "unset" leaves it as it was.
    ///
    /// # Errors
    /// What would have been accepted instead.
    fn read(&mut self, text: &str) -> Result<(), BadValue>;

    /// Whether there is a value.
    fn is_there(&self) -> bool;

    /// Appends the text and says whether there was one.
    fn write(&self, out: &mut String) -> bool;

    /// The text, if there is one.
    fn text(&self) -> Option<String> {
        let mut text = String::new();
        self.write(&mut text).then_some(text)
    }
}

impl<T: Value> Attribute for T {
    fn read(&mut self, text: &str) -> Result<(), BadValue> {
        if let Some(value) = T::parse(text)? {
            *self = value;
        }
        Ok(())
    }

    fn is_there(&self) -> bool {
        true
    }

    fn write(&self, out: &mut String) -> bool {
        Value::write(self, out);
        true
    }
}

impl<T: Value> Attribute for Option<T> {
    fn read(&mut self, text: &str) -> Result<(), BadValue> {
        *self = T::parse(text)?;
        Ok(())
    }

    fn is_there(&self) -> bool {
        self.is_some()
    }

    fn write(&self, out: &mut String) -> bool {
        self.as_ref().inspect(|value| Value::write(*value, out)).is_some()
    }
}

impl Value for String {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        Ok(Some(text.to_owned()))
    }

    fn write(&self, out: &mut String) {
        out.push_str(self);
    }

    fn datatype() -> Datatype {
        Datatype::Text
    }
}

/// A text of which the empty one means "unset".
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NonEmpty(pub String);

impl std::ops::Deref for NonEmpty {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Value for NonEmpty {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        Ok((!text.is_empty()).then(|| Self(text.to_owned())))
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }

    fn datatype() -> Datatype {
        Datatype::Text
    }
}

macro_rules! decimal {
    ($($type:ty: $datatype:ident, $expected:literal;)+) => {$(
        impl Value for $type {
            fn parse(text: &str) -> Result<Option<Self>, BadValue> {
                text.trim().parse().map(Some).map_err(|_| BadValue::new($expected))
            }

            fn write(&self, out: &mut String) {
                write!(out, "{self}").expect("a String takes everything");
            }

            fn datatype() -> Datatype {
                Datatype::$datatype
            }
        }
    )+};
}

decimal! {
    u8: Unsigned, "a number from 0 to 255";
    u16: Unsigned, "a number from 0 to 65535";
    u32: Unsigned, "a number from 0 to 4294967295";
    u64: Unsigned, "a number of zero or more";
    i32: Integer, "a number from -2147483648 to 2147483647";
    i64: Integer, "a number";
}

macro_rules! zero_is_unset {
    ($($type:ty, $plain:ty;)+) => {$(
        impl Value for $type {
            fn parse(text: &str) -> Result<Option<Self>, BadValue> {
                Ok(<$plain>::parse(text)?.and_then(Self::new))
            }

            fn write(&self, out: &mut String) {
                Value::write(&self.get(), out);
            }

            fn datatype() -> Datatype {
                <$plain as Value>::datatype()
            }
        }
    )+};
}

zero_is_unset! {
    NonZeroU16, u16;
    NonZeroU32, u32;
    NonZeroU64, u64;
    NonZeroI64, i64;
}

impl Value for Ipv4Addr {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        text.parse().map(Some).map_err(|_| BadValue::new("an IPv4 address such as 10.0.2.1"))
    }

    fn write(&self, out: &mut String) {
        write!(out, "{self}").expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("[0-9]{1,3}(\\.[0-9]{1,3}){3}")
    }
}

/// A number of one or more, which is its default; zero is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Positive(pub NonZeroU32);

impl Positive {
    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl From<Positive> for u32 {
    fn from(number: Positive) -> Self {
        number.get()
    }
}

impl Display for Positive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Default for Positive {
    fn default() -> Self {
        Self(NonZeroU32::MIN)
    }
}

impl Value for Positive {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let expected = || BadValue::new("a number from 1 to 4294967295");
        let number = NonZeroU32::parse(text).map_err(|_| expected())?;
        number.map(|number| Some(Self(number))).ok_or_else(expected)
    }

    fn write(&self, out: &mut String) {
        Value::write(&self.0, out);
    }

    fn datatype() -> Datatype {
        Datatype::Unsigned
    }
}

/// Reads a number as C's `strtoul` with base 0 does: `0x1f`, `037` or `31`.
///
/// libvirt: `virStrToLong_ui` with base 0, used for addresses.
pub fn parse_any_base(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return (!hex.starts_with(['+', '-'])).then(|| u64::from_str_radix(hex, 16).ok())?;
    }
    if text.starts_with(['+', '-']) {
        return None;
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_means_unset_where_the_type_says_so() {
        assert_eq!(NonZeroU32::parse("0"), Ok(None));
        assert_eq!(NonZeroU32::parse("7"), Ok(NonZeroU32::new(7)));
        assert_eq!(u32::parse("0"), Ok(Some(0)));
    }

    #[test]
    fn a_negative_number_is_refused_where_none_can_be() {
        assert_eq!(u32::parse("-5").unwrap_err().expected, "a number from 0 to 4294967295");
    }

    #[test]
    fn addresses_may_be_hexadecimal_octal_or_decimal() {
        assert_eq!(parse_any_base("0x1f"), Some(31));
        assert_eq!(parse_any_base("037"), Some(31));
        assert_eq!(parse_any_base("31"), Some(31));
        assert_eq!(parse_any_base("0"), Some(0));
        assert_eq!(parse_any_base("0x"), None);
        assert_eq!(parse_any_base("0x-1"), None);
    }
}
