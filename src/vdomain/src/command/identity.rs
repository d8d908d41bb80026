//! `domuuid`, `domname`, `domid`: one way to name a domain turned into another.

use supervisor::status::Status;

use crate::arguments::OneOf;
use crate::domains::{Domains, Naming};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn domuuid(
    one: &OneOf,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let domains = Domains::read(environment)?;
    let name = domains.find(&one.name, Naming::Prefix)?;
    let uuid = domains.uuid(&name).ok_or_else(|| {
        Failure::refused(format!("the document of domain '{name}' says no UUID"))
            .help(format!("`vdomain edit {name}` shows it"))
    })?;
    output.text(&format!("{uuid}\n"))?;
    Ok(Exit::Done)
}

pub(super) fn domname(
    one: &OneOf,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&one.name, environment)?;
    output.text(&format!("{name}\n"))?;
    Ok(Exit::Done)
}

pub(super) fn domid(
    one: &OneOf,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&one.name, environment)?;
    let (_, reason) = super::domstate::of(&name, environment)?;
    let id = match reason {
        Some(_) => Status::read(&environment.directories.run_of(&name)?)
            .and_then(|status| Some(status.qemu?.pid.to_string())),
        None => None,
    };
    output.text(&format!("{}\n", id.as_deref().unwrap_or("-")))?;
    Ok(Exit::Done)
}
