//! `setmem`, `setmaxmem`, `update-memory-device`: how much memory a guest has.

use base::size::Unit;
use conf::Domain;
use conf::memory::Kibibytes;
use qemu::change::memory::{self, Requested};

use super::change::Subject;
use super::change::live::Live;
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
    let size = size(arguments.size);
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    let balloon = |live: &Live| Ok(memory::balloon(&live.domain, &live.inventory, size)?);
    subject.edit(output, balloon, |domain| memory::with_current(domain, size))
}

pub(super) fn setmaxmem(
    arguments: &Setmem,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let size = size(arguments.size);
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    let refuse = |_: &Live| {
        Err(Failure::refused("the most memory that a guest can have does not change while it runs")
            .help("--config changes the stored document"))
    };
    subject.edit(output, refuse, |domain| memory::with_maximum(domain, size))
}

pub(super) fn update_memory_device(
    arguments: &UpdateMemoryDevice,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let requested = Requested {
        alias: arguments.alias.clone(),
        node: arguments.node,
        size: size(arguments.requested_size),
    };
    let subject = Subject::new(&arguments.domain.name, environment, &arguments.changing)?;
    let world = &subject.world;
    let request = |live: &Live| {
        let capabilities = world.capabilities(&live.domain)?;
        Ok(requested.change(&live.domain, &live.inventory, &capabilities, &world.host)?)
    };
    let stored = |domain: &Domain| requested.set(domain).map(|(domain, _)| domain);
    let exit = subject.edit(output, request, stored)?;
    if !arguments.changing.print_plan {
        output.say("Memory device updated successfully");
    }
    Ok(exit)
}

/// libvirt counts in KiB, and rounds up.
fn size(bytes: u64) -> Kibibytes {
    Kibibytes(Unit::KIB.round_up(bytes))
}
