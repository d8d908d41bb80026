//! One entry of the answer to `query-qmp-schema`, read from its text when it is reached: a plan needs
//! a tenth of them.

use serde::{Deserialize, Deserializer};

/// A command, event or type.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawEntry<'a>", bound(deserialize = "'de: 'a"))]
pub(super) struct Entry<'a> {
    pub(super) features: Vec<&'a str>,
    pub(super) kind: Kind<'a>,
}

/// What an entry describes. Types are named by the names of their entries.
#[derive(Clone, Debug)]
pub(super) enum Kind<'a> {
    Command {
        arguments: &'a str,
        returns: &'a str,
    },
    Event {
        data: &'a str,
    },
    Builtin(Json),
    /// The values.
    Enum(Vec<Member<'a>>),
    Array {
        element: &'a str,
    },
    Object {
        members: Vec<Member<'a>>,
        /// The member whose value decides which variant's members there are besides.
        tag: Option<&'a str>,
        variants: Vec<Variant<'a>>,
    },
    /// Any of these, told apart by their JSON type.
    Alternate(Vec<Member<'a>>),
}

/// A member of an object, a branch of an alternate, or a value of an enumeration.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Member<'a> {
    /// Absent in alternates.
    #[serde(default)]
    pub(super) name: &'a str,
    /// Absent in enumerations.
    #[serde(default)]
    pub(super) r#type: &'a str,
    /// Present, usually `null`, where the member may be left out.
    #[serde(default, rename = "default", deserialize_with = "present")]
    pub(super) optional: bool,
    #[serde(default, borrow)]
    pub(super) features: Vec<&'a str>,
}

/// The further members of an object whose tag has a value.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Variant<'a> {
    /// The value.
    pub(super) case: &'a str,
    /// The type that holds the members.
    pub(super) r#type: &'a str,
}

/// What a value looks like in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Json {
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

/// An entry as QEMU sends it: the members of every kind, as `meta-type` comes behind some of
/// them. An enumeration that serde tells apart by it would have each entry kept as a tree first,
/// which takes several times as long.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawEntry<'a> {
    name: &'a str,
    #[serde(default, borrow)]
    features: Vec<&'a str>,
    meta_type: &'a str,
    json_type: Option<Json>,
    /// Absent in enumerations before QEMU 6.2, which have `values` only.
    #[serde(borrow)]
    members: Option<Vec<Member<'a>>>,
    #[serde(default, borrow)]
    values: Vec<&'a str>,
    element_type: Option<&'a str>,
    tag: Option<&'a str>,
    #[serde(default, borrow)]
    variants: Vec<Variant<'a>>,
    arg_type: Option<&'a str>,
    ret_type: Option<&'a str>,
}

impl<'a> TryFrom<RawEntry<'a>> for Entry<'a> {
    type Error = String;

    fn try_from(raw: RawEntry<'a>) -> Result<Self, String> {
        let RawEntry { name, features, meta_type, members, tag, values, variants, .. } = raw;
        let missing = |member: &str| format!("{meta_type} '{name}' has no '{member}'");
        let word = |word: Option<&'a str>, member| word.ok_or_else(|| missing(member));
        let value = |name| Member { name, ..Member::default() };
        let kind = match meta_type {
            "builtin" => Kind::Builtin(raw.json_type.ok_or_else(|| missing("json-type"))?),
            "enum" => {
                Kind::Enum(members.unwrap_or_else(|| values.into_iter().map(value).collect()))
            }
            "array" => Kind::Array { element: word(raw.element_type, "element-type")? },
            "object" => {
                Kind::Object { members: members.ok_or_else(|| missing("members"))?, tag, variants }
            }
            "alternate" => Kind::Alternate(members.ok_or_else(|| missing("members"))?),
            "command" => Kind::Command {
                arguments: word(raw.arg_type, "arg-type")?,
                returns: word(raw.ret_type, "ret-type")?,
            },
            "event" => Kind::Event { data: word(raw.arg_type, "arg-type")? },
            other => return Err(format!("'{name}' is of an unknown kind, '{other}'")),
        };
        Ok(Self { features, kind })
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}
