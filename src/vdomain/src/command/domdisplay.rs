//! `domdisplay`, `vncdisplay`: print where a guest's display can be seen.

use guest::display::{Display, displays};
use serde_json::json;
use sys::runtime::block_on;

use crate::arguments::{Domdisplay, OneOf};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

pub(super) fn run(
    arguments: &Domdisplay,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let guest = Guest::connect(&name, environment)?;
    let mut found = block_on(displays(&guest.qemu))?;
    if let Some(kind) = &arguments.kind {
        found.retain(|display| display.kind == kind);
    }
    if arguments.json {
        let json = |Display { kind, uri }: &Display| json!({ "type": kind, "uri": uri });
        output.json(&found.iter().map(json).collect())?;
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        return Err(Failure::refused(format!("domain '{name}' has no display to connect to"))
            .help("add <graphics type='vnc' autoport='yes'/> to its devices and start it again"));
    }
    let shown = if arguments.all { &found[..] } else { &found[..1] };
    output.text(&shown.iter().map(|display| format!("{}\n", display.uri)).collect::<String>())?;
    Ok(Exit::Done)
}

/// `vncdisplay`: print the address of a guest's VNC display as VNC's own tools take it.
pub(super) fn vncdisplay(
    one: &OneOf,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&one.name, environment)?;
    let guest = Guest::connect(&name, environment)?;
    let found = block_on(displays(&guest.qemu))?;
    let address = found.iter().find_map(|display| display.uri.strip_prefix("vnc://"));
    let address = address.ok_or_else(|| {
        Failure::refused(format!("domain '{name}' has no VNC display with a port"))
    })?;
    output.text(&format!("{address}\n"))?;
    Ok(Exit::Done)
}
