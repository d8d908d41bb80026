//! `undefine`: forget a domain.

use store::Definitions;
use supervisor::Last;

use crate::arguments::Undefine;
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
    if !definitions.remove(&name)? {
        return Err(Failure::state(format!("domain '{name}' runs, but is not defined")));
    }
    let run = environment.directories.run_of(&name)?;
    if let Err(error) = Last::forget(&run) {
        output.say(format_args!("warning: cannot forget how it ended: {}", sys::reason(&error)));
    }
    super::autostart::of(environment).disable(&name)?;
    output.text(&format!("Domain '{name}' has been undefined\n"))?;
    Ok(Exit::Done)
}
