//! Measures `vdomain` beside its peers, in alternation in one run: `cargo bench`.
//!
//! Words after `--` choose what is measured (`start`, `control`, `document`), or `kvm` for guests of that type.
//! Nothing here passes or fails: the numbers are for people, on a machine that does nothing else.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]
#![allow(clippy::print_stdout, reason = "a benchmark speaks to the person who runs it")]

mod control;
mod document;
mod peers;
mod start;

use std::time::Duration;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let kind = if words.iter().any(|word| word == "kvm") { "kvm" } else { "qemu" };
    let chosen = |part: &str| {
        words.iter().all(|word| word == "kvm") || words.iter().any(|word| word == part)
    };
    if chosen("start") {
        start::measure(kind);
    }
    if chosen("control") {
        control::measure(kind);
    }
    if chosen("document") {
        document::measure();
    }
}

/// What a peer took, in every round.
#[derive(Debug)]
struct Times {
    peer: &'static str,
    times: Vec<Duration>,
}

impl Times {
    fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[times.len() / 2]
    }

    fn least(&self) -> Duration {
        self.times.iter().copied().min().unwrap()
    }
}

/// Prints what peers took, and how often the first one's time that is.
fn compare(what: &str, all: &[Times]) {
    println!("\n{what}, {} rounds", all[0].times.len());
    println!("{:<24} {:>12} {:>12} {:>8}", "", "median", "least", "ratio");
    let first = all[0].median().as_secs_f64();
    for times in all {
        let [median, least] = [times.median(), times.least()].map(|time| format!("{time:.1?}"));
        let ratio = times.median().as_secs_f64() / first;
        println!("{:<24} {median:>12} {least:>12} {ratio:>8.2}", times.peer);
    }
}
