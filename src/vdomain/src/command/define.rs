//! `define`: store a domain.

use conf::Domain;
use qemu::Mode;
use store::{Change, Definitions, Name};

use crate::arguments::{Define, Reading};
use crate::document::{Completed, Document};
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::world::World;

pub(super) fn run(
    arguments: &Define,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut document = Document::read(&arguments.file)?;
    let name = Name::new(document.domain.name.clone())?;
    environment.directories.run_of(&name)?;
    let definitions = Definitions::new(&environment.directories.definitions);
    let _lock = definitions.lock()?;
    if let Some(old) = stored(&definitions, &name)? {
        qemu::complete::keep_identity(&mut document.domain, &old);
    }
    refuse_taken_uuid(&document.domain, &name, &definitions)?;
    let world = World::here(environment);
    let mut completed = document.complete(&world, Mode::Define, &arguments.reading)?;
    completed.say(output);
    if let Some(wanted) = arguments.spare_ports {
        completed = with_ports(completed, wanted, &world, &arguments.reading)?;
    }
    let done = match definitions.write(&name, &conf::print(&completed.domain))? {
        Change::Created => "created",
        Change::Changed => "changed",
        Change::Unchanged => "unchanged",
    };
    output.text(&format!("Domain '{name}' {done} from {}\n", arguments.file.display()))?;
    Ok(Exit::Done)
}

/// The same with so many root ports that nothing is plugged into.
fn with_ports(
    completed: Completed,
    wanted: u8,
    world: &World,
    reading: &Reading,
) -> Result<Completed, Failure> {
    let Completed { source, domain, .. } = completed;
    let mut domain = domain.into_domain();
    qemu::address::spare_ports::add(&mut domain, wanted.into());
    Document { source, domain, problems: Vec::new() }.complete(world, Mode::Define, reading)
}

/// What is stored under a name, if it can be read: a damaged definition can be replaced.
fn stored(definitions: &Definitions, name: &Name) -> Result<Option<Domain>, Failure> {
    let Some(bytes) = definitions.read(name)? else { return Ok(None) };
    let path = definitions.path(name).display().to_string();
    Ok(Document::from_bytes(&path, bytes).ok().map(|document| document.domain))
}

fn refuse_taken_uuid(
    domain: &Domain,
    name: &Name,
    definitions: &Definitions,
) -> Result<(), Failure> {
    let Some(uuid) = domain.uuid else { return Ok(()) };
    for other in definitions.list()?.iter().filter(|other| *other != name) {
        if stored(definitions, other)?.is_some_and(|domain| domain.uuid == Some(uuid)) {
            return Err(Failure::refused(format!("domain '{other}' has the UUID {uuid} already"))
                .help("leave <uuid> out to get a new one, or undefine the other domain"));
        }
    }
    Ok(())
}

/// Reads and completes the stored document of a domain.
pub(super) fn load(
    name: &Name,
    environment: &Environment,
    world: &World,
    reading: &Reading,
) -> Result<Completed, Failure> {
    let path = Definitions::new(&environment.directories.definitions).path(name);
    let bytes = domains::stored(name, environment)?;
    Document::from_bytes(&path.display().to_string(), bytes)?.complete(world, Mode::Reload, reading)
}
