//! `dumpxml`: print the document of a domain.

use std::time::Duration;

use store::Name;
use supervisor::status::Status;
use sys::runtime::{block_on, within};
use xml::Source;

use crate::arguments::Dumpxml;
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

/// How long QEMU may take to say what it knows.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) fn run(
    arguments: &Dumpxml,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.name, environment)?;
    let live = if arguments.inactive { None } else { domains::live(&name, environment)? };
    let document = match live {
        Some(document) => running(&name, document, environment)?,
        None => String::from_utf8_lossy(&domains::stored(&name, environment)?).into_owned(),
    };
    output.text(&document)?;
    Ok(Exit::Done)
}

/// The document of a guest that runs, with what was chosen while it started. While its QEMU does not
/// answer, as much of that as is known.
fn running(name: &Name, document: String, environment: &Environment) -> Result<String, Failure> {
    let run = environment.directories.run_of(name)?;
    let Ok(guest) = Guest::connect(name, environment) else { return Ok(document) };
    let source = Source::new(run.document().display().to_string(), document).without_places();
    let (mut domain, _) =
        conf::parse_live(&source).map_err(|problems| Failure::Document { source, problems })?;
    let cid = Status::read(&run).and_then(|status| status.cid);
    let complete = guest::live::complete(&guest.qemu, guest.process, cid, &mut domain);
    // What QEMU did not say is not in it.
    let _ = block_on(within(LIMIT, complete));
    Ok(conf::print(&domain))
}
