//! The guest's clock and timers.

use conf::clock::{Basis, Offset, TickPolicy, TimerName, Track};

use super::argument::Argument;
use super::{Builder, StartTime};

/// The late value that a variable clock starts at.
const START_TIME: &str = "start-time";

/// `-rtc` and what the timers need besides.
///
/// libvirt: `qemuBuildClockCommandLine`.
pub(super) fn clock(builder: &mut Builder<'_>) {
    let Some(clock) = &builder.domain.clock else {
        builder.argument("rtc", "base=utc");
        return;
    };
    builder.part("clock", clock.origin);
    let mut rtc = Argument::new("");
    match &clock.offset {
        Offset::Utc(_) => rtc.add("base", "utc"),
        Offset::Localtime(_) => rtc.add("base", "localtime"),
        Offset::Timezone(zone) => {
            builder.environment.insert("TZ".to_owned(), zone.timezone.clone());
            rtc.add("base", "localtime")
        }
        Offset::Variable(variable) => {
            let local = variable.basis == Basis::Localtime;
            let adjustment = variable.adjustment;
            match builder.host.clock {
                Some(clock) => {
                    let offset = if local { clock.offset } else { 0 };
                    let seconds = clock.time.saturating_add(offset).saturating_add(adjustment);
                    rtc.add("base", date(seconds.max(0) as u64))
                }
                None => {
                    let late = START_TIME.to_owned();
                    builder.start_time = Some(StartTime { late, adjustment, local });
                    rtc.add("base", format!("{{{START_TIME}}}"))
                }
            }
        }
        Offset::Absolute(absolute) => rtc.add("base", date(absolute.start)),
    };
    if let Some(timer) = clock.timer(TimerName::Rtc) {
        rtc.maybe(
            "clock",
            timer.track.and_then(|track| match track {
                Track::Guest => Some("vm"),
                Track::Wall => Some("host"),
                Track::Realtime => Some("rt"),
                Track::Boot => None,
            }),
        );
        if timer.tick_policy == Some(TickPolicy::Catchup) {
            rtc.add("driftfix", "slew");
        }
    }
    builder.argument("rtc", rtc.into_text());
    for timer in clock.timers.iter().filter(|timer| timer.name == TimerName::Pit) {
        let policy = match timer.tick_policy {
            None | Some(TickPolicy::Delay) => Some("delay"),
            Some(TickPolicy::Discard) => Some("discard"),
            Some(TickPolicy::Catchup | TickPolicy::Merge) => None,
        };
        if let Some(policy) = policy {
            builder.argument("global", format!("kvm-pit.lost_tick_policy={policy}"));
        }
    }
}

/// Seconds since 1970 as `2024-02-29T12:00:00`.
fn date(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from March, so that a leap day is the last one, and in eras of 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_dates_over_leap_years_and_centuries() {
        assert_eq!(date(0), "1970-01-01T00:00:00");
        assert_eq!(date(951_826_154), "2000-02-29T12:09:14");
        assert_eq!(date(1_709_164_799), "2024-02-28T23:59:59");
        assert_eq!(date(4_107_542_400), "2100-03-01T00:00:00");
    }
}
