//! `list`: list domains.

use serde_json::{Value, json};
use store::{Definitions, Name};
use supervisor::status::Status;

use crate::arguments::List;
use crate::domains::Domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, table};

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
    let mut rows = Vec::new();
    for name in domains.names() {
        let (state, reason) = super::domstate::of(name, environment)?;
        let persistent = definitions.path(name).exists();
        let by_start = match (arguments.autostart, arguments.no_autostart) {
            (true, _) => autostart.is_enabled(name),
            (_, true) => !autostart.is_enabled(name),
            _ => true,
        };
        if by_start && is_wanted(arguments, reason.is_some(), persistent) {
            let run = environment.directories.run_of(name)?;
            let id = reason.and_then(|_| Some(Status::read(&run)?.qemu?.pid));
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
    Ok(Exit::Done)
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
