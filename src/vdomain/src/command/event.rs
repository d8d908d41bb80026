//! `event`, `qemu-monitor-event`: say what happens to guests.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use conf::Domain;
use guest::event::{self, DomainEvent, Translator};
use qemu::plan::Inventory;
use qmp::{Event, Notice};
use serde_json::{Value, json};
use store::{Name, RunDirectory};
use supervisor::change::Record;
use sys::runtime::{self, Receiver, Sender, block_on};

use crate::arguments::EventArguments;
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

/// How often to look for guests that were started meanwhile.
const NEW_GUESTS: Duration = Duration::from_millis(500);

/// Something to be said.
enum Said {
    /// Something that happened to a guest, in libvirt's words.
    Domain(Name, DomainEvent),
    /// Something that QEMU said.
    Qemu(Name, std::sync::Arc<Event>),
    /// So many were missed.
    Missed(Name, u64),
    /// A guest is gone.
    Gone(Name),
}

/// Which events are wanted.
struct Wanted<'a> {
    names: &'a [String],
    /// QEMU's own, also those that nobody has named.
    raw: bool,
}

impl Wanted<'_> {
    /// Whether an event of libvirt's is; capitals are QEMU's.
    fn domain(&self, name: &str) -> bool {
        if self.names.is_empty() { !self.raw } else { self.names.iter().any(|own| own == name) }
    }

    fn qemu(&self, name: &str) -> bool {
        if self.names.is_empty() { self.raw } else { self.names.iter().any(|own| own == name) }
    }
}

pub(super) fn run(
    arguments: &EventArguments,
    raw: bool,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if arguments.list {
        let names = event::NAMES.iter().map(|name| format!("{name}\n"));
        output.text(&names.collect::<String>())?;
        return Ok(Exit::Done);
    }
    let wanted = Wanted { names: &arguments.events, raw: raw || arguments.qmp };
    refuse_unknown(&wanted)?;
    let deadline = arguments
        .timeout
        .map(|seconds| Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    let (sender, said) = runtime::bounded(1024);
    let mut watched = BTreeSet::new();
    if let Some(word) = &arguments.domain {
        let name = super::domain_to_read(word, environment)?;
        watch(Guest::connect(&name, environment)?, &sender, environment);
        watched.insert(name);
    } else {
        for name in running(environment)? {
            // It may have ended since it was listed.
            if let Ok(guest) = Guest::connect(&name, environment) {
                watch(guest, &sender, environment);
                watched.insert(name);
            }
        }
    }
    let mut count = 0_u64;
    loop {
        match next(&said, deadline) {
            Next::TimedOut => break,
            Next::Nothing if arguments.domain.is_none() => {
                for name in running(environment)? {
                    if watched.contains(&name) {
                        continue;
                    }
                    let Ok(guest) = Guest::connect(&name, environment) else { continue };
                    watch(guest, &sender, environment);
                    watched.insert(name.clone());
                    let started = Said::Domain(name, event::started());
                    count += u64::from(say(&started, &wanted, arguments, output)?);
                }
            }
            Next::Nothing => {}
            Next::Said(one) => {
                count += u64::from(say(&one, &wanted, arguments, output)?);
                if let Said::Gone(name) = &one {
                    watched.remove(name);
                    if arguments.domain.is_some() {
                        break;
                    }
                }
            }
        }
        if count > 0 && !arguments.loops {
            break;
        }
    }
    if !arguments.json && std::io::stderr().is_terminal() || count == 0 {
        output.say(format_args!("events received: {count}"));
    }
    let timed_out = count == 0 && deadline.is_some();
    Ok(if timed_out && !arguments.loops { Exit::TimedOut } else { Exit::Done })
}

/// A name that nothing has would be waited for in vain.
fn refuse_unknown(wanted: &Wanted<'_>) -> Result<(), Failure> {
    let is_qemu =
        |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || "_0123456789".contains(c));
    let unknown = |name: &&String| !is_qemu(name) && !event::NAMES.contains(&name.as_str());
    match wanted.names.iter().find(unknown) {
        None => Ok(()),
        Some(name) => {
            let near = base::words::nearest(event::NAMES.iter().copied(), name);
            let help = near.map_or("`vdomain event --list` lists them".to_owned(), |near| {
                format!("did you mean '{near}'?")
            });
            Err(Failure::usage(format!("there is no event '{name}'")).help(help))
        }
    }
}

