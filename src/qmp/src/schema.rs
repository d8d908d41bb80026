//! What the commands of one QEMU binary take and return, from its answer to `query-qmp-schema`.
//!
//! Names of types are hidden in that answer, so types are reached by walking from a command:
//!
//! ```no_run
//! # fn has(schema: &qmp::Schema<'_>) -> Option<bool> {
//! let io_uring = schema.command("blockdev-add")?.arguments()?
//!     .variant("file")?
//!     .member("aio")?
//!     .has_value("io_uring");
//! # Some(io_uring) }
//! ```
//!
//! [`Schema::check`] says what is wrong with a command before it is sent. Device properties are
//! not in the schema; `device-list-properties` has them.
//!
//! Source: QEMU's `qapi/introspect.json`.

mod check;
mod entry;

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

pub use check::{Finding, Problem};
use entry::{Entry, Kind};

/// All commands, events and types of one QEMU.
#[derive(Debug)]
pub struct Schema<'a> {
    /// What describes each command, event and type, whose names are all different.
    entries: HashMap<&'a str, &'a str>,
}

/// A command that a binary knows.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    schema: &'a Schema<'a>,
    arguments: &'a str,
    returns: &'a str,
    features: Vec<&'a str>,
}

/// A type that was reached by walking.
#[derive(Clone, Debug)]
pub struct Type<'a> {
    schema: &'a Schema<'a>,
    entry: Entry<'a>,
}

impl<'a> Schema<'a> {
    /// The answer to `query-qmp-schema`, the value of its `return`, as a text to be kept: a line for
    /// each entry, with its name in front. The answer as it is has a quarter of a megabyte, most of
    /// which nobody wants to know, and takes milliseconds to be read as JSON.
    ///
    /// # Errors
    ///
    /// It is no list of entries with names.
    pub fn text_of(reply: &Value) -> Result<String, String> {
        let not_understood = || "the QMP schema is not understood: it is no list of entries";
        let entries = reply.as_array().ok_or_else(not_understood)?;
        let mut text = String::new();
        for entry in entries {
            let name = entry["name"].as_str().ok_or_else(not_understood)?;
            // JSON has no line end but where the writer puts one.
            text.push_str(&format!("{name}\t{entry}\n"));
        }
        Ok(text)
    }

    /// Reads what [`Schema::text_of`] has made. An entry that is not as `qapi/introspect.json`
    /// describes it is noticed only when it is reached, and is then as good as absent.
    pub fn from_text(text: &'a str) -> Self {
        Self { entries: text.lines().filter_map(|line| line.split_once('\t')).collect() }
    }

    /// A command, if the binary has it.
    pub fn command(&self, name: &str) -> Option<Command<'_>> {
        let Entry { features, kind } = self.entry(name)?;
        match kind {
            Kind::Command { arguments, returns } => {
                Some(Command { schema: self, arguments, returns, features })
            }
            _ => None,
        }
    }

    /// The data of an event, if the binary has it.
    pub fn event(&self, name: &str) -> Option<Type<'_>> {
        match self.entry(name)?.kind {
            Kind::Event { data } => self.at(data),
            _ => None,
        }
    }

    /// All commands, sorted by name.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        let names = self.entries.keys().copied();
        names.filter(|name| self.command(name).is_some()).collect::<BTreeSet<_>>().into_iter()
    }

    /// Says everything that is wrong with a command's arguments; `null` stands for none.
    ///
    /// What `device_add` takes besides `driver`, `bus` and `id` is not checked: it depends on the
    /// device.
    pub fn check(&self, command: &str, arguments: &Value) -> Vec<Finding> {
        check::check(self, command, arguments)
    }

    fn entry(&self, name: &str) -> Option<Entry<'_>> {
        serde_json::from_str(self.entries.get(name)?).ok()
    }

    fn at(&self, name: &str) -> Option<Type<'_>> {
        Some(Type { schema: self, entry: self.entry(name)? })
    }
}

impl<'a> Command<'a> {
    /// What it takes: an object.
    pub fn arguments(&self) -> Option<Type<'a>> {
        self.schema.at(self.arguments)
    }

    /// What it returns.
    pub fn returns(&self) -> Option<Type<'a>> {
        self.schema.at(self.returns)
    }

    /// Whether it is marked with a feature, such as `deprecated`.
    pub fn has_feature(&self, name: &str) -> bool {
        self.features.contains(&name)
    }
}

impl<'a> Type<'a> {
    /// A member of an object, not of its variants.
    pub fn member(&self, name: &str) -> Option<Type<'a>> {
        match &self.entry.kind {
            Kind::Object { members, .. } => {
                self.schema.at(members.iter().find(|member| member.name == name)?.r#type)
            }
            _ => None,
        }
    }

    /// The names of an object's members, without those of its variants, in QEMU's order.
    pub fn members(&self) -> Vec<&'a str> {
        match &self.entry.kind {
            Kind::Object { members, .. } => members.iter().map(|member| member.name).collect(),
            _ => Vec::new(),
        }
    }

    /// The further members of an object whose tag has this value.
    pub fn variant(&self, case: &str) -> Option<Type<'a>> {
        match &self.entry.kind {
            Kind::Object { variants, .. } => {
                self.schema.at(variants.iter().find(|variant| variant.case == case)?.r#type)
            }
            _ => None,
        }
    }

    /// The type of an array's elements.
    pub fn element(&self) -> Option<Type<'a>> {
        match &self.entry.kind {
            Kind::Array { element } => self.schema.at(element),
            _ => None,
        }
    }

    /// Whether an enumeration has a value.
    pub fn has_value(&self, name: &str) -> bool {
        match &self.entry.kind {
            Kind::Enum(values) => values.iter().any(|value| value.name == name),
            _ => false,
        }
    }

    /// Whether the type is marked with a feature, such as `dynamic-auto-read-only`.
    pub fn has_feature(&self, name: &str) -> bool {
        self.entry.features.contains(&name)
    }
}

#[cfg(test)]
mod tests;
