//! `domstate`: print the state of a domain.

use serde_json::json;
use store::Name;
use supervisor::client::AskError;
use supervisor::{GuestState, Last, Reason};

use crate::arguments::Domstate;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(
    arguments: &Domstate,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let (state, reason) = of(&name, environment)?;
    let last = match reason {
        Some(_) => None,
        None => Last::read(&environment.directories.run_of(&name)?),
    };
    let reason = reason.or_else(|| Some(word(last.as_ref()?.reason)));
    if arguments.json {
        let mut json = json!({ "name": name.as_str(), "state": state, "reason": reason });
        if let Some(Last { exit, ended, said, .. }) = last {
            json["last"] = json!({ "exit": exit, "ended": ended, "said": said });
        }
        output.json(&json)?;
    } else if arguments.reason {
        let reason = reason.as_deref().unwrap_or("unknown");
        output.text(&format!("{state} ({})\n", in_words(reason)))?;
    } else {
        output.text(&format!("{state}\n"))?;
    }
    Ok(Exit::Done)
}

/// The state of a domain in virsh's words, and why it is in it, if it runs.
pub(super) fn of(
    name: &Name,
    environment: &Environment,
) -> Result<(String, Option<String>), Failure> {
    let run = environment.directories.run_of(name)?;
    match super::ask(&run, |mut client| client.state()) {
        Ok((state, reason)) => Ok((state, Some(reason))),
        Err(AskError::NotRunning) => Ok((GuestState::ShutOff.to_string(), None)),
        Err(error) => Err(super::refused(name, error)),
    }
}

/// A reason as programs are told it.
pub(super) fn word(reason: Reason) -> String {
    let word = json!(reason);
    word.as_str().unwrap_or("unknown").to_owned()
}

/// A reason as virsh prints it.
///
/// libvirt: `virshDomainStateReasonToString` in `tools/virsh-domain-monitor.c`.
fn in_words(reason: &str) -> String {
    match reason {
        "io-error" => "I/O error".to_owned(),
        "started-paused" => "starting up".to_owned(),
        "wakeup" => "event wakeup".to_owned(),
        other => other.replace('-', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_of_virsh() {
        assert_eq!(in_words("io-error"), "I/O error");
        assert_eq!(in_words("booted"), "booted");
    }
}
