//! `list`: list domains.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use store::{Definitions, Name, RunDirectory};
use supervisor::status::Status;

use crate::arguments::List;
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
    let defined: BTreeSet<Name> =
        Definitions::new(&environment.directories.definitions).list()?.into_iter().collect();
    let mut names = defined.clone();
    names.extend(RunDirectory::list(&environment.directories.run)?);
    let mut rows = Vec::new();
    for name in names {
        let (state, reason) = super::domstate::of(&name, environment)?;
        let persistent = defined.contains(&name);
        if reason.is_some() || (arguments.all && persistent) {
            let run = environment.directories.run_of(&name)?;
            let id = reason.and_then(|_| Some(Status::read(&run)?.qemu?.pid));
            rows.push(Row { name, id, state, persistent });
        }
    }
    // Running ones first, as virsh lists them.
    rows.sort_by_key(|row| row.id.is_none());
    output.text(&if arguments.json {
        format!("{:#}\n", rows.iter().map(json).collect::<Value>())
    } else if arguments.name {
        rows.iter().map(|row| format!("{}\n", row.name)).collect()
    } else {
        table(["Id", "Name", "State"], &rows.iter().map(cells).collect::<Vec<_>>())
    })?;
    Ok(Exit::Done)
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
