//! `qemu-monitor-command`, `inject-nmi`: what only QEMU is asked for.

use serde_json::{Value, json};

use crate::arguments::{MonitorCommand, Several};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

pub(super) fn command(
    arguments: &MonitorCommand,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain(&arguments.domain.name, environment)?;
    let text = arguments.command.join(" ");
    if arguments.hmp {
        let guest = Guest::connect(&name, environment)?;
        let answer = guest.execute("human-monitor-command", &json!({ "command-line": text }))?;
        output.text(answer.as_str().unwrap_or_default())?;
        return Ok(Exit::Done);
    }
    let (execute, sent) = understand(&text)?;
    let guest = Guest::connect(&name, environment)?;
    let answer = guest.execute(&execute, &sent);
    let reply = if arguments.return_value { answer? } else { json!({ "return": answer? }) };
    if arguments.pretty {
        output.json(&reply)?;
    } else {
        output.text(&format!("{reply}\n"))?;
    }
    Ok(Exit::Done)
}

/// A command of QMP as it is written for QEMU, or just its name.
fn understand(text: &str) -> Result<(String, Value), Failure> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.chars().all(is_name) {
        return Ok((text.to_owned(), Value::Null));
    }
    let mut command: Value = serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("not a command of QMP: {error}"))
            .help("such as '{\"execute\": \"query-status\"}', or --hmp 'info status'")
    })?;
    let execute = command["execute"].as_str().map(str::to_owned).ok_or_else(|| {
        Failure::usage("a command of QMP says what it is in \"execute\"")
            .help("such as '{\"execute\": \"query-status\"}'")
    })?;
    Ok((execute, command["arguments"].take()))
}

pub(super) fn inject_nmi(
    several: &Several,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    super::each::run(&several.names, environment, output, |name, output| {
        Guest::connect(name, environment)?.execute("inject-nmi", &Value::Null)?;
        output.say(format_args!("Domain '{name}' got an NMI"));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_name_or_what_qmp_takes() {
        assert_eq!(understand("query-status").unwrap(), ("query-status".to_owned(), Value::Null));
        let stop = r#"{"execute": "send-key", "arguments": {"keys": []}}"#;
        assert_eq!(understand(stop).unwrap(), ("send-key".to_owned(), json!({ "keys": [] })));
        for wrong in ["", "query status", "{}", "[]", "{\"execute\": 1}"] {
            assert!(understand(wrong).is_err(), "{wrong}");
        }
    }
}
