//! One command's arguments against the schema.

use std::fmt;

use serde_json::{Map, Value};

use super::entry::{Entry, Json, Kind, Member};
use super::{Command, Schema};

/// Commands that take members the schema does not list (`'gen': false` in QEMU's sources).
const OPEN: &[&str] = &["device_add"];

/// Something wrong with a command, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The command's name, then members and positions, such as `blockdev-add.file.aio` or
    /// `transaction.actions[2].type`.
    pub path: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The binary does not have this command.
    UnknownCommand,
    /// The object has no such member, or not with this value of its tag.
    UnknownMember,
    /// The member must be there.
    Missing,
    /// The value is of another type.
    WrongType {
        /// What it should be, in words.
        expected: &'static str,
        /// What it is, in words.
        found: &'static str,
    },
    /// The enumeration does not have this value.
    UnknownValue {
        /// What was given.
        found: String,
        /// What there is.
        values: Vec<String>,
    },
    /// It works, but will be removed from QEMU.
    Deprecated,
}

impl Finding {
    /// Whether QEMU would refuse the command for this.
    pub fn is_error(&self) -> bool {
        self.problem != Problem::Deprecated
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.problem {
            Problem::UnknownCommand => f.write_str("this QEMU does not have the command"),
            Problem::UnknownMember => f.write_str("this QEMU does not take it"),
            Problem::Missing => f.write_str("it is missing"),
            Problem::WrongType { expected, found } => write!(f, "{expected} expected, not {found}"),
            Problem::UnknownValue { found, values } => {
                write!(f, "'{found}' is not one of: {}", values.join(", "))
            }
            Problem::Deprecated => f.write_str("it is deprecated"),
        }
    }
}

pub(super) fn check(schema: &Schema<'_>, command: &str, arguments: &Value) -> Vec<Finding> {
    let mut checker = Checker { schema, path: command.to_owned(), findings: Vec::new() };
    match schema.command(command) {
        None => checker.report(Problem::UnknownCommand),
        Some(Command { arguments: of, features, .. }) => {
            checker.deprecated(&features);
            let none = Map::new();
            match arguments {
                Value::Null => checker.object(of, &none),
                Value::Object(given) => checker.object(of, given),
                other => checker.wrong_type("an object", other),
            }
            if OPEN.contains(&command) {
                checker.findings.retain(|finding| finding.problem != Problem::UnknownMember);
            }
        }
    }
    checker.findings
}

struct Checker<'a> {
    schema: &'a Schema<'a>,
    /// Where we are.
    path: String,
    findings: Vec<Finding>,
}

impl<'a> Checker<'a> {
    /// Checks any value against a type. Of a type that is not understood nothing is known.
    fn value(&mut self, name: &str, value: &Value) {
        let Some(Entry { features, kind }) = self.schema.entry(name) else { return };
        self.deprecated(&features);
        match kind {
            Kind::Builtin(json) => {
                if !json.fits(value) {
                    self.wrong_type(json.in_words(), value);
                }
            }
            Kind::Enum(values) => match value {
                Value::String(found) => match values.iter().find(|value| value.name == found) {
                    Some(value) => self.deprecated(&value.features),
                    None => self.report(Problem::UnknownValue {
                        found: found.clone(),
                        values: values.iter().map(|value| value.name.to_owned()).collect(),
                    }),
                },
                other => self.wrong_type("a string", other),
            },
            Kind::Array { element } => match value {
                Value::Array(elements) => {
                    for (position, value) in elements.iter().enumerate() {
                        self.below(&format!("[{position}]"), |checker| {
                            checker.value(element, value);
                        });
                    }
                }
                other => self.wrong_type("an array", other),
            },
            Kind::Object { .. } => match value {
                Value::Object(given) => self.object(name, given),
                other => self.wrong_type("an object", other),
            },
            Kind::Alternate(choices) => {
                match choices.iter().find(|choice| self.may_be(choice.r#type, value)) {
                    Some(choice) => self.value(choice.r#type, value),
                    None => self.wrong_type("another type", value),
                }
            }
            Kind::Command { .. } | Kind::Event { .. } => {}
        }
    }

    /// Checks an object against its type and the variants that its tags choose.
    fn object(&mut self, name: &str, given: &Map<String, Value>) {
        let mut members = Vec::new();
        self.members(name, given, &mut members);
        for member in &members {
            let name = member.name;
            match given.get(name) {
                Some(value) => self.below(&format!(".{name}"), |checker| {
                    checker.deprecated(&member.features);
                    checker.value(member.r#type, value);
                }),
                None if member.optional => {}
                None => self.below(&format!(".{name}"), |checker| checker.report(Problem::Missing)),
            }
        }
        for name in given.keys() {
            if !members.iter().any(|member| member.name == name) {
                self.below(&format!(".{name}"), |checker| checker.report(Problem::UnknownMember));
            }
        }
    }

    /// Collects the members that an object may have, given the values of its tags.
    fn members(&self, name: &str, given: &Map<String, Value>, all: &mut Vec<Member<'a>>) {
        let Some(Kind::Object { members, tag, variants }) =
            self.schema.entry(name).map(|entry| entry.kind)
        else {
            return;
        };
        all.extend(members);
        let case = tag.and_then(|tag| given.get(tag)).and_then(Value::as_str);
        if let Some(chosen) = variants.iter().find(|variant| case == Some(variant.case)) {
            self.members(chosen.r#type, given, all);
        }
    }

    /// Whether a value has the JSON type that tells this branch of an alternate from the others.
    fn may_be(&self, name: &str, value: &Value) -> bool {
        match self.schema.entry(name).map(|entry| entry.kind) {
            Some(Kind::Builtin(json)) => json.fits(value),
            Some(Kind::Enum(_)) => value.is_string(),
            Some(Kind::Array { .. }) => value.is_array(),
            Some(Kind::Object { .. }) => value.is_object(),
            Some(Kind::Alternate(choices)) => {
                choices.iter().any(|choice| self.may_be(choice.r#type, value))
            }
            Some(Kind::Command { .. } | Kind::Event { .. }) | None => false,
        }
    }

    fn below(&mut self, step: &str, check: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(step);
        check(self);
        self.path.truncate(length);
    }

    fn deprecated(&mut self, features: &[&str]) {
        if features.contains(&"deprecated") {
            self.report(Problem::Deprecated);
        }
    }

    fn wrong_type(&mut self, expected: &'static str, found: &Value) {
        self.report(Problem::WrongType { expected, found: in_words(found) });
    }

    fn report(&mut self, problem: Problem) {
        self.findings.push(Finding { path: self.path.clone(), problem });
    }
}

impl Json {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Int => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::Null => value.is_null(),
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::Value => true,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Number => "a number",
            Self::Int => "an integer",
            Self::Boolean => "true or false",
            Self::Null => "null",
            Self::Object => "an object",
            Self::Array => "an array",
            Self::Value => "anything",
        }
    }
}

fn in_words(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
