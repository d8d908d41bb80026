//! The answer to `query-qmp-schema`, with names of types replaced by numbers.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer};

use super::{CommandDefinition, Definition, Json, Kind, Member, Named, Schema};

/// An entry as it is understood.
#[derive(Deserialize)]
#[serde(try_from = "RawEntry<'a>", bound(deserialize = "'de: 'a"))]
struct Entry<'a> {
    name: &'a str,
    features: Vec<&'a str>,
    meta: Meta<'a>,
}

enum Meta<'a> {
    Builtin { json_type: &'a str },
    Enum { members: Vec<RawMember<'a>>, values: Vec<&'a str> },
    Array { element_type: &'a str },
    Object { members: Vec<RawMember<'a>>, tag: Option<&'a str>, variants: Vec<RawVariant<'a>> },
    Alternate { members: Vec<RawMember<'a>> },
    Command { arg_type: &'a str, ret_type: &'a str },
    Event { arg_type: &'a str },
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
    json_type: Option<&'a str>,
    /// Absent in enumerations before QEMU 6.2, which have `values` only.
    #[serde(borrow)]
    members: Option<Vec<RawMember<'a>>>,
    #[serde(default, borrow)]
    values: Vec<&'a str>,
    element_type: Option<&'a str>,
    tag: Option<&'a str>,
    #[serde(default, borrow)]
    variants: Vec<RawVariant<'a>>,
    arg_type: Option<&'a str>,
    ret_type: Option<&'a str>,
}

impl<'a> TryFrom<RawEntry<'a>> for Entry<'a> {
    type Error = String;

    fn try_from(raw: RawEntry<'a>) -> Result<Self, String> {
        let RawEntry { name, features, meta_type, members, tag, values, variants, .. } = raw;
        let missing = |member: &str| format!("{meta_type} '{name}' has no '{member}'");
        let word = |word: Option<&'a str>, member| word.ok_or_else(|| missing(member));
        let meta = match meta_type {
            "builtin" => Meta::Builtin { json_type: word(raw.json_type, "json-type")? },
            "enum" => Meta::Enum { members: members.unwrap_or_default(), values },
            "array" => Meta::Array { element_type: word(raw.element_type, "element-type")? },
            "object" => {
                Meta::Object { members: members.ok_or_else(|| missing("members"))?, tag, variants }
            }
            "alternate" => Meta::Alternate { members: members.ok_or_else(|| missing("members"))? },
            "command" => Meta::Command {
                arg_type: word(raw.arg_type, "arg-type")?,
                ret_type: word(raw.ret_type, "ret-type")?,
            },
            "event" => Meta::Event { arg_type: word(raw.arg_type, "arg-type")? },
            other => return Err(format!("'{name}' is of an unknown kind, '{other}'")),
        };
        Ok(Self { name, features, meta })
    }
}

#[derive(Deserialize)]
struct RawMember<'a> {
    /// Absent in alternates.
    #[serde(default)]
    name: &'a str,
    /// Absent in enumerations.
    #[serde(default)]
    r#type: &'a str,
    /// Present, usually `null`, where the member may be left out.
    #[serde(default, deserialize_with = "present")]
    default: bool,
    #[serde(default)]
    features: Vec<&'a str>,
}

#[derive(Deserialize)]
struct RawVariant<'a> {
    case: &'a str,
    r#type: &'a str,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

pub(super) fn parse<'a, D>(reply: D) -> Result<Schema, String>
where
    D: Deserializer<'a, Error = serde_json::Error>,
{
    let entries = Vec::<Entry<'a>>::deserialize(reply)
        .map_err(|error| format!("the QMP schema is not understood: {error}"))?;
    let is_type =
        |entry: &&Entry<'a>| !matches!(entry.meta, Meta::Command { .. } | Meta::Event { .. });
    let numbers: HashMap<&str, usize> = entries
        .iter()
        .filter(is_type)
        .enumerate()
        .map(|(number, entry)| (entry.name, number))
        .collect();
    let number = |name: &str| {
        let found = numbers.get(name).copied();
        found.ok_or_else(|| format!("the QMP schema has no type '{name}', though it uses it"))
    };

    let mut schema =
        Schema { types: Vec::new(), commands: BTreeMap::new(), events: BTreeMap::new() };
    for Entry { name, features, meta } in entries {
        let kind = match meta {
            Meta::Command { arg_type, ret_type } => {
                let (arguments, returns) = (number(arg_type)?, number(ret_type)?);
                let features = owned(&features);
                let command = CommandDefinition { arguments, returns, features };
                schema.commands.insert(name.into(), command);
                continue;
            }
            Meta::Event { arg_type } => {
                schema.events.insert(name.into(), number(arg_type)?);
                continue;
            }
            Meta::Builtin { json_type } => Kind::Builtin(json(json_type)?),
            Meta::Enum { members, values } if members.is_empty() => Kind::Enum(
                values
                    .iter()
                    .map(|name| Named { name: (*name).into(), features: vec![] })
                    .collect(),
            ),
            Meta::Enum { members, .. } => Kind::Enum(members.iter().map(named).collect()),
            Meta::Array { element_type } => Kind::Array { element: number(element_type)? },
            Meta::Object { members, tag, variants } => {
                let member = |raw: &RawMember<'_>| {
                    let (r#type, optional) = (number(raw.r#type)?, raw.default);
                    Ok(Member { named: named(raw), r#type, optional })
                };
                let variant = |raw: &RawVariant<'_>| Ok((raw.case.into(), number(raw.r#type)?));
                Kind::Object {
                    members: members.iter().map(member).collect::<Result<_, String>>()?,
                    tag: tag.map(Into::into),
                    variants: variants.iter().map(variant).collect::<Result<_, String>>()?,
                }
            }
            Meta::Alternate { members } => Kind::Alternate(
                members.iter().map(|raw| number(raw.r#type)).collect::<Result<_, _>>()?,
            ),
        };
        schema.types.push(Definition { kind, features: owned(&features) });
    }
    Ok(schema)
}

fn named(raw: &RawMember<'_>) -> Named {
    Named { name: raw.name.into(), features: owned(&raw.features) }
}

fn owned(features: &[&str]) -> Vec<Box<str>> {
    features.iter().map(|feature| (*feature).into()).collect()
}

fn json(name: &str) -> Result<Json, String> {
    Ok(match name {
        "string" => Json::String,
        "number" => Json::Number,
        "int" => Json::Int,
        "boolean" => Json::Boolean,
        "null" => Json::Null,
        "object" => Json::Object,
        "array" => Json::Array,
        "value" => Json::Value,
        other => return Err(format!("the QMP schema has an unknown JSON type '{other}'")),
    })
}
