//! RELAX NG from shapes: what the schema says of a type is what reading it accepts.

use std::collections::{BTreeMap, BTreeSet};

use base::{Datatype, Unit, Value};

use crate::element::Namespace;
use crate::model::{FieldShape, Key, Kind, Shape};
use crate::tag::Tag;

/// A pattern of RELAX NG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Nothing.
    Empty,
    /// Any attributes and elements at all.
    Anything,
    /// A text of a kind.
    Data(Datatype),
    /// A definition of the grammar.
    Ref(&'static str),
    /// An attribute.
    Attribute(&'static str, Box<Pattern>),
    /// An element.
    Element(&'static str, Box<Pattern>),
    /// There or not.
    Optional(Box<Pattern>),
    /// Any number of.
    ZeroOrMore(Box<Pattern>),
    /// All of them, in any order.
    Interleave(Vec<Pattern>),
    /// One of them.
    Choice(Vec<Pattern>),
    /// What follows is described by this text.
    Documented(&'static str, Box<Pattern>),
}

/// The definitions of a schema, each made once.
#[derive(Debug, Default)]
pub struct Grammar {
    definitions: BTreeMap<&'static str, Option<Pattern>>,
}

impl Grammar {
    /// A reference to the definition `name`, which `make` gives if it is not there yet.
    ///
    /// Recursive types are fine: the name is taken before the definition is made.
    pub fn define(
        &mut self,
        name: &'static str,
        make: impl FnOnce(&mut Self) -> Pattern,
    ) -> Pattern {
        if !self.definitions.contains_key(name) {
            self.definitions.insert(name, None);
            let pattern = make(self);
            self.definitions.insert(name, Some(pattern));
        }
        Pattern::Ref(name)
    }

    /// The definition `name`.
    pub(crate) fn definition(&self, name: &str) -> Option<&Pattern> {
        self.definitions.get(name)?.as_ref()
    }

    /// The variants of a choice, behind its name and documentation; `None` for anything else.
    fn variants<'a>(&'a self, pattern: &'a Pattern) -> Option<&'a [Pattern]> {
        match pattern {
            Pattern::Choice(variants) => Some(variants),
            Pattern::Documented(_, inner) => self.variants(inner),
            Pattern::Ref(name) => self.variants(self.definition(name)?),
            _ => None,
        }
    }

    /// The names of the elements that a pattern stands for, without those inside of them.
    fn elements(&self, pattern: &Pattern) -> BTreeSet<&'static str> {
        match pattern {
            Pattern::Element(name, _) => BTreeSet::from([*name]),
            Pattern::Optional(inner)
            | Pattern::ZeroOrMore(inner)
            | Pattern::Documented(_, inner) => self.elements(inner),
            Pattern::Interleave(parts) | Pattern::Choice(parts) => {
                parts.iter().flat_map(|part| self.elements(part)).collect()
            }
            Pattern::Ref(name) => {
                self.definition(name).map(|inner| self.elements(inner)).unwrap_or_default()
            }
            Pattern::Empty | Pattern::Anything | Pattern::Data(_) | Pattern::Attribute(..) => {
                BTreeSet::new()
            }
        }
    }

    /// The names of the attributes that a pattern stands for, without those of elements in it.
    fn attributes(&self, pattern: &Pattern) -> BTreeSet<&'static str> {
        match pattern {
            Pattern::Attribute(name, _) => BTreeSet::from([*name]),
            Pattern::Optional(inner)
            | Pattern::ZeroOrMore(inner)
            | Pattern::Documented(_, inner) => self.attributes(inner),
            Pattern::Interleave(parts) | Pattern::Choice(parts) => {
                parts.iter().flat_map(|part| self.attributes(part)).collect()
            }
            Pattern::Ref(name) => {
                self.definition(name).map(|inner| self.attributes(inner)).unwrap_or_default()
            }
            Pattern::Empty | Pattern::Anything | Pattern::Data(_) | Pattern::Element(..) => {
                BTreeSet::new()
            }
        }
    }

    /// A choice of which each variant has those of `shared` besides that it has no own form of.
    fn distributed(&self, choice: &Pattern, shared: &[Pattern]) -> Pattern {
        let variants = self.variants(choice).unwrap_or_default().iter().map(|variant| {
            let own = self.elements(variant);
            let missing = shared.iter().filter(|part| self.elements(part).is_disjoint(&own));
            Pattern::Interleave([variant].into_iter().chain(missing).cloned().collect())
        });
        Pattern::Choice(variants.collect())
    }

    /// The schema of documents whose root element is `root`, as XML. Names with a prefix are in one
    /// of `namespaces`.
    pub fn to_text(
        &self,
        root: &'static str,
        content: &Pattern,
        namespaces: &[Namespace],
    ) -> String {
        let mut grammar = Tag::new("grammar");
        grammar.attribute("xmlns", "http://relaxng.org/ns/structure/1.0");
        grammar.attribute("xmlns:a", "http://relaxng.org/ns/compatibility/annotations/1.0");
        for Namespace { prefix, uri } in namespaces {
            grammar.attribute(&format!("xmlns:{prefix}"), uri);
        }
        grammar.attribute("datatypeLibrary", "http://www.w3.org/2001/XMLSchema-datatypes");
        grammar.child("start", |start| named("element", root, content, &[], start));
        for (name, pattern) in &self.definitions {
            grammar.child("define", |define| {
                define.attribute("name", &definition_name(name));
                print(pattern.as_ref().expect("no definition is left unmade"), &[], define);
            });
        }
        grammar.child("define", |anything| {
            anything.attribute("name", "Anything");
            print_any_content(anything);
        });
        grammar.into_text()
    }
}

/// What a value's text may be.
pub fn of_value<T: Value>(_grammar: &mut Grammar) -> Pattern {
    Pattern::Data(T::datatype())
}

/// What an element of this shape may hold, as a definition.
pub fn of_shape(shape: &'static Shape, grammar: &mut Grammar) -> Pattern {
    grammar.define(shape.name, |grammar| {
        documented(shape.doc, Pattern::Interleave(members(shape, &[], grammar)))
    })
}

/// Attributes and elements of these names, unless `beside` has them already.
fn ignored(names: &[&'static str], beside: &[Pattern], grammar: &Grammar) -> Vec<Pattern> {
    let elements: BTreeSet<_> = beside.iter().flat_map(|part| grammar.elements(part)).collect();
    let attributes: BTreeSet<_> = beside.iter().flat_map(|part| grammar.attributes(part)).collect();
    let attribute = |name: &&'static str| {
        let text = Box::new(Pattern::Data(Datatype::Text));
        Pattern::Optional(Box::new(Pattern::Attribute(name, text)))
    };
    let element = |name: &&'static str| {
        Pattern::ZeroOrMore(Box::new(Pattern::Element(name, Box::new(Pattern::Anything))))
    };
    let new_attributes = names.iter().filter(|name| !attributes.contains(*name)).map(attribute);
    let new_elements = names.iter().filter(|name| !elements.contains(*name)).map(element);
    new_attributes.chain(new_elements).map(|pattern| documented(IGNORED, pattern)).collect()
}