fn running(environment: &Environment) -> Result<Vec<Name>, Failure> {
    Ok(RunDirectory::list(&environment.directories.run)?)
}

/// Passes on what happens to a guest, until it is gone. A supervisor that is killed meanwhile takes
/// the connection with it and not the guest.
fn watch(mut guest: Guest, said: &Sender<Said>, environment: &Environment) {
    let (said, environment) = (said.clone(), environment.clone());
    thread::spawn(move || {
        let mut translator = Translator::default();
        loop {
            if !block_on(pass_on(&mut guest, &mut translator, &said, &environment)) {
                return;
            }
            match Guest::connect(&guest.name, &environment) {
                Ok(again) => guest = again,
                Err(_) => break,
            }
        }
        let name = guest.name;
        // Nobody listens any more when the program ends.
        let _ = block_on(said.send(Said::Domain(name.clone(), translator.end())));
        let _ = block_on(said.send(Said::Gone(name)));
    });
}

/// Passes on what happens to a guest while the connection lasts; `false` if nobody listens any more.
async fn pass_on(
    guest: &mut Guest,
    translator: &mut Translator,
    said: &Sender<Said>,
    environment: &Environment,
) -> bool {
    let Guest { name, domain, events, .. } = guest;
    while let Some(notice) = events.next().await {
        let mut happened = Vec::new();
        match notice {
            Notice::Missed(count) => happened.push(Said::Missed(name.clone(), count)),
            Notice::Event(event) => {
                let inventory = match event.name == event::NAMES_NODE {
                    true => looked_again(name, domain, environment).unwrap_or_default(),
                    false => Inventory::default(),
                };
                let named = translator.take(&event, domain, &inventory).into_iter();
                happened.extend(named.map(|event| Said::Domain(name.clone(), event)));
                happened.push(Said::Qemu(name.clone(), event));
            }
        }
        for one in happened {
            if said.send(one).await.is_err() {
                return false;
            }
        }
    }
    true
}

/// What a guest's QEMU has now; its document becomes the one of now, too.
fn looked_again(name: &Name, domain: &mut Domain, environment: &Environment) -> Option<Inventory> {
    let run = environment.directories.run_of(name).ok()?;
    *domain = domains::model(name, false, environment).ok()?;
    Some(Record::read(&run)?.inventory)
}

enum Next {
    Said(Said),
    Nothing,
    TimedOut,
}

fn next(said: &Receiver<Said>, deadline: Option<Instant>) -> Next {
    let look = Instant::now() + NEW_GUESTS;
    let until = deadline.map_or(look, |deadline| deadline.min(look));
    match block_on(runtime::until(until, said.recv())) {
        Some(Ok(one)) => Next::Said(one),
        _ if deadline.is_some_and(|deadline| Instant::now() >= deadline) => Next::TimedOut,
        _ => Next::Nothing,
    }
}

/// Says it, if it is wanted; whether it was.
fn say(
    said: &Said,
    wanted: &Wanted<'_>,
    arguments: &EventArguments,
    output: &mut Output,
) -> Result<bool, Failure> {
    let now = now();
    let (text, json) = match said {
        Said::Domain(name, event) if wanted.domain(event.name) => {
            let json = json!({
                "domain": name.as_str(), "event": event.name, "detail": event.detail,
                "timestamp": now,
            });
            (event.line(name.as_str()), json)
        }
        Said::Qemu(name, event) if wanted.qemu(&event.name) => {
            let when = event.timestamp.map_or(now, |at| {
                // A sum would have digits behind the last.
                format!("{}.{:06}", at.seconds, at.microseconds).parse().unwrap_or(now)
            });
            let data = Value::Object(event.data.clone());
            let json = json!({
                "domain": name.as_str(), "event": event.name, "data": data, "timestamp": when,
            });
            (format!("event {} at {when:.6} for domain '{name}': {data}", event.name), json)
        }
        Said::Missed(name, count) => {
            output.say(format_args!("{count} events of domain '{name}' were missed"));
            return Ok(false);
        }
        _ => return Ok(false),
    };
    if arguments.json {
        output.text(&format!("{json}\n"))?;
    } else if arguments.timestamp {
        output.text(&format!("{now:.3}: {text}\n"))?;
    } else {
        output.text(&format!("{text}\n"))?;
    }
    Ok(true)
}

/// Seconds since 1970.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0.0, |time| time.as_secs_f64())
}
