//! What is said over QMP, as plain data: greeting, commands, replies, events.
//!
//! Source: QEMU's `docs/interop/qmp-spec.rst`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Something that QEMU says.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The first thing on a connection.
    Greeting(Greeting),
    /// The answer to a command.
    Reply(Reply),
    /// Something that happened.
    Event(Event),
}

/// Who answers: QEMU's first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// QEMU's version: major, minor, micro.
    pub version: (u32, u32, u32),
    /// The distribution's version of the package; empty where there is none.
    pub package: String,
    /// The whole message as it came, to be repeated to others.
    pub raw: Value,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What the command had as `id`; absent if it had none, or if QEMU could not read it.
    pub id: Option<Value>,
    /// What the command returned, or why it did nothing.
    pub outcome: Result<Value, Refusal>,
}

/// QEMU's "no".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind of error, for programs.
    pub class: ErrorClass,
    /// What went wrong, for people.
    pub desc: String,
}

/// What kind of error; QEMU's `QapiErrorClass`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorClass {
    /// Everything that has no class of its own.
    GenericError,
    /// The command does not exist, or not in this state of the connection.
    CommandNotFound,
    /// The device exists but is not in use.
    DeviceNotActive,
    /// There is no such device.
    DeviceNotFound,
    /// KVM cannot do it.
    KVMMissingCap,
    /// A class that came after this was written.
    #[serde(untagged)]
    Unknown(String),
}

/// Something that happened in QEMU or the guest.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// QEMU's name of it, such as `SHUTDOWN`.
    pub name: String,
    /// What belongs to it; empty if nothing.
    pub data: Map<String, Value>,
    /// When QEMU says it happened; absent if its clock failed.
    pub timestamp: Option<Timestamp>,
}

/// Time since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// The rest, below a million.
    pub microseconds: i64,
}

impl Message {
    /// Understands a line that QEMU sent.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it, without repeating its content.
    pub fn parse(line: &str) -> Result<Self, String> {
        let value = serde_json::from_str(line).map_err(|_| "the message is not JSON".to_owned())?;
        Self::from_json(value)
    }

    /// Understands a JSON object that QEMU sent.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it, without repeating its content.
    pub fn from_json(value: Value) -> Result<Self, String> {
        let Value::Object(mut object) = value else {
            return Err("the message is not a JSON object".to_owned());
        };
        if object.contains_key("QMP") {
            return Greeting::from_json(object).map(Self::Greeting);
        }
        if let Some(name) = object.remove("event") {
            return Event::from_json(name, object).map(Self::Event);
        }
        let id = object.remove("id");
        let outcome = match (object.remove("return"), object.remove("error")) {
            (Some(value), None) => Ok(value),
            (None, Some(error)) => Err(serde_json::from_value(error)
                .map_err(|_| "the error has no class and description".to_owned())?),
            _ => return Err("the message is no greeting, reply or event".to_owned()),
        };
        Ok(Self::Reply(Reply { id, outcome }))
    }
}

impl Greeting {
    fn from_json(object: Map<String, Value>) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Hello {
            version: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            qemu: Triple,
            #[serde(default)]
            package: String,
        }
        #[derive(Deserialize)]
        struct Triple {
            major: u32,
            minor: u32,
            micro: u32,
        }
        let hello = Hello::deserialize(&object["QMP"])
            .map_err(|_| "the greeting has no version".to_owned())?;
        let Version { qemu: Triple { major, minor, micro }, package } = hello.version;
        Ok(Self { version: (major, minor, micro), package, raw: Value::Object(object) })
    }
}

impl Refusal {
    /// A refusal of our own, of the class that most of QEMU's have.
    pub fn generic(desc: impl fmt::Display) -> Self {
        Self { class: ErrorClass::GenericError, desc: desc.to_string() }
    }
}

impl Reply {
    /// The reply as QEMU would send it.
    pub fn to_json(&self) -> Value {
        let mut object = outcome_to_json(&self.outcome);
        if let Some(id) = &self.id {
            object.insert("id".to_owned(), id.clone());
        }
        Value::Object(object)
    }
}

/// What a command returned, as an object with `return` or `error`.
pub(crate) fn outcome_to_json(outcome: &Result<Value, Refusal>) -> Map<String, Value> {
    let (name, value) = match outcome {
        Ok(value) => ("return", value.clone()),
        Err(refusal) => ("error", json!(refusal)),
    };
    Map::from_iter([(name.to_owned(), value)])
}