/// What the schema says of names that are neither kept nor reported.
pub(crate) const IGNORED: &str = "Not read: part of the state of a running guest.";

/// What a struct adds to the element that flattens it, asking for the fields in `with`.
pub fn of_flattened(
    shape: &'static Shape,
    with: &'static [&'static str],
    grammar: &mut Grammar,
) -> Pattern {
    if shape.fields.iter().any(|field| field.on_request) {
        Pattern::Interleave(members(shape, with, grammar))
    } else {
        of_shape(shape, grammar)
    }
}

/// What an element may hold of which an attribute chooses the variant, as a definition.
pub fn of_key(key: &'static Key, grammar: &mut Grammar) -> Pattern {
    grammar.define(key.name, |grammar| variants(key, None, grammar))
}

/// The same, where the variant's content sits in a child element.
pub fn of_key_within(key: &'static Key, wrapper: &'static str, grammar: &mut Grammar) -> Pattern {
    variants(key, Some(wrapper), grammar)
}

fn variants(key: &'static Key, within: Option<&'static str>, grammar: &mut Grammar) -> Pattern {
    let variants =
        key.variants.iter().zip(key.words).enumerate().map(|(index, (variant, word))| {
            let words = std::slice::from_ref(word);
            let word = Box::new(Pattern::Data(Datatype::Words(words)));
            let mut attribute = Pattern::Attribute(key.attribute, word);
            if key.default == Some(index) {
                attribute = Pattern::Optional(Box::new(attribute));
            }
            let mut parts = vec![documented(variant.doc, attribute)];
            let content = variant.shape.map(|shape| of_shape(shape(), grammar));
            parts.extend(match within {
                None => content,
                Some(wrapper) => {
                    let element =
                        Pattern::Element(wrapper, Box::new(content.unwrap_or(Pattern::Empty)));
                    Some(Pattern::Optional(Box::new(element)))
                }
            });
            parts.extend(ignored(variant.ignores, &parts, grammar));
            Pattern::Interleave(parts)
        });
    let choice = Pattern::Choice(variants.collect());
    documented(key.doc, choice)
}

