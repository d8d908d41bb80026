//! `qmp`: talk to a guest's QEMU, a line at a time.

use std::fs;
use std::io::{self, BufRead, IsTerminal};

use ::qmp::{Notice, Schema};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, Context, Editor, Helper, Highlighter, Hinter, Validator};
use serde_json::{Map, Value};
use sys::runtime::block_on;

use crate::arguments::One;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

/// How often QEMU is asked again because the supervisor has changed.
const TRIES: usize = 10;

pub(super) fn run(
    one: &One,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain(&one.name, environment)?;
    let mut guest = Guest::connect(&name, environment)?;
    if !io::stdin().is_terminal() {
        for line in io::stdin().lock().lines() {
            let line = line.map_err(|error| cannot_read(&error))?;
            answer(&mut guest, &line, environment, output)?;
        }
        return Ok(Exit::Done);
    }
    let schema = guest.execute("query-qmp-schema", &Value::Null)?;
    let schema = Schema::text_of(&schema).map_err(Failure::refused)?;
    let schema = Schema::from_text(&schema);
    // As shells do: what is common first, then the list.
    let config =
        Config::builder().auto_add_history(true).completion_type(CompletionType::List).build();
    let mut editor: Editor<Words, DefaultHistory> =
        Editor::with_config(config).map_err(Failure::refused)?;
    editor.set_helper(Some(Words::of(&schema)));
    let state = &environment.directories.state;
    let history = state.join("qmp-history");
    // There is none before the first time.
    let _ = editor.load_history(&history);
    output.say(format_args!(
        "Connected to QEMU of domain '{name}': COMMAND NAME=VALUE…, or JSON; ^D leaves"
    ));
    let mut is_warned = false;
    loop {
        match editor.readline(&format!("{name}> ")) {
            Ok(line) if line.trim() == "exit" => break,
            // In other programs it only leaves.
            Ok(line) if line.trim() == "quit" && !is_warned => {
                is_warned = true;
                output.say(
                    "'quit' has QEMU end, and the guest with it: once more does that; ^D leaves",
                );
            }
            Ok(line) => {
                is_warned = false;
                answer(&mut guest, &line, environment, output)?;
                if line.trim() == "quit" {
                    output.say("The guest is gone");
                    break;
                }
            }
            // ^C throws away what was typed.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(Failure::refused(error)),
        }
    }
    // Without a history the next time is a little less comfortable.
    let _ = fs::create_dir_all(state).map(|()| editor.save_history(&history));
    Ok(Exit::Done)
}

/// Carries out one line, and prints what came of it after what happened meanwhile.
fn answer(
    guest: &mut Guest,
    line: &str,
    environment: &Environment,
    output: &mut Output,
) -> Result<(), Failure> {
    if line.trim().is_empty() {
        return Ok(());
    }
    let (execute, arguments) = match understand(line) {
        Ok(understood) => understood,
        Err(problem) => {
            output.say(format_args!("error: {problem}"));
            return Ok(());
        }
    };
    let mut tries = 0..TRIES;
    let answer = loop {
        let answer = block_on(guest.qemu.execute(&execute, &arguments));
        if !guest.qemu.is_disconnected() || execute == "quit" {
            break answer;
        }
        // Another supervisor may have taken over, or this one gone on as another version.
        *guest = Guest::connect(&guest.name, environment)?;
        // What only asks can be asked again.
        let may_ask = match &answer {
            Ok(_) => false,
            Err(::qmp::Error::NotSent { .. }) => true,
            Err(_) => execute.starts_with("query-"),
        };
        if !may_ask || tries.next().is_none() {
            break answer;
        }
    };
    while let Some(notice) = guest.events.try_next() {
        match notice {
            Notice::Event(event) => output.json(&event.to_json())?,
            Notice::Missed(count) => output.say(format_args!("{count} events were missed")),
        }
    }
    match answer {
        Ok(value) => output.json(&value)?,
        Err(error) => output.say(format_args!("error: {error}")),
    }
    Ok(())
}

