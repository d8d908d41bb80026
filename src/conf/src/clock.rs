//! `<clock>`: what the guest's clock shows, and its timers.

use std::num::NonZeroU64;

use base::{BadValue, Datatype, Value, YesNo, words};
use xml::{El, Origin, Reader, Xml};

/// `<clock>`.
///
/// libvirt: `virDomainClockDefParse`, `virDomainClockDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Clock::finish)]
pub struct Clock {
    /// Where it was written.
    pub origin: Origin,
    /// What it shows when the guest starts.
    #[xml(flatten, key_first)]
    pub offset: Offset,
    /// The timers, as far as they differ from QEMU's defaults.
    #[xml(child, name = "timer")]
    pub timers: Vec<Timer>,
}

impl Clock {
    /// The timer of this name: the last one, if there are several.
    pub fn timer(&self, name: TimerName) -> Option<&Timer> {
        self.timers.iter().rfind(|timer| timer.name == name)
    }

    /// A number of seconds beside `utc` or `localtime` means a variable clock.
    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        let (adjustment, basis) = match &self.offset {
            Offset::Utc(Resettable { adjustment }) => (adjustment, Basis::Utc),
            Offset::Localtime(Resettable { adjustment }) => (adjustment, Basis::Localtime),
            Offset::Variable(_) | Offset::Timezone(_) | Offset::Absolute(_) => return,
        };
        if let Some(Adjustment::Seconds(adjustment)) = *adjustment {
            self.offset = Offset::Variable(VariableOffset { adjustment, basis });
        }
    }
}

/// What the clock shows when the guest starts.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(key = "offset", default = "utc")]
pub enum Offset {
    /// UTC.
    #[xml(word = "utc")]
    Utc(Resettable),
    /// The host's time zone.
    #[xml(word = "localtime")]
    Localtime(Resettable),
    /// What the guest has set it to, as a distance from the host's clock.
    #[xml(word = "variable")]
    Variable(VariableOffset),
    /// A time zone by name.
    #[xml(word = "timezone")]
    Timezone(TimezoneOffset),
    /// The same moment at every start.
    #[xml(word = "absolute")]
    Absolute(AbsoluteOffset),
}

/// `offset='utc'` and `offset='localtime'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Resettable {
    /// Whether what the guest sets is forgotten. A number makes the clock a variable one.
    #[xml(attribute)]
    pub adjustment: Option<Adjustment>,
}

/// `adjustment` of a clock that is not variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjustment {
    /// What the guest sets is forgotten at the next start.
    Reset,
    /// So many seconds off.
    Seconds(i64),
}

impl Value for Adjustment {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        if text == "reset" {
            return Ok(Some(Self::Reset));
        }
        i64::parse(text)
            .map(|seconds| seconds.map(Self::Seconds))
            .map_err(|_| BadValue::new("'reset' or a number of seconds"))
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Reset => out.push_str("reset"),
            Self::Seconds(seconds) => seconds.write(out),
        }
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("reset|[+\\-]?[0-9]+")
    }
}

words! {
    /// What a variable clock is measured from.
    pub enum Basis {
        /// UTC.
        Utc = "utc",
        /// The host's time zone.
        Localtime = "localtime",
    }
}

/// `offset='variable'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct VariableOffset {
    /// The distance from `basis` in seconds.
    #[xml(attribute)]
    pub adjustment: i64,
    /// What it is measured from.
    #[xml(attribute)]
    pub basis: Basis,
}

/// `offset='timezone'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct TimezoneOffset {
    /// A name such as `Europe/Paris`.
    #[xml(attribute, required)]
    pub timezone: String,
}

/// `offset='absolute'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct AbsoluteOffset {
    /// Seconds since 1970.
    #[xml(attribute, required)]
    pub start: u64,
}

words! {
    /// A timer of the guest.
    ///
    /// libvirt: `virDomainTimerNameType`.
    pub enum TimerName {
        /// Whatever the hypervisor has; only Xen.
        Platform = "platform",
        /// The interval timer of a PC.
        Pit = "pit",
        /// The real-time clock.
        Rtc = "rtc",
        /// The high precision event timer.
        Hpet = "hpet",
        /// The time stamp counter.
        Tsc = "tsc",
        /// KVM's clock.
        Kvmclock = "kvmclock",
        /// Hyper-V's reference time.
        Hypervclock = "hypervclock",
        /// The virtual timer of Arm.
        Armvtimer = "armvtimer",
    }
}

words! {
    /// What happens to ticks that the guest missed.
    pub enum TickPolicy {
        /// They come late, at the normal rate.
        Delay = "delay",
        /// They come faster than normal until the guest has caught up.
        Catchup = "catchup",
        /// Several become one.
        Merge = "merge",
        /// They are lost.
        Discard = "discard",
    }
}

words! {
    /// What a timer follows.
    pub enum Track {
        /// Time since the guest started.
        Boot = "boot",
        /// Time while the guest ran.
        Guest = "guest",
        /// The host's clock.
        Wall = "wall",
        /// The host's clock, without its jumps.
        Realtime = "realtime",
    }
}

words! {
    /// How the guest reads the time stamp counter.
    pub enum TscMode {
        /// As the hypervisor likes.
        Auto = "auto",
        /// Directly.
        Native = "native",
        /// Through the hypervisor.
        Emulate = "emulate",
        /// With the guest's help.
        Paravirt = "paravirt",
        /// Through the hypervisor, in step on all processors.
        Smpsafe = "smpsafe",
    }
}

/// `<timer>`.
///
/// libvirt: `virDomainTimerDefParseXML`, `virDomainTimerDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Timer {
    /// Where it was written.
    pub origin: Origin,
    /// Which timer.
    #[xml(attribute, required)]
    pub name: TimerName,
    /// Whether the guest has it. Absent: as the machine has it.
    #[xml(attribute)]
    pub present: Option<YesNo>,
    /// What happens to ticks that the guest missed. Absent: QEMU's choice.
    #[xml(attribute, name = "tickpolicy")]
    pub tick_policy: Option<TickPolicy>,
    /// What it follows; only `platform` and `rtc`.
    #[xml(attribute)]
    pub track: Option<Track>,
    /// Ticks a second; only `tsc`.
    #[xml(attribute)]
    pub frequency: Option<NonZeroU64>,
    /// How the guest reads it; only `tsc`.
    #[xml(attribute)]
    pub mode: Option<TscMode>,
    /// The bounds of catching up.
    #[xml(child)]
    pub catchup: Option<Catchup>,
}

/// `<catchup>`, which QEMU has no use for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Catchup {
    /// How far behind it must be, in nanoseconds.
    #[xml(attribute)]
    pub threshold: Option<NonZeroU64>,
    /// How fast it catches up, in parts of a million.
    #[xml(attribute)]
    pub slew: Option<NonZeroU64>,
    /// How far behind it gives up, in nanoseconds.
    #[xml(attribute)]
    pub limit: Option<NonZeroU64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    #[test]
    fn seconds_beside_utc_make_the_clock_variable() {
        let reprint = |text| reprint::<Clock>("clock", text).unwrap();
        assert_eq!(
            reprint("<clock offset='localtime' adjustment='-7'/>"),
            "<clock offset='variable' adjustment='-7' basis='localtime'/>\n"
        );
        assert_eq!(
            reprint("<clock adjustment='reset'/>"),
            "<clock offset='utc' adjustment='reset'/>\n"
        );
    }
}
