//! `undefine`: forget a domain.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base::Value;
use conf::Domain;
use store::Definitions;
use supervisor::Last;

use crate::arguments::Undefine;
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(
    arguments: &Undefine,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain(&arguments.name, environment)?;
    let definitions = Definitions::new(&environment.directories.definitions);
    let _lock = definitions.lock()?;
    let run = environment.directories.run_of(&name)?;
    // A definition that cannot be read any more names nothing.
    let domain = domains::model(&name, true, environment).ok();
    let nvram = domain.as_ref().and_then(variables).filter(|path| path.exists());
    let tpm = domain.as_ref().and_then(|domain| tpm_state(domain, environment));
    let tpm = tpm.filter(|path| path.exists());
    if let Some(path) = &nvram
        && !arguments.nvram
        && !arguments.keep_nvram
    {
        let path = path.display();
        return Err(Failure::state(format!(
            "domain '{name}' has its firmware's variables in '{path}': say --nvram to remove them, or \
             --keep-nvram"
        )));
    }
    if (arguments.nvram || arguments.tpm) && run.path().exists() {
        return Err(Failure::state(format!(
            "domain '{name}' runs: what it uses can be removed when it has ended"
        )));
    }
    if !definitions.remove(&name)? {
        return Err(Failure::state(format!("domain '{name}' runs, but is not defined")));
    }
    if let Err(error) = Last::forget(&run) {
        output.say(format_args!("warning: cannot forget how it ended: {}", sys::reason(&error)));
    }
    super::autostart::of(environment).disable(&name)?;
    if let Some(path) = nvram.filter(|_| arguments.nvram) {
        removed(&path, fs::remove_file(&path))?;
    }
    match tpm {
        Some(path) if arguments.tpm => removed(&path, fs::remove_dir_all(&path))?,
        Some(path) if !arguments.keep_tpm => {
            output.say(format_args!("The state of its TPM is kept in '{}'", path.display()));
        }
        _ => {}
    }
    output.text(&format!("Domain '{name}' has been undefined\n"))?;
    Ok(Exit::Done)
}

/// Where the variables of a guest's firmware are, if they are in a file.
fn variables(domain: &Domain) -> Option<PathBuf> {
    let path = domain.os.nvram.as_ref()?.path.as_ref()?;
    Some(PathBuf::from(&**path))
}

/// Where the state of a guest's TPM is, unless the document says so: then it is whoever wrote it who
/// removes it.
fn tpm_state(domain: &Domain, environment: &Environment) -> Option<PathBuf> {
    let tpm = environment.directories.state.join("tpm");
    Some(tpm.join(domain.uuid?.to_text()))
}

fn removed(path: &Path, done: io::Result<()>) -> Result<(), Failure> {
    done.map_err(|error| {
        let (path, reason) = (path.display(), sys::reason(&error));
        Failure::refused(format!("the domain is undefined, but cannot remove '{path}': {reason}"))
    })
}
