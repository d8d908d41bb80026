//! Conversations with QEMU in files, in the `.replies` form of libvirt's tests: command, empty
//! line, reply, empty line, and so on, each as indented JSON.
//!
//! A file holds one or several runs of QEMU; each begins with `qmp_capabilities`. libvirt asks the
//! same binary once with KVM and once with TCG. The greeting is not recorded: `query-version`
//! says the same.

use std::fmt;

use serde_json::{Map, Value};

use crate::message::{Message, Refusal, command, is_empty, outcome_to_json};

/// What begins a run.
const BEGINNING: &str = "qmp_capabilities";

/// The conversations of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// One for each time that QEMU was started.
    pub runs: Vec<Run>,
}

/// A conversation with one QEMU process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// In the order in which they were sent.
    pub exchanges: Vec<Exchange>,
}

/// A command and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The command's name.
    pub command: String,
    /// Its arguments; `null` if none.
    pub arguments: Value,
    /// What came back.
    pub outcome: Result<Value, Refusal>,
}

/// Why a file is no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ReadError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

impl Recording {
    /// Reads a recording. Ids are not looked at: a reply belongs to the command before it.
    ///
    /// # Errors
    ///
    /// Says what is wrong and in which line.
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        let mut recording = Self::default();
        let mut asked = None;
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        loop {
            let start = values.byte_offset();
            let here = start + text[start..].len() - text[start..].trim_start().len();
            let wrong = |problem: String| ReadError { line: line(text, here), problem };
            match (values.next(), asked.take()) {
                (None, None) => return Ok(recording),
                (None, Some((command, _))) => {
                    return Err(wrong(format!("the reply to '{command}' is missing")));
                }
                (Some(Err(error)), _) => {
                    return Err(ReadError { line: error.line(), problem: error.to_string() });
                }
                (Some(Ok(value)), None) => asked = Some(read_command(value).map_err(wrong)?),
                (Some(Ok(value)), Some((command, arguments))) => {
                    let Ok(Message::Reply(reply)) = Message::from_json(value) else {
                        return Err(wrong(format!("this is no reply to '{command}'")));
                    };
                    if command == BEGINNING || recording.runs.is_empty() {
                        recording.runs.push(Run::default());
                    }
                    let run = recording.runs.last_mut().expect("one was made above");
                    run.push(&command, &arguments, reply.outcome);
                }
            }
        }
    }

    /// The answer to a command; the first run that asked it decides.
    pub fn lookup(&self, command: &str, arguments: &Value) -> Option<&Result<Value, Refusal>> {
        self.runs.iter().find_map(|run| run.lookup(command, arguments))
    }
}

impl Run {
    /// One that has begun: by it a file with several tells where each one starts.
    pub fn begun() -> Self {
        let mut run = Self::default();
        run.push(BEGINNING, &Value::Null, Ok(Value::Object(Map::new())));
        run
    }

    /// Adds a command and its answer.
    pub fn push(&mut self, command: &str, arguments: &Value, outcome: Result<Value, Refusal>) {
        let arguments = if is_empty(arguments) { Value::Null } else { arguments.clone() };
        self.exchanges.push(Exchange { command: command.to_owned(), arguments, outcome });
    }

    /// The answer to a command with exactly these arguments; `null` and `{}` are the same.
    pub fn lookup(&self, command: &str, arguments: &Value) -> Option<&Result<Value, Refusal>> {
        self.exchanges
            .iter()
            .find(|exchange| {
                exchange.command == command
                    && (exchange.arguments == *arguments
                        || is_empty(&exchange.arguments) && is_empty(arguments))
            })
            .map(|exchange| &exchange.outcome)
    }
}

impl fmt::Display for Recording {
    /// Writes the recording as [`Recording::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for run in &self.runs {
            for (number, Exchange { command: name, arguments, outcome }) in
                run.exchanges.iter().enumerate()
            {
                let id = Value::from(format!("vdomain-{}", number + 1));
                let asked = command(name, arguments, id.clone());
                let mut answered = outcome_to_json(outcome);
                answered.insert("id".to_owned(), id);
                let answered = Value::Object(answered);
                write!(f, "{between}{asked:#}\n\n{answered:#}\n")?;
                between = "\n";
            }
        }
        Ok(())
    }
}

fn read_command(value: Value) -> Result<(String, Value), String> {
    let Value::Object(mut object) = value else {
        return Err("a command is expected, a JSON object".to_owned());
    };
    match object.remove("execute") {
        Some(Value::String(name)) => Ok((name, object.remove("arguments").unwrap_or(Value::Null))),
        _ => Err("a command is expected, with 'execute'".to_owned()),
    }
}

fn line(text: &str, offset: usize) -> usize {
    1 + text[..offset].matches('\n').count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::ErrorClass;

    const TEXT: &str = r#"{
  "execute": "qmp_capabilities",
  "id": "libvirt-1"
}

{
  "return": {},
  "id": "libvirt-1"
}

{
  "execute": "device-list-properties",
  "arguments": {
    "typename": "nvme"
  },
  "id": "libvirt-2"
}

{
  "id": "libvirt-2",
  "error": {
    "class": "DeviceNotFound",
    "desc": "Device 'nvme' not found"
  }
}

{
  "execute": "qmp_capabilities",
  "id": "libvirt-1"
}

{
  "return": {},
  "id": "libvirt-1"
}

{
  "execute": "query-kvm",
  "id": "libvirt-2"
}

{
  "return": {
    "enabled": false
  },
  "id": "libvirt-2"
}
"#;

    #[test]
    fn a_recording_is_read_by_runs() {
        let recording = Recording::parse(TEXT).unwrap();

        assert_eq!(recording.runs.len(), 2);
        let nvme = json!({"typename": "nvme"});
        let refused = recording.lookup("device-list-properties", &nvme).unwrap();
        assert_eq!(refused.as_ref().unwrap_err().class, ErrorClass::DeviceNotFound);
        assert_eq!(recording.lookup("device-list-properties", &json!({"typename": "x"})), None);
        assert_eq!(recording.runs[0].lookup("query-kvm", &Value::Null), None);
        for nothing in [Value::Null, json!({})] {
            let answer = recording.lookup("query-kvm", &nothing).unwrap();
            assert_eq!(answer, &Ok(json!({"enabled": false})));
        }
    }

    #[test]
    fn a_recording_is_written_as_it_is_read() {
        let recording = Recording::parse(TEXT).unwrap();

        let text = recording.to_string();

        assert_eq!(Recording::parse(&text).unwrap(), recording);
        // libvirt puts the id of a refusal first, which says the same.
        let theirs = TEXT.replace("libvirt", "vdomain");
        let ours: Vec<&str> = text.lines().collect();
        assert_eq!(ours.len(), theirs.lines().count());
        assert_eq!(ours[..18], theirs.lines().collect::<Vec<_>>()[..18]);
    }

    #[test]
    fn what_is_no_recording_is_refused_with_its_line() {
        for (text, problem) in [
            ("\n[]", "line 2: a command is expected, a JSON object"),
            ("{\"return\": {}}", "line 1: a command is expected, with 'execute'"),
            ("{\"execute\": \"stop\"}\n\n", "line 3: the reply to 'stop' is missing"),
            ("{\"execute\": \"stop\"}\n\n{}", "line 3: this is no reply to 'stop'"),
        ] {
            assert_eq!(Recording::parse(text).unwrap_err().to_string(), problem);
        }
        assert_eq!(Recording::parse("{\"execute\": \"stop\"}\n\n{").unwrap_err().line, 3);
    }
}
