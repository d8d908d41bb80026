//! `domrename`: give a domain another name.

use store::{Definitions, Name};

use crate::arguments::Rename;
use crate::document::Document;
use crate::domains::{self, Domains};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(
    arguments: &Rename,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let new = Name::new(arguments.new_name.clone())?;
    environment.directories.run_of(&new)?;
    let definitions = Definitions::new(&environment.directories.definitions);
    let _lock = definitions.lock()?;
    let old = super::domain(&arguments.domain.name, environment)?;
    if super::domstate::of(&old, environment)?.1.is_some() {
        return Err(Failure::state(format!("domain '{old}' is running"))
            .help("shut it down first: what runs keeps its name"));
    }
    if Domains::read(environment)?.names().contains(&new) {
        return Err(Failure::refused(format!("there is a domain '{new}' already")));
    }
    let path = definitions.path(&old).display().to_string();
    let mut document = Document::from_bytes(&path, domains::stored(&old, environment)?)?;
    document.domain.name = new.to_string();
    let autostart = super::autostart::of(environment);
    if autostart.disable(&old)? {
        autostart.enable(&new, &super::autostart::unit(environment)?)?;
    }
    // In this order a crash in between leaves both, and no domain is ever lost.
    definitions.write(&new, &conf::print(&document.domain))?;
    definitions.remove(&old)?;
    output.say("Domain successfully renamed");
    Ok(Exit::Done)
}
