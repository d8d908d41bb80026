//! Work on the images of disks while their guest runs.

mod jobs;
mod limits;
mod snapshot;

use qemu::Change;
use qemu::change::block::{self, Running, Work};
use serde_json::json;
use store::Name;

use super::change::Subject;
use super::change::live::{self, Live};
use crate::arguments::{Blockresize, Changing, DiskOf, Domblkthreshold, Saying};
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

pub(super) use jobs::{blockcommit, blockcopy, blockjob, blockpull};
pub(super) use limits::blkdeviotune;
pub(super) use snapshot::snapshot_create_as;

/// Has a change of images decided on and carried out, and says so when it is.
fn change(
    word: &str,
    saying: Saying,
    environment: &Environment,
    output: &mut Output,
    work: &Work,
    done: &str,
) -> Result<Exit, Failure> {
    let changing =
        Changing { print_plan: saying.print_plan, json: saying.json, ..Changing::default() };
    let subject = Subject::new(word, environment, &changing)?;
    let exit = live::carry_out(&subject, None, output, |live, _| decided(&subject, live, work))?;
    if !saying.print_plan && !done.is_empty() {
        output.say(done);
    }
    Ok(exit)
}

fn decided(subject: &Subject<'_>, live: &Live, work: &Work) -> Result<Change, Failure> {
    let world = &subject.world;
    let capabilities = world.capabilities(&live.domain)?;
    let answers = world.look(|answers| block::questions(&live.domain, &world.host, answers));
    let guest = Guest::connect(&subject.name, subject.environment)?;
    let nodes = guest.execute("query-named-block-nodes", &json!({"flat": false}))?;
    let sizes = block::sizes(&nodes);
    let running = Running {
        live: &live.domain,
        inventory: &live.inventory,
        capabilities: &capabilities,
        host: &world.host,
        answers: &answers,
        sizes: &sizes,
    };
    Ok(work.change(&running)?)
}

/// The domain and the name of the disk that are meant.
fn named(disk: &DiskOf, environment: &Environment) -> Result<(Name, String), Failure> {
    let name = super::domain(&disk.domain.name, environment)?;
    let domain = domains::model(&name, false, environment)?;
    let pos = qemu::change::disk(&domain, &disk.disk)?;
    Ok((name, domain.devices.disks[pos].name().to_owned()))
}

pub(super) fn blockresize(
    arguments: &Blockresize,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let DiskOf { domain, disk } = &arguments.disk;
    let done = format!("Block device '{disk}' is resized");
    let (size, shrink) = (arguments.size, arguments.shrink);
    let work = Work::Resize { disk: disk.clone(), size, shrink };
    change(&domain.name, arguments.saying, environment, output, &work, &done)
}

pub(super) fn domblkthreshold(
    arguments: &Domblkthreshold,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let DiskOf { domain, disk } = &arguments.disk;
    let work = Work::Threshold { disk: disk.clone(), at: arguments.threshold };
    change(&domain.name, arguments.saying, environment, output, &work, "")
}
