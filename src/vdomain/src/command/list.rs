//! `list`: list domains.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use store::{Definitions, Name, RunDirectory};
use supervisor::GuestState;
use supervisor::status::Status;

use crate::arguments::List;
use crate::domains::Domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, table};

/// A state and why a guest is in it, if it runs; or why that is not known.
type State = Result<(String, Option<String>), Failure>;

/// One domain of the list.
struct Row {
    name: Name,
    /// QEMU's process number, if it runs.
    id: Option<u32>,
    state: String,
    persistent: bool,
}

pub(super) fn run(
    arguments: &List,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let domains = Domains::read(environment)?;
    let definitions = Definitions::new(&environment.directories.definitions);
    let autostart = super::autostart::of(environment);
    let mut exit = Exit::Done;
    let mut states = states(environment)?;
    let mut rows = Vec::new();
    for name in domains.names() {
        let (state, runs) = match states.remove(name) {
            None => (GuestState::ShutOff.to_string(), false),
            Some(Ok((state, reason))) => (state, reason.is_some()),
            Some(Err(failure)) => {
                exit = output.failure(&failure);
                ("no state".to_owned(), true)
            }
        };
        let persistent = definitions.path(name).exists();
        let by_start = match (arguments.autostart, arguments.no_autostart) {
            (true, _) => autostart.is_enabled(name),
            (_, true) => !autostart.is_enabled(name),
            _ => true,
        };
        if by_start && is_wanted(arguments, runs, persistent) {
            let run = environment.directories.run_of(name)?;
            let id = if runs { Status::read(&run).and_then(|status| status.qemu) } else { None };
            let id = id.map(|qemu| qemu.pid);
            rows.push(Row { name: name.clone(), id, state, persistent });
        }
    }
    // Running ones first, as virsh lists them.
    rows.sort_by_key(|row| row.id.is_none());
    output.text(&if arguments.json {
        format!("{:#}\n", rows.iter().map(json).collect::<Value>())
    } else if arguments.name {
        rows.iter().map(|row| format!("{}\n", row.name)).collect()
    } else if arguments.uuid {
        rows.iter().filter_map(|row| Some(format!("{}\n", domains.uuid(&row.name)?))).collect()
    } else {
        table(["Id", "Name", "State"], &rows.iter().map(cells).collect::<Vec<_>>())
    })?;
    Ok(exit)
}

/// The state of each guest that runs, and why it is in it. All are asked at once: one that does not
/// answer holds up no other.
fn states(environment: &Environment) -> Result<BTreeMap<Name, State>, Failure> {
    let running = RunDirectory::list(&environment.directories.run)?;
    let states = super::each::parallel(&running, |name| super::domstate::of(name, environment));
    Ok(running.into_iter().zip(states).collect())
}

/// Whether a domain is one of those that are asked for.
fn is_wanted(arguments: &List, runs: bool, persistent: bool) -> bool {
    let by_state = if runs { !arguments.inactive } else { arguments.all || arguments.inactive };
    let by_definition = if persistent { !arguments.transient } else { !arguments.persistent };
    // One that ended just now and was never defined is not a domain any more.
    by_state && by_definition && (runs || persistent)
}

fn json(row: &Row) -> Value {
    json!({
        "name": row.name.as_str(),
        "id": row.id,
        "state": row.state,
        "persistent": row.persistent,
    })
}

fn cells(row: &Row) -> [String; 3] {
    let id = row.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    [id, row.name.to_string(), row.state.clone()]
}
