//! What the commands of one QEMU binary take and return, from its answer to `query-qmp-schema`.
//!
//! Names of types are hidden in that answer, so types are reached by walking from a command:
//!
//! ```no_run
//! # fn has(schema: &qmp::Schema) -> Option<bool> {
//! let io_uring = schema.command("blockdev-add")?.arguments()
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
mod parse;

use std::collections::BTreeMap;

use serde_json::Value;

pub use check::{Finding, Problem};

/// All commands, events and types of one QEMU.
#[derive(Debug)]
pub struct Schema {
    types: Vec<Definition>,
    commands: BTreeMap<Box<str>, CommandDefinition>,
    /// Each with the number of its data's type.
    events: BTreeMap<Box<str>, usize>,
}

/// A command that a binary knows.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    schema: &'a Schema,
    definition: &'a CommandDefinition,
}

/// A type that was reached by walking.
#[derive(Clone, Copy, Debug)]
pub struct Type<'a> {
    schema: &'a Schema,
    number: usize,
}

#[derive(Debug)]
struct CommandDefinition {
    /// The number of the arguments' type.
    arguments: usize,
    returns: usize,
    features: Vec<Box<str>>,
}

#[derive(Debug)]
struct Definition {
    kind: Kind,
    features: Vec<Box<str>>,
}

#[derive(Debug)]
enum Kind {
    Builtin(Json),
    Enum(Vec<Named>),
    Array {
        element: usize,
    },
    Object {
        members: Vec<Member>,
        /// The member whose value decides which variant's members there are besides.
        tag: Option<Box<str>>,
        /// Values of the tag, with the number of the type that holds the further members.
        variants: Vec<(Box<str>, usize)>,
    },
    /// Any of these, told apart by their JSON type.
    Alternate(Vec<usize>),
}

/// What a value looks like in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Json {
    String,
    Number,
    Int,
    Boolean,
    Null,
    Object,
    Array,
    /// Anything.
    Value,
}

#[derive(Debug)]
struct Named {
    name: Box<str>,
    features: Vec<Box<str>>,
}

#[derive(Debug)]
struct Member {
    named: Named,
    /// The number of its type.
    r#type: usize,
    optional: bool,
}

impl Schema {
    /// Reads the answer to `query-qmp-schema`: the value of its `return`.
    ///
    /// # Errors
    ///
    /// Says what is not as `qapi/introspect.json` describes it.
    pub fn parse(reply: &Value) -> Result<Self, String> {
        parse::parse(reply)
    }

    /// Reads the same answer from its text, which is several times as fast.
    ///
    /// # Errors
    ///
    /// Those of [`Schema::parse`].
    pub fn from_text(reply: &str) -> Result<Self, String> {
        parse::parse(&mut serde_json::Deserializer::from_str(reply))
    }

    /// A command, if the binary has it.
    pub fn command(&self, name: &str) -> Option<Command<'_>> {
        self.commands.get(name).map(|definition| Command { schema: self, definition })
    }

    /// The data of an event, if the binary has it.
    pub fn event(&self, name: &str) -> Option<Type<'_>> {
        self.events.get(name).map(|number| self.at(*number))
    }

    /// All commands, sorted by name.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        self.commands.keys().map(AsRef::as_ref)
    }

    /// Says everything that is wrong with a command's arguments; `null` stands for none.
    ///
    /// What `device_add` takes besides `driver`, `bus` and `id` is not checked: it depends on the
    /// device.
    pub fn check(&self, command: &str, arguments: &Value) -> Vec<Finding> {
        check::check(self, command, arguments)
    }

    fn at(&self, number: usize) -> Type<'_> {
        Type { schema: self, number }
    }
}

impl<'a> Command<'a> {
    /// What it takes: an object.
    pub fn arguments(self) -> Type<'a> {
        self.schema.at(self.definition.arguments)
    }

    /// What it returns.
    pub fn returns(self) -> Type<'a> {
        self.schema.at(self.definition.returns)
    }

    /// Whether it is marked with a feature, such as `deprecated`.
    pub fn has_feature(self, name: &str) -> bool {
        has(&self.definition.features, name)
    }
}

impl<'a> Type<'a> {
    /// A member of an object, not of its variants.
    pub fn member(self, name: &str) -> Option<Type<'a>> {
        match self.kind() {
            Kind::Object { members, .. } => {
                let member = members.iter().find(|member| *member.named.name == *name)?;
                Some(self.schema.at(member.r#type))
            }
            _ => None,
        }
    }

    /// The further members of an object whose tag has this value.
    pub fn variant(self, case: &str) -> Option<Type<'a>> {
        match self.kind() {
            Kind::Object { variants, .. } => {
                let (_, number) = variants.iter().find(|(name, _)| **name == *case)?;
                Some(self.schema.at(*number))
            }
            _ => None,
        }
    }

    /// The type of an array's elements.
    pub fn element(self) -> Option<Type<'a>> {
        match self.kind() {
            Kind::Array { element } => Some(self.schema.at(*element)),
            _ => None,
        }
    }

    /// Whether an enumeration has a value.
    pub fn has_value(self, name: &str) -> bool {
        match self.kind() {
            Kind::Enum(values) => values.iter().any(|value| *value.name == *name),
            _ => false,
        }
    }

    /// Whether the type is marked with a feature, such as `dynamic-auto-read-only`.
    pub fn has_feature(self, name: &str) -> bool {
        has(&self.schema.types[self.number].features, name)
    }

    fn kind(self) -> &'a Kind {
        &self.schema.types[self.number].kind
    }
}

fn has(features: &[Box<str>], name: &str) -> bool {
    features.iter().any(|feature| **feature == *name)
}

#[cfg(test)]
mod tests;
