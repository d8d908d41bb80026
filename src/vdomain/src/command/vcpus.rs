//! `setvcpus`, `setvcpu`: which processors a guest has.

use guest::agent;
use qemu::change::vcpus::{self, Guest, Processors};
use serde_json::Value;
use sys::runtime::block_on;

use super::change::Subject;
use super::change::live::Live;
use crate::arguments::{Changing, Setvcpu, Setvcpus};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running;

pub(super) fn setvcpus(
    arguments: &Setvcpus,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let Setvcpus { domain, count, maximum, guest, hotpluggable, changing } = arguments;
    if *guest {
        let name = super::domain(&domain.name, environment)?;
        let guest = running::Guest::connect(&name, environment)?;
        let there = guest.domain.vcpu.as_ref().map_or(1, conf::vcpu::Vcpu::online);
        block_on(agent::use_processors(&mut guest.agent()?, *count, there))?;
        return Ok(Exit::Done);
    }
    if *maximum {
        let subject = Subject::new(&domain.name, environment, changing)?;
        let stored = |domain: &conf::Domain| Ok(vcpus::with_maximum(domain, *count));
        return subject.edit(output, no_maximum, stored);
    }
    set(&Processors::Count(*count), *hotpluggable, &domain.name, changing, environment, output)
}

pub(super) fn setvcpu(
    arguments: &Setvcpu,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let Setvcpu { domain, numbers, enable, changing, .. } = arguments;
    let wanted = match enable {
        true => Processors::With(numbers.0.clone()),
        false => Processors::Without(numbers.0.clone()),
    };
    set(&wanted, true, &domain.name, changing, environment, output)
}

fn no_maximum(_: &Live) -> Result<qemu::Change, Failure> {
    Err(Failure::refused("the most processors that a guest can have do not change while it runs"))
}

fn set(
    wanted: &Processors,
    hotpluggable: bool,
    word: &str,
    changing: &Changing,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let subject = Subject::new(word, environment, changing)?;
    let stored = |domain: &conf::Domain| wanted.set(domain, hotpluggable);
    subject.edit_in_turn(output, |guest| changes(&subject, wanted, guest), stored)
}

fn changes(
    subject: &Subject<'_>,
    wanted: &Processors,
    live: &Live,
) -> Result<Vec<qemu::Change>, Failure> {
    let world = &subject.world;
    let capabilities = world.capabilities(&live.domain)?;
    let guest = running::Guest::connect(&subject.name, subject.environment)?;
    let places = guest.execute("query-hotpluggable-cpus", &Value::Null)?;
    let Live { domain, inventory } = live;
    let guest = Guest { live: domain, inventory, places: &places };
    Ok(wanted.changes(guest, &capabilities, &world.host)?)
}
