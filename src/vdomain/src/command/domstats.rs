//! `domstats`: print statistics of domains.

use guest::statistics::{Groups, Statistics, collect};
use serde_json::{Value, json};
use store::Name;
use supervisor::Last;
use sys::runtime::block_on;

use crate::arguments::Domstats;
use crate::domains::{self, Domains, Naming};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

pub(super) fn run(
    arguments: &Domstats,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let domains = Domains::read(environment)?;
    let names = if arguments.names.is_empty() {
        domains.names().to_vec()
    } else {
        let find = |word: &String| domains.find(word, Naming::Prefix);
        arguments.names.iter().map(find).collect::<Result<_, _>>()?
    };
    let groups = groups(arguments);
    let of_each = |name: &Name| of(name, groups, environment);
    let mut exit = Exit::Done;
    if !arguments.json {
        super::each::in_turn(&names, of_each, |name, statistics| match statistics {
            Ok(statistics) => output.text(&text(name, &statistics)),
            Err(failure) => {
                exit = output.failure(&failure);
                Ok(())
            }
        })?;
        return Ok(exit);
    }
    let mut json = Vec::new();
    for (name, statistics) in names.iter().zip(super::each::parallel(&names, of_each)) {
        match statistics {
            Ok(statistics) => {
                let mut all = Statistics::new();
                all.insert("name".to_owned(), name.as_str().into());
                all.extend(statistics);
                json.push(Value::Object(all));
            }
            Err(failure) => exit = output.failure(&failure),
        }
    }
    output.json(&json!(json))?;
    Ok(exit)
}

fn groups(arguments: &Domstats) -> Groups {
    let asked = Groups {
        state: arguments.state,
        cpu_total: arguments.cpu_total,
        balloon: arguments.balloon,
        vcpu: arguments.vcpu,
        interface: arguments.interface,
        block: arguments.block,
    };
    asked.or_all()
}

fn text(name: &Name, statistics: &Statistics) -> String {
    let line = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("  {name}={text}\n"),
        value => format!("  {name}={value}\n"),
    };
    let lines: String = statistics.iter().map(line).collect();
    format!("Domain: '{name}'\n{lines}\n")
}

fn of(name: &Name, groups: Groups, environment: &Environment) -> Result<Statistics, Failure> {
    let (state, reason) = super::domstate::of(name, environment)?;
    let mut statistics = Statistics::new();
    if groups.state {
        let last = || {
            let last = Last::read(&environment.directories.run_of(name).ok()?)?;
            Some(super::domstate::word(last.reason))
        };
        let reason = reason.clone().or_else(last);
        statistics.insert("state.state".to_owned(), number_of_state(&state).into());
        let number = number_of_reason(&state, reason.as_deref().unwrap_or("unknown"));
        statistics.insert("state.reason".to_owned(), number.into());
    }
    if reason.is_some() {
        let guest = Guest::connect(name, environment)?;
        statistics.extend(block_on(collect(&guest.seen(), groups))?);
    } else {
        let domain = domains::model(name, true, environment)?;
        if groups.balloon {
            let memory = domain.memory.as_ref().map_or(0, |memory| memory.size.0);
            statistics.insert("balloon.maximum".to_owned(), memory.into());
        }
        if groups.vcpu {
            let maximum = domain.vcpu.as_ref().map_or(1, |vcpu| vcpu.maximum);
            statistics.insert("vcpu.maximum".to_owned(), maximum.into());
        }
    }
    Ok(statistics)
}

/// libvirt: `virDomainState`.
fn number_of_state(state: &str) -> u32 {
    match state {
        "running" => 1,
        "paused" => 3,
        "in shutdown" => 4,
        "shut off" => 5,
        "crashed" => 6,
        "pmsuspended" => 7,
        _ => 0,
    }
}

/// libvirt: `virDomainRunningReason`, `virDomainPausedReason` and the like.
fn number_of_reason(state: &str, reason: &str) -> u32 {
    match (state, reason) {
        ("running", "booted") | ("paused", "user") | ("crashed", "panicked") => 1,
        ("shut off", "shutdown") => 1,
        ("shut off", "destroyed") => 2,
        ("shut off", "crashed") => 3,
        ("shut off", "failed") => 6,
        ("running", "unpaused") | ("paused", "io-error") => 5,
        ("paused", "watchdog") => 6,
        ("running", "wakeup") => 8,
        ("paused", "started-paused") => 11,
        _ => 0,
    }
}