/// What the fields add up to. An element that some variants of a flattened enum have for themselves
/// is that of the struct in the other variants only.
fn members(shape: &'static Shape, with: &[&str], grammar: &mut Grammar) -> Vec<Pattern> {
    let (choices, mut others): (Vec<_>, Vec<_>) = fields(shape, with, grammar)
        .into_iter()
        .partition(|member| grammar.variants(member).is_some());
    let mut members = Vec::new();
    for choice in choices {
        let taken = grammar.elements(&choice);
        let (shared, rest): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|other| !grammar.elements(other).is_disjoint(&taken));
        others = rest;
        members.push(if shared.is_empty() {
            choice
        } else {
            grammar.distributed(&choice, &shared)
        });
    }
    members.extend(others);
    members.extend(ignored(shape.ignores, &members, grammar));
    members
}

/// The fields; those that share a name, because conditions tell them apart, share a pattern.
fn fields(shape: &'static Shape, with: &[&str], grammar: &mut Grammar) -> Vec<Pattern> {
    let mut names: Vec<(bool, &'static str)> = Vec::new();
    let mut patterns: Vec<Vec<Pattern>> = Vec::new();
    for field in shape.fields.iter().filter(|f| !f.on_request || with.contains(&f.name)) {
        let pattern = documented(field.doc, member(field, grammar));
        let name = (field.kind == Kind::Attribute, outer_name(field));
        let alone = matches!(field.kind, Kind::Flatten { .. } | Kind::Text);
        match names.iter().position(|known| *known == name).filter(|_| !alone) {
            Some(at) => patterns[at].push(pattern),
            None => {
                names.push(if alone { (false, "") } else { name });
                patterns.push(vec![pattern]);
            }
        }
    }
    patterns
        .into_iter()
        .map(|mut same| match same.len() {
            1 => same.swap_remove(0),
            _ => Pattern::Choice(same),
        })
        .collect()
}

fn outer_name(field: &FieldShape) -> &'static str {
    match field.kind {
        Kind::Child { within: Some(wrapper), .. } => wrapper,
        _ => field.name,
    }
}

fn member(field: &FieldShape, grammar: &mut Grammar) -> Pattern {
    let value = (field.pattern)(grammar);
    let required = field.required && !field.conditional;
    let element = |content| Pattern::Element(field.name, Box::new(with_unit(field, content)));
    let (pattern, many) = match field.kind {
        Kind::Attribute if field.unit => {
            let attribute = Pattern::Attribute(field.name, Box::new(value));
            let both = with_unit(field, attribute);
            return if required { both } else { Pattern::Optional(Box::new(both)) };
        }
        Kind::Attribute => (Pattern::Attribute(field.name, Box::new(value)), false),
        Kind::Text => return with_unit(field, value),
        Kind::Flatten { .. } if field.optional => return Pattern::Optional(Box::new(value)),
        Kind::Flatten { .. } => return value,
        Kind::Child { within: Some(wrapper), .. } => {
            let many = Pattern::ZeroOrMore(Box::new(element(value)));
            (Pattern::Element(wrapper, Box::new(many)), false)
        }
        Kind::Child { many, within: None } => (element(value), many),
        Kind::Value { many, attribute: None } => (element(value), many),
        Kind::Value { many, attribute: Some(name) } => {
            let mut attribute = Pattern::Attribute(name, Box::new(value));
            if field.absent.is_some() {
                attribute = Pattern::Optional(Box::new(attribute));
            }
            (element(attribute), many)
        }
        Kind::Flag => (element(Pattern::Empty), false),
    };
    match (many, required) {
        (true, _) => Pattern::ZeroOrMore(Box::new(pattern)),
        (false, false) => Pattern::Optional(Box::new(pattern)),
        (false, true) => pattern,
    }
}

