//! `autostart`: have domains started with the host.

use std::env;
use std::path::Path;

use store::{Autostart, Definitions, Unit};

use crate::arguments::AutostartArguments;
use crate::environment::{Environment, LINGER};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// What of the environment says where things are kept.
const DIRECTORIES: &[&str] =
    &["VDOMAIN_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"];

/// The units of this user.
pub(super) fn of(environment: &Environment) -> Autostart {
    Autostart::new(&environment.directories.units, environment.privileged)
}

pub(super) fn run(
    arguments: &AutostartArguments,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let autostart = of(environment);
    if !arguments.disable && !environment.privileged {
        hint_at_lingering(environment, output);
    }
    super::each::run(&arguments.domains.names, environment, output, |name, output| {
        if arguments.disable {
            autostart.disable(name)?;
            output.say(format_args!("Domain '{name}' unmarked as autostarted"));
            return Ok(());
        }
        let definitions = Definitions::new(&environment.directories.definitions);
        if !definitions.path(name).exists() {
            return Err(Failure::state(format!("domain '{name}' runs, but is not defined")));
        }
        autostart.enable(name, &unit(environment)?)?;
        output.say(format_args!("Domain '{name}' marked as autostarted"));
        if environment.variables.contains_key("VDOMAIN_HOME") {
            output.say(format_args!(
                "VDOMAIN_HOME is set: `systemctl enable {}` makes systemd know of it",
                autostart.path(name).display()
            ));
        }
        Ok(())
    })
}

/// What the unit of a guest of this user says.
pub(super) fn unit(environment: &Environment) -> Result<Unit, Failure> {
    let program = env::current_exe().map_err(|error| {
        Failure::refused(format!("cannot tell where this program lies: {}", sys::reason(&error)))
    })?;
    let set = |variable: &&str| {
        let value = environment.variables.get(*variable).filter(|value| !value.is_empty())?;
        Some(((*variable).to_owned(), value.clone()))
    };
    Ok(Unit { program, environment: DIRECTORIES.iter().filter_map(set).collect() })
}

/// A user's units start with the user's first session, which may surprise.
fn hint_at_lingering(environment: &Environment, output: &mut Output) {
    let Some(user) = environment.variables.get("USER") else { return };
    if !Path::new(LINGER).join(user).exists() {
        output.say(
            "Your units are started when you log in; `loginctl enable-linger` has them started with \
             the host",
        );
    }
}
