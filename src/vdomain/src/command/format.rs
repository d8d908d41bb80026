//! `format`: print what `define` would store.

use qemu::Mode;

use crate::arguments::Format;
use crate::document::Document;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::world::World;

pub(super) fn run(
    arguments: &Format,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let world = World::elsewhere(environment, &arguments.elsewhere)?;
    let completed = Document::read(&arguments.file)?.complete(
        &world,
        mode(arguments.reload),
        &arguments.reading,
    )?;
    completed.say(output);
    output.text(&conf::print(&completed.domain))?;
    Ok(Exit::Done)
}

/// What a document is read for.
pub(super) fn mode(reload: bool) -> Mode {
    if reload { Mode::Reload } else { Mode::Define }
}
