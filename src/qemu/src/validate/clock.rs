//! Timers.
//!
//! libvirt: `virDomainDefPostParseTimers`, `qemuValidateDomainDefClockTimers`.

use conf::clock::{Offset, TickPolicy, Timer, TimerName, Track};

use super::{Check, Rule, attribute};

/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

pub(super) const RULES: &[Rule] = &[
    Rule::new("timer-is-of-pc", "QEMU's PC has no such timer", kind),
    Rule::new("timer-has-such-settings", "only some timers have a frequency or a base", settings),
    Rule::new("timer-ticks-as-asked", "not every timer knows every policy", tick_policy),
    Rule::new("clock-starts-before-10000", "QEMU writes years with four digits", start),
];

fn timers<'a>(check: &Check<'a>) -> &'a [Timer] {
    check.domain.clock.as_ref().map_or(&[], |clock| &clock.timers)
}

fn kind(check: &mut Check<'_>) {
    for timer in timers(check) {
        if matches!(timer.name, TimerName::Platform | TimerName::Armvtimer) {
            let message = format!("QEMU's PC has no timer '{}'", timer.name);
            check.refuse(timer.origin, attribute("name"), message, "leave it out");
        }
    }
}

/// libvirt: `virDomainDefPostParseTimer`.
fn settings(check: &mut Check<'_>) {
    for timer in timers(check) {
        let is_tsc = timer.name == TimerName::Tsc;
        let has_base = matches!(timer.name, TimerName::Platform | TimerName::Rtc);
        let given = [
            ("frequency", timer.frequency.is_some(), is_tsc),
            ("mode", timer.mode.is_some(), is_tsc),
            ("track", timer.track.is_some(), has_base),
        ];
        for (name, _, _) in given.into_iter().filter(|(_, given, fits)| *given && !fits) {
            let message = format!("timer '{}' has no '{name}'", timer.name);
            check.refuse(timer.origin, attribute(name), message, "leave it out");
        }
    }
}

fn tick_policy(check: &mut Check<'_>) {
    for timer in timers(check) {
        if timer.name == TimerName::Rtc && timer.track == Some(Track::Boot) {
            check.refuse_value(
                timer.origin,
                "track",
                "the real-time clock cannot follow the time since boot",
                "guest, wall or realtime",
            );
        }
        let Some(policy) = timer.tick_policy else { continue };
        let allowed: &[TickPolicy] = match timer.name {
            TimerName::Rtc => &[TickPolicy::Delay, TickPolicy::Catchup],
            TimerName::Pit if check.capabilities.has("kvm-pit") => {
                &[TickPolicy::Delay, TickPolicy::Discard, TickPolicy::Catchup]
            }
            TimerName::Pit => &[TickPolicy::Delay, TickPolicy::Discard],
            TimerName::Kvmclock | TimerName::Hypervclock => &[],
            _ => continue,
        };
        if !allowed.contains(&policy) {
            let words: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            let expected =
                if words.is_empty() { "no 'tickpolicy'".to_owned() } else { words.join(" or ") };
            let message = format!("timer '{}' has no tick policy '{policy}'", timer.name);
            check.refuse_value(timer.origin, "tickpolicy", message, expected);
        }
        if timer.catchup.is_some() && policy != TickPolicy::Catchup {
            let message = "<catchup> is for tickpolicy='catchup'";
            check.refuse(timer.origin, attribute("tickpolicy"), message, "leave out <catchup>");
        }
    }
}

fn start(check: &mut Check<'_>) {
    if let Some(clock) = &check.domain.clock
        && let Offset::Absolute(absolute) = &clock.offset
        && absolute.start > LAST_SECOND
    {
        let message = format!("the clock cannot start {} seconds after 1970", absolute.start);
        check.refuse_value(clock.origin, "start", message, format!("at most {LAST_SECOND}"));
    }
}
