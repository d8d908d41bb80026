//! `setmem`, `setmaxmem`, `update-memory-device`: how much memory a guest has.

use base::size::Unit;
use conf::Domain;
use conf::memory::Kibibytes;
use qemu::Change;
use qemu::change::memory::{self, Requested};
use xml::Problem;

use super::block::{bytes, refused};
use super::change::live::{self, Live};
use super::change::{Subject, config};
use crate::arguments::{Setmem, UpdateMemoryDevice};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn setmem(
    arguments: &Setmem,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let size = size(&arguments.size)?;
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    let balloon =
        |live: &Live| memory::balloon(&live.domain, &live.inventory, size).map_err(refused);
    change(&subject, output, balloon, |domain| memory::with_current(domain, size))
}

pub(super) fn setmaxmem(
    arguments: &Setmem,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let size = size(&arguments.size)?;
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    let refuse = |_: &Live| {
        Err(Failure::refused("the most memory that a guest can have does not change while it runs")
            .help("--config changes the stored document"))
    };
    change(&subject, output, refuse, |domain| memory::with_maximum(domain, size))
}

pub(super) fn update_memory_device(
    arguments: &UpdateMemoryDevice,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let requested = Requested {
        alias: arguments.alias.clone(),
        node: arguments.node,
        size: size(&arguments.requested_size)?,
    };
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    let world = &subject.world;
    let request = |live: &Live| {
        let capabilities = world.capabilities(&live.domain)?;
        let change = requested.change(&live.domain, &live.inventory, &capabilities, &world.host);
        change.map_err(refused)
    };
    let exit = change(&subject, output, request, |domain| {
        requested.set(domain).map(|(domain, _)| domain)
    })?;
    if !arguments.changing.print_plan {
        output.say("Memory device updated successfully");
    }
    Ok(exit)
}

/// Changes the guest, the stored document, or both: nothing is stored unless the guest has taken it.
fn change(
    subject: &Subject<'_>,
    output: &mut Output,
    live: impl Fn(&Live) -> Result<Change, Failure>,
    stored: impl Fn(&Domain) -> Result<Domain, Vec<Problem>>,
) -> Result<Exit, Failure> {
    let (is_live, is_config) = subject.affects()?;
    let document = match is_config {
        true => Some(config::Stored::edit(subject, |domain| {
            *domain = stored(domain).map_err(refused)?;
            Ok(())
        })?),
        false => None,
    };
    if is_live {
        live::carry_out(subject, None, output, |guest, _| live(guest))?;
    }
    document.map_or(Ok(()), config::Stored::write)?;
    Ok(Exit::Done)
}

fn size(text: &str) -> Result<Kibibytes, Failure> {
    Ok(Kibibytes(Unit::KIB.round_up(bytes(text, Unit::KIB)?)))
}