impl Event {
    /// The event as QEMU would send it.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        if let Some(Timestamp { seconds, microseconds }) = self.timestamp {
            let timestamp = json!({"seconds": seconds, "microseconds": microseconds});
            object.insert("timestamp".to_owned(), timestamp);
        }
        object.insert("event".to_owned(), self.name.clone().into());
        if !self.data.is_empty() {
            object.insert("data".to_owned(), self.data.clone().into());
        }
        Value::Object(object)
    }

    fn from_json(name: Value, mut object: Map<String, Value>) -> Result<Self, String> {
        let Value::String(name) = name else {
            return Err("the event has no name".to_owned());
        };
        let data = match object.remove("data") {
            None => Map::new(),
            Some(Value::Object(data)) => data,
            Some(_) => return Err(format!("the data of event {name} is not an object")),
        };
        let part = |name| object.get("timestamp")?.get(name)?.as_i64();
        let timestamp = match (part("seconds"), part("microseconds")) {
            // QEMU says -1 where it could not read the clock.
            (Some(seconds @ 0..), Some(microseconds @ 0..)) => {
                Some(Timestamp { seconds, microseconds })
            }
            _ => None,
        };
        Ok(Self { name, data, timestamp })
    }
}

/// Writes a command the way QEMU reads it; empty arguments (`null` or `{}`) are left out.
pub fn command(execute: &str, arguments: &Value, id: impl Into<Value>) -> Value {
    let mut object = Map::new();
    object.insert("execute".to_owned(), execute.into());
    if !is_empty(arguments) {
        object.insert("arguments".to_owned(), arguments.clone());
    }
    object.insert("id".to_owned(), id.into());
    Value::Object(object)
}

/// Whether arguments say nothing: `null` and `{}` are the same to QEMU.
pub(crate) fn is_empty(arguments: &Value) -> bool {
    arguments.is_null() || arguments.as_object().is_some_and(Map::is_empty)
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GenericError => "GenericError",
            Self::CommandNotFound => "CommandNotFound",
            Self::DeviceNotActive => "DeviceNotActive",
            Self::DeviceNotFound => "DeviceNotFound",
            Self::KVMMissingCap => "KVMMissingCap",
            Self::Unknown(name) => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_understood_and_kept_whole() {
        let raw = json!({"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10},
            "package": "Debian 1:10.0.2"}, "capabilities": ["oob"]}});

        let Ok(Message::Greeting(greeting)) = Message::from_json(raw.clone()) else { panic!() };

        assert_eq!(greeting.version, (10, 0, 2));
        assert_eq!(greeting.package, "Debian 1:10.0.2");
        assert_eq!(greeting.raw, raw);
    }

    #[test]
    fn replies_and_events_are_written_as_they_were_read() {
        let said = [
            json!({"return": {"running": true}, "id": 7}),
            json!({"return": []}),
            json!({"error": {"class": "DeviceNotFound", "desc": "no"}, "id": {"any": null}}),
            json!({"error": {"class": "NewClass", "desc": "no"}, "id": "x"}),
            json!({"timestamp": {"seconds": 5, "microseconds": 6}, "event": "STOP"}),
            json!({"timestamp": {"seconds": 5, "microseconds": 6}, "event": "RESET",
                "data": {"guest": true}}),
        ];

        for said in said {
            let again = match Message::from_json(said.clone()).unwrap() {
                Message::Reply(reply) => reply.to_json(),
                Message::Event(event) => event.to_json(),
                Message::Greeting(greeting) => greeting.raw,
            };
            assert_eq!(again.to_string(), said.to_string());
        }
    }

    #[test]
    fn nonsense_is_named_and_not_repeated() {
        for (said, problem) in [
            (json!(["secret"]), "the message is not a JSON object"),
            (json!({"greetings": "secret"}), "the message is no greeting, reply or event"),
            (json!({"return": 1, "error": 2}), "the message is no greeting, reply or event"),
            (json!({"error": "secret"}), "the error has no class and description"),
            (json!({"event": 3}), "the event has no name"),
            (json!({"event": "X", "data": 3}), "the data of event X is not an object"),
            (json!({"QMP": {}}), "the greeting has no version"),
        ] {
            assert_eq!(Message::from_json(said).unwrap_err(), problem);
        }
    }

    #[test]
    fn empty_arguments_are_left_out() {
        for nothing in [Value::Null, json!({})] {
            assert_eq!(command("stop", &nothing, 1).to_string(), r#"{"execute":"stop","id":1}"#);
        }
        assert_eq!(
            command("getfd", &json!({"fdname": "tap"}), 2).to_string(),
            r#"{"execute":"getfd","arguments":{"fdname":"tap"},"id":2}"#
        );
    }
}