/// A command with its arguments: QMP's own JSON, or `COMMAND NAME=VALUE…`, where a value is JSON if
/// it can be and a text if not, and `NAME.NAME` is a member of a member.
///
/// QEMU: its `qmp-shell` takes the same.
fn understand(line: &str) -> Result<(String, Value), String> {
    if line.trim_start().starts_with('{') {
        let mut command: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let execute = command["execute"].as_str().ok_or("\"execute\" is missing")?.to_owned();
        return Ok((execute, command["arguments"].take()));
    }
    let mut words = line.split_whitespace();
    let execute = words.next().unwrap_or_default().to_owned();
    let mut arguments = Map::new();
    for word in words {
        let (path, text) =
            word.split_once('=').ok_or_else(|| format!("expected NAME=VALUE, found '{word}'"))?;
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let mut members: Vec<&str> = path.split('.').collect();
        let last = members.pop().unwrap_or_default();
        let mut inside = &mut arguments;
        for member in members {
            let below = inside.entry(member).or_insert_with(|| Value::Object(Map::new()));
            inside =
                below.as_object_mut().ok_or_else(|| format!("'{member}' has a value already"))?;
        }
        inside.insert(last.to_owned(), value);
    }
    Ok((execute, if arguments.is_empty() { Value::Null } else { Value::Object(arguments) }))
}

/// What can be typed: commands, and the names of their arguments.
#[derive(Helper, Highlighter, Hinter, Validator)]
struct Words {
    /// Each command with its arguments.
    commands: Vec<(String, Vec<String>)>,
}

impl Words {
    fn of(schema: &Schema<'_>) -> Self {
        let arguments = |name: &str| {
            let members = schema.command(name)?.arguments()?.members();
            Some(members.into_iter().map(str::to_owned).collect())
        };
        let commands =
            schema.commands().map(|name| (name.to_owned(), arguments(name).unwrap_or_default()));
        Self { commands: commands.collect() }
    }

    /// What the word that ends at `end` can become, and where it begins.
    fn candidates(&self, line: &str, end: usize) -> (usize, Vec<String>) {
        let begin = line[..end].rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let typed = &line[begin..end];
        let names: Vec<String> = match line[..begin].split_whitespace().next() {
            None => self.commands.iter().map(|(name, _)| name.clone()).collect(),
            Some(first) => {
                let found = self.commands.iter().find(|(name, _)| name == first);
                let arguments = found.map(|(_, arguments)| arguments.as_slice());
                arguments.unwrap_or_default().iter().map(|name| format!("{name}=")).collect()
            }
        };
        (begin, names.into_iter().filter(|name| name.starts_with(typed)).collect())
    }
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        end: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (begin, names) = self.candidates(line, end);
        let pair = |name: String| Pair { display: name.clone(), replacement: name };
        Ok((begin, names.into_iter().map(pair).collect()))
    }
}

fn cannot_read(error: &io::Error) -> Failure {
    Failure::refused(format!("cannot read standard input: {}", sys::reason(error)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_a_command_with_its_arguments() {
        let understood = |line| understand(line).unwrap();
        assert_eq!(understood("query-status"), ("query-status".to_owned(), Value::Null));
        assert_eq!(
            understood("blockdev-add driver=raw file.driver=null-co file.size=512 read-only=true")
                .1,
            json!({"driver": "raw", "file": {"driver": "null-co", "size": 512}, "read-only": true})
        );
        let json = r#"{"execute": "stop", "arguments": {}}"#;
        assert_eq!(understood(json), ("stop".to_owned(), json!({})));
        for wrong in ["stop now", "a b=1 b.c=2", "{", "{}"] {
            assert!(understand(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn commands_and_their_arguments_are_completed() {
        let words = Words {
            commands: vec![
                ("query-block".to_owned(), vec!["flat".to_owned()]),
                ("query-status".to_owned(), vec![]),
            ],
        };
        let candidates = |line: &str| words.candidates(line, line.len());
        assert_eq!(candidates("query-b"), (0, vec!["query-block".to_owned()]));
        assert_eq!(candidates("query-block f"), (12, vec!["flat=".to_owned()]));
        assert_eq!(candidates("query-status x").1, [""; 0]);
    }
}
