//! `<redirfilter>`: which USB devices may be redirected.

use std::fmt::Write;

use base::{BadValue, Datatype, Value, YesNo, value::parse_any_base};
use xml::{Origin, Xml};

/// Which USB devices may be redirected. The first rule that fits decides; QEMU refuses a device
/// that no rule fits.
///
/// libvirt: `virDomainRedirFilterDefParseXML`, `virDomainRedirFilterDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Redirfilter {
    /// Where it was written.
    pub origin: Origin,
    /// The rules, in order.
    #[xml(child, name = "usbdev")]
    pub rules: Vec<Usbdev>,
}

/// A rule for USB devices. What is absent fits every device.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
pub struct Usbdev {
    /// Where it was written.
    pub origin: Origin,
    /// The class code.
    #[xml(attribute)]
    pub class: Option<Code<2, 0xff>>,
    /// The vendor.
    #[xml(attribute)]
    pub vendor: Option<Code<4, 0xffff>>,
    /// The product.
    #[xml(attribute)]
    pub product: Option<Code<4, 0xffff>>,
    /// The version of the device.
    #[xml(attribute)]
    pub version: Option<UsbVersion>,
    /// Whether such a device may be redirected.
    #[xml(attribute, required)]
    pub allow: YesNo,
}

impl Default for Usbdev {
    fn default() -> Self {
        Self {
            origin: Origin::None,
            class: None,
            vendor: None,
            product: None,
            version: None,
            allow: YesNo::No,
        }
    }
}

/// A code that is written `0x` and `WIDTH` capital hexadecimal digits. `-1` means any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code<const WIDTH: usize, const MAX: u32>(pub u32);

impl<const WIDTH: usize, const MAX: u32> Value for Code<WIDTH, MAX> {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        if text == "-1" {
            return Ok(None);
        }
        parse_any_base(text)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number <= MAX)
            .map(|number| Some(Self(number)))
            .ok_or_else(|| BadValue::new(format!("a number from 0 to {MAX:#X}, or -1 for any")))
    }

    fn write(&self, out: &mut String) {
        write!(out, "0x{:0WIDTH$X}", self.0).expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("0[xX][0-9a-fA-F]+|[0-9]+|-1")
    }
}

/// The version of a USB device, as its descriptor has it: four decimal digits, four bits each, so
/// that 1.25 is `0x0125`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsbVersion(pub u16);

impl Value for UsbVersion {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let bad = || BadValue::new("a version such as 2.0 or 1.25, or -1 for any");
        if text == "-1" {
            return Ok(None);
        }
        let (major, minor) = text.split_once('.').ok_or_else(bad)?;
        let digits = |text: &str| text.parse::<u16>().ok().filter(|number| *number < 100);
        let (high, mut low) = (digits(major).ok_or_else(bad)?, digits(minor).ok_or_else(bad)?);
        if minor.len() == 1 {
            low *= 10;
        }
        Ok(Some(Self((high / 10) << 12 | (high % 10) << 8 | (low / 10) << 4 | (low % 10))))
    }

    fn write(&self, out: &mut String) {
        let digits = |bits: u16| (bits >> 4) * 10 + (bits & 0xf);
        write!(out, "{}.{:02}", digits(self.0 >> 8), digits(self.0 & 0xff))
            .expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("[0-9]{1,2}\\.[0-9]{1,2}|-1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_digit_behind_the_point_of_a_version_counts_tenths() {
        assert_eq!(UsbVersion::parse("1.1").unwrap().unwrap().to_text(), "1.10");
        assert_eq!(UsbVersion::parse("12.05").unwrap(), Some(UsbVersion(0x1205)));
        assert_eq!(UsbVersion::parse("-1").unwrap(), None);
        assert!(UsbVersion::parse("100.0").is_err());
        assert!(UsbVersion::parse("2").is_err());
    }
}
