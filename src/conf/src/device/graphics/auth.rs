//! Who may look at a display: its password.

use std::fmt::Write;

use base::{BadValue, Datatype, Value, words};
use xml::{El, Part, Reader, Xml};

/// The password of a display. Without one, the others have no effect.
///
/// libvirt: `virDomainGraphicsAuthDef`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Auth::finish)]
pub struct Auth {
    /// The name that goes with it; only of a remote desktop.
    #[xml(attribute)]
    pub username: Option<String>,
    /// The password. Absent: that of the host's settings, if any.
    #[xml(attribute)]
    pub passwd: Option<String>,
    /// When it expires. Absent: never.
    #[xml(attribute, name = "passwdValidTo")]
    pub valid_to: Option<ValidTo>,
    /// What happens to those who are connected when it changes.
    #[xml(attribute)]
    pub connected: Option<Connected>,
}

impl Auth {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if self.passwd.is_some() {
            return;
        }
        *self = Self::default();
        for name in ["username", "passwdValidTo", "connected"] {
            if el.attribute(name).is_some() {
                let message = format!("'{name}' has no effect without 'passwd'");
                reader.warning(el.origin(), Part::AttributeName(name.to_owned()), message);
            }
        }
    }
}

words! {
    /// What happens to those who are connected when the password changes.
    ///
    /// libvirt: `virDomainGraphicsAuthConnected`. QEMU: `set_password`.
    pub enum Connected {
        /// The change is refused.
        Fail = "fail",
        /// They are disconnected.
        Disconnect = "disconnect",
        /// They stay.
        Keep = "keep",
    }
}

/// A moment in UTC, `2010-04-09T15:51:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValidTo {
    /// From 1 to 9999.
    pub year: u32,
    /// From 1.
    pub month: u32,
    /// From 1.
    pub day: u32,
    /// From 0.
    pub hour: u32,
    /// From 0.
    pub minute: u32,
    /// From 0.
    pub second: u32,
}

impl ValidTo {
    /// Seconds since the beginning of 1970, which is what QEMU takes.
    pub fn unix_seconds(self) -> i64 {
        let (year, month, day) = (i64::from(self.year), i64::from(self.month), i64::from(self.day));
        // Years begin in March here, so that a leap day is the last of its year.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let leap_days = year / 4 - year / 100 + year / 400;
        let days = 365 * year + leap_days + (153 * month + 2) / 5 + day - 719_469;
        let time = self.hour * 3600 + self.minute * 60 + self.second;
        days * 86_400 + i64::from(time)
    }

    fn days_of_month(year: u32, month: u32) -> u32 {
        match month {
            2 if is_leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    fn read(text: &str) -> Option<Self> {
        fn numbers(text: &str, separator: char) -> Option<[u32; 3]> {
            let numbers: Option<Vec<u32>> =
                text.split(separator).map(|number| number.parse().ok()).collect();
            numbers?.try_into().ok()
        }
        let (date, time) = text.split_once('T')?;
        let ([year, month, day], [hour, minute, second]) =
            (numbers(date, '-')?, numbers(time, ':')?);
        let valid = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=Self::days_of_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        valid.then_some(Self { year, month, day, hour, minute, second })
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

impl Value for ValidTo {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let expected = || BadValue::new("a moment in UTC such as 2030-12-31T23:59:59");
        Self::read(text).map(Some).ok_or_else(expected)
    }

    fn write(&self, out: &mut String) {
        let Self { year, month, day, hour, minute, second } = self;
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
            .expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_printed_with_all_its_digits_and_counts_from_1970() {
        let moment = ValidTo::parse("2010-4-9T15:51:00").unwrap().unwrap();
        assert_eq!(moment.to_text(), "2010-04-09T15:51:00");
        assert_eq!(moment.unix_seconds(), 1_270_828_260);
        let seconds = |text| ValidTo::parse(text).unwrap().unwrap().unix_seconds();
        assert_eq!(seconds("1970-01-01T00:00:00"), 0);
        assert_eq!(seconds("2000-02-29T12:00:00"), 951_825_600);
    }

    #[test]
    fn a_day_that_no_calendar_has_is_refused() {
        assert!(ValidTo::parse("2023-02-29T00:00:00").is_err());
        assert!(ValidTo::parse("2023-02-28").is_err());
    }
}