/// What goes with the attribute `unit`.
fn with_unit(field: &FieldShape, value: Pattern) -> Pattern {
    if !field.unit {
        return value;
    }
    let unit = Pattern::Attribute("unit", Box::new(Pattern::Data(Unit::DATATYPE)));
    Pattern::Interleave(vec![value, Pattern::Optional(Box::new(unit))])
}

fn documented(doc: &'static str, pattern: Pattern) -> Pattern {
    if doc.is_empty() { pattern } else { Pattern::Documented(doc, Box::new(pattern)) }
}

/// Prints a pattern into another one; the element that it becomes begins with `docs`.
fn print(pattern: &Pattern, docs: &[&str], into: &mut Tag) {
    match pattern {
        Pattern::Empty => child("empty", docs, into, |_| {}),
        Pattern::Anything => reference("Anything", docs, into),
        Pattern::Data(datatype) => data(*datatype, docs, into),
        Pattern::Ref(name) => reference(&definition_name(name), docs, into),
        Pattern::Attribute(name, content) => named("attribute", name, content, docs, into),
        Pattern::Element(name, content) => named("element", name, content, docs, into),
        Pattern::Optional(inner) => wrapped("optional", [&**inner], docs, into),
        Pattern::ZeroOrMore(inner) => wrapped("zeroOrMore", [&**inner], docs, into),
        Pattern::Interleave(parts) | Pattern::Choice(parts) if parts.is_empty() => {
            child("empty", docs, into, |_| {});
        }
        Pattern::Interleave(parts) | Pattern::Choice(parts) if parts.len() == 1 => {
            print(&parts[0], docs, into);
        }
        Pattern::Interleave(parts) => wrapped("interleave", parts, docs, into),
        Pattern::Choice(parts) => wrapped("choice", parts, docs, into),
        Pattern::Documented(doc, inner) => {
            let docs: Vec<&str> = docs.iter().copied().chain([*doc]).collect();
            print(inner, &docs, into);
        }
    }
}

fn child(kind: &str, docs: &[&str], into: &mut Tag, fill: impl FnOnce(&mut Tag)) {
    into.child(kind, |tag| {
        for doc in docs {
            tag.child("a:documentation", |documentation| documentation.text(doc));
        }
        fill(tag);
    });
}

/// What a definition is called: XML names have no `::`.
fn definition_name(name: &str) -> String {
    name.replace("::", ".")
}

fn reference(name: &str, docs: &[&str], into: &mut Tag) {
    child("ref", docs, into, |tag| tag.attribute("name", name));
}

fn named(kind: &str, name: &str, content: &Pattern, docs: &[&str], into: &mut Tag) {
    child(kind, docs, into, |tag| {
        tag.attribute("name", name);
        print(content, &[], tag);
    });
}

fn wrapped<'a>(
    kind: &str,
    parts: impl IntoIterator<Item = &'a Pattern>,
    docs: &[&str],
    into: &mut Tag,
) {
    child(kind, docs, into, |tag| parts.into_iter().for_each(|part| print(part, &[], tag)));
}

fn data(datatype: Datatype, docs: &[&str], into: &mut Tag) {
    let mut typed = |name| child("data", docs, into, |tag| tag.attribute("type", name));
    match datatype {
        Datatype::Text => child("text", docs, into, |_| {}),
        Datatype::Unsigned => typed("nonNegativeInteger"),
        Datatype::Integer => typed("integer"),
        Datatype::Pattern(pattern) => child("data", docs, into, |tag| {
            tag.attribute("type", "string");
            tag.child("param", |param| {
                param.attribute("name", "pattern");
                param.text(pattern);
            });
        }),
        Datatype::Words([word]) => child("value", docs, into, |tag| tag.text(word)),
        Datatype::Words(words) => child("choice", docs, into, |choice| {
            for word in words {
                choice.child("value", |value| value.text(word));
            }
        }),
    }
}

/// Any attributes, elements and text, of any namespace.
fn print_any_content(into: &mut Tag) {
    let any_name = |tag: &mut Tag| tag.child("anyName", |_| {});
    into.child("zeroOrMore", |anything| {
        anything.child("choice", |choice| {
            choice.child("text", |_| {});
            choice.child("attribute", any_name);
            choice.child("element", |element| {
                any_name(element);
                reference("Anything", &[], element);
            });
        });
    });
}
