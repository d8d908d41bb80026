//! `send-key`: press keys of a guest's keyboard.

use base::Value as _;
use guest::keys::{Codeset, for_qemu};
use serde_json::json;

use crate::arguments::SendKey;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

/// The most keys at once.
///
/// libvirt: `VIR_DOMAIN_SEND_KEY_MAX_KEYS`.
const MOST_KEYS: usize = 16;

pub(super) fn run(
    arguments: &SendKey,
    environment: &Environment,
    _output: &mut Output,
) -> Result<Exit, Failure> {
    let codeset = Codeset::parse(&arguments.codeset)
        .ok()
        .flatten()
        .ok_or_else(|| unknown_codeset(&arguments.codeset))?;
    let name = super::domain(&arguments.domain.name, environment)?;
    if arguments.keys.len() > MOST_KEYS {
        return Err(Failure::usage(format!("at most {MOST_KEYS} keys are pressed at once")));
    }
    let key = |key: &String| for_qemu(codeset, key);
    let keys: Vec<_> =
        arguments.keys.iter().map(key).collect::<Result<_, _>>().map_err(Failure::usage)?;
    let mut command = json!({ "keys": keys });
    if let Some(milliseconds) = arguments.holdtime {
        command["hold-time"] = milliseconds.into();
    }
    Guest::connect(&name, environment)?.execute("send-key", &command)?;
    Ok(Exit::Done)
}

fn unknown_codeset(word: &str) -> Failure {
    let known = <Codeset as base::words::Words>::WORDS.join(", ");
    Failure::usage(format!("there is no set of codes '{word}'")).help(format!("one of: {known}"))
}
