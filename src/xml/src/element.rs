//! Reading: elements of the source, what of them was claimed, and the problems found on the way.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use base::{BadValue, words};
use roxmltree::{Attribute, Node};

use crate::model::{Key, Xml};
use crate::problem::{Origin, Part, Problem, Severity, sort_problems};
use crate::source::{MAX_ATTRIBUTES, UNDECLARED};
use crate::stray::{Places, Stray};

/// An XML namespace whose elements are modelled, under the prefix that is used for it here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// The prefix in field names and in print, whatever a document uses.
    pub prefix: &'static str,
    /// The namespace.
    pub uri: &'static str,
}

/// An element of a source.
#[derive(Clone, Copy, Debug)]
pub struct El<'a> {
    node: Node<'a, 'a>,
    namespaces: &'static [Namespace],
    has_place: bool,
    /// Whether the children of its siblings of the same name are its own, too.
    is_merged: bool,
}

impl<'a> El<'a> {
    /// The root of a document; `has_places` as of its source.
    pub(crate) fn new(
        node: Node<'a, 'a>,
        namespaces: &'static [Namespace],
        has_places: bool,
    ) -> Self {
        Self { node, namespaces, has_place: has_places, is_merged: false }
    }

    /// The element with the children of its siblings of the same name behind its own.
    pub(crate) fn merged(self) -> Self {
        Self { is_merged: true, ..self }
    }

    /// The element in the parsed document.
    pub fn node(self) -> Node<'a, 'a> {
        self.node
    }

    /// Its name as messages show it, without a prefix.
    pub fn name(self) -> &'a str {
        self.node.tag_name().name()
    }

    /// Whether it is called `name`. A name without a prefix is one without a namespace, as libvirt
    /// looks for them.
    pub fn is(self, name: &str) -> bool {
        let tag = self.node.tag_name();
        let Some(uri) = tag.namespace() else { return tag.name() == name };
        name.split_once(':').is_some_and(|(prefix, local)| {
            tag.name() == local
                && self.namespaces.iter().any(|ns| ns.prefix == prefix && ns.uri == uri)
        })
    }

    /// Its namespace; a prefix that is not declared gives none.
    pub fn namespace(self) -> Option<&'a str> {
        self.node.tag_name().namespace().filter(|uri| *uri != UNDECLARED)
    }

    /// Where it stands.
    pub fn origin(self) -> Origin {
        if self.has_place { Origin::Element(self.node.id().get()) } else { Origin::None }
    }

    /// The attribute `name`, which must have no namespace.
    pub fn attribute(self, name: &str) -> Option<&'a str> {
        self.plain_attributes().find(|attribute| attribute.name() == name).map(|a| a.value())
    }

    fn plain_attributes(self) -> impl Iterator<Item = Attribute<'a, 'a>> {
        self.node.attributes().filter(|attribute| attribute.namespace().is_none())
    }

    /// Its child elements.
    pub fn children(self) -> impl Iterator<Item = Self> {
        let mut children = Vec::new();
        self.each_child(|child| children.push(child));
        children.into_iter()
    }

    fn each_child(self, mut each: impl FnMut(Self)) {
        let mut inside = |node: Node<'a, 'a>| {
            let elements = node.children().filter(Node::is_element);
            elements.for_each(|node| each(Self { node, is_merged: false, ..self }));
        };
        inside(self.node);
        if self.is_merged {
            let name = self.node.tag_name();
            let others = self.node.next_siblings().skip(1);
            others.filter(|other| other.tag_name() == name).for_each(inside);
        }
    }

    /// The first child element called `name`.
    pub fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.is(name))
    }

    /// Whether it has text of its own besides white space.
    fn has_text(self) -> bool {
        let texts = self.node.children().filter(Node::is_text);
        texts.filter_map(|node| node.text()).any(|text| !text.trim().is_empty())
    }

    /// All of its own text, also around comments.
    pub fn text(self) -> Cow<'a, str> {
        let mut texts = self.node.children().filter(Node::is_text).filter_map(|node| node.text());
        let first = texts.next().unwrap_or_default();
        match texts.next() {
            None => Cow::Borrowed(first),
            Some(second) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }
}

/// What may stand in an element, for the messages about what may not.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) attributes: Vec<&'static str>,
    pub(crate) children: Vec<&'static str>,
    /// Names that would have been read under another condition.
    pub(crate) unused: Vec<&'static str>,
    /// Enums of which some variant would have read its names.
    pub(crate) unused_variants: Vec<&'static Key>,
    /// Names that are of no interest.
    pub(crate) ignored: Vec<&'static str>,
    /// Whether an unknown child element is an error.
    pub(crate) closed: bool,
}

impl Names {
    fn is_unused(&self, name: &str) -> bool {
        self.unused.contains(&name) || self.unused_variants.iter().any(|key| key.has_field(name))
    }
}

/// One element while it is read: which of its attributes and children were claimed. What nobody
/// claims is reported.
#[derive(Debug)]
pub struct Cursor<'a> {
    el: El<'a>,
    /// Which attributes were claimed, by their position.
    attributes: [u64; MAX_ATTRIBUTES / 64],
    children: Vec<(El<'a>, bool)>,
    text_claimed: bool,
    /// The [`digest`]s of all names, since most of those that are looked for are not there.
    digests: u64,
    /// The names that were asked for one by one.
    names: Names,
}

/// One bit for a name: a name whose bit is not among those of an element is not in it.
fn digest(name: &str) -> u64 {
    match name.as_bytes() {
        [first, .., last] => 1 << ((first ^ last.rotate_left(2) ^ name.len() as u8) & 63),
        _ => 1,
    }
}

impl<'a> Cursor<'a> {
    /// Starts with nothing claimed.
    pub fn new(el: El<'a>) -> Self {
        let mut digests = 0;
        el.node.attributes().for_each(|attribute| digests |= digest(attribute.name()));
        let mut children = Vec::new();
        el.each_child(|child| {
            // A name with a prefix is looked for with the prefix that is used for it here.
            let has_prefix = child.node.tag_name().namespace().is_some();
            digests |= if has_prefix { u64::MAX } else { digest(child.name()) };
            children.push((child, false));
        });
        Self {
            el,
            attributes: Default::default(),
            children,
            text_claimed: false,
            digests,
            names: Names::default(),
        }
    }

    /// The element.
    pub fn el(&self) -> El<'a> {
        self.el
    }

    /// Whether there may be an attribute or a child called `name`.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        self.digests & digest(name) != 0
    }

    /// Claims the attribute `name`, which is known by the shape of the element.
    pub(crate) fn claim_attribute(&mut self, name: &str) -> Option<&'a str> {
        if !self.may_have(name) {
            return None;
        }
        let mut attributes = self.el.node.attributes().enumerate();
        let (at, found) =
            attributes.find(|(_, it)| it.name() == name && it.namespace().is_none())?;
        self.attributes[at / 64] |= 1 << (at % 64);
        Some(found.value())
    }

    /// Claims the next child called `name`, which is known by the shape of the element.
    pub(crate) fn claim_child(&mut self, name: &str) -> Option<El<'a>> {
        if !self.may_have(name) {
            return None;
        }
        let mut children = self.children.iter_mut();
        let (child, claimed) = children.find(|(child, claimed)| !*claimed && child.is(name))?;
        *claimed = true;
        Some(*child)
    }

    /// Claims the attribute `name`.
    pub fn attribute(&mut self, name: &'static str) -> Option<&'a str> {
        self.names.attributes.push(name);
        self.claim_attribute(name)
    }

    /// Claims the children called `name`.
    pub fn children(&mut self, name: &'static str) -> Vec<El<'a>> {
        self.names.children.push(name);
        std::iter::from_fn(|| self.claim_child(name)).collect()
    }

    /// Claims the text.
    pub fn text(&mut self) -> Cow<'a, str> {
        self.text_claimed = true;
        self.el.text()
    }

    /// Says nothing of the attributes and children in `names` if nobody claims them.
    pub fn ignore(&mut self, names: &'static [&'static str]) {
        self.names.ignored.extend(names);
    }

    /// Claims everything: there is no telling what would have been.
    pub(crate) fn leave_all(&mut self) {
        self.attributes = [u64::MAX; MAX_ATTRIBUTES / 64];
        self.children.iter_mut().for_each(|(_, claimed)| *claimed = true);
        self.text_claimed = true;
    }

    /// What is said of a name with a prefix that is not declared.
    fn undeclared(&self, prefix: &str, name: &str) -> (String, String) {
        let known = self.el.namespaces.iter().find(|known| known.prefix == prefix);
        let uri = known.map_or("…", |known| known.uri);
        (
            format!("'{prefix}:{name}' has no effect: the prefix '{prefix}' is not declared"),
            format!("write xmlns:{prefix}='{uri}' in the root element"),
        )
    }

    /// The prefix of an attribute, or of a child's name, as it is written.
    fn prefix(&self, range: Range<usize>) -> &'a str {
        let text = &self.el.node.document().input_text()[range];
        text.trim_start_matches('<').split_once(':').map_or("", |(prefix, _)| prefix)
    }

    /// The attributes that nobody claimed.
    fn attributes_left(&self) -> impl Iterator<Item = Attribute<'a, 'a>> {
        let attributes = self.el.node.attributes().enumerate();
        attributes
            .filter(|(at, _)| self.attributes[at / 64] & (1 << (at % 64)) == 0)
            .map(|(_, attribute)| attribute)
    }

    /// Reports what nobody claimed.
    pub fn finish(self, reader: &mut Reader) {
        self.finish_with(|_| {}, reader);
    }

    /// Reports what nobody claimed. `add` adds the names that are known by the shape of the element.
    pub(crate) fn finish_with(mut self, add: impl FnOnce(&mut Names), reader: &mut Reader) {
        let all_claimed = self.children.iter().all(|(_, claimed)| *claimed);
        if !all_claimed || self.attributes_left().next().is_some() {
            let mut names = std::mem::take(&mut self.names);
            add(&mut names);
            self.report_attributes(&names, reader);
            self.report_children(&names, reader);
        }
        if !self.text_claimed && self.el.has_text() {
            let message = format!("the text in <{}> has no effect", self.el.name());
            reader.problems.push(Problem::warning(self.el.origin(), Part::Text, message));
        }
    }

    fn report_attributes(&self, names: &Names, reader: &mut Reader) {
        let element = self.el.name();
        let origin = self.el.origin();
        for attribute in self.attributes_left() {
            let name = attribute.name();
            if attribute.namespace() == Some(UNDECLARED) {
                let (message, help) = self.undeclared(self.prefix(attribute.range_qname()), name);
                let part = Part::AttributeName(name.to_owned());
                reader.push(Problem::warning(origin, part, message).help(help));
                continue;
            }
            if attribute.namespace().is_none() && names.ignored.contains(&name) {
                continue;
            }
            let message = if names.is_unused(name) {
                format!("'{name}' has no effect on this <{element}>")
            } else {
                format!("unknown attribute '{name}' in <{element}>")
            };
            let part = Part::AttributeName(name.to_owned());
            let mut problem = Problem::warning(origin, part, message);
            if let Some(near) = words::nearest(names.attributes.iter().copied(), name) {
                problem = problem.help(format!("did you mean '{near}'?"));
            } else if attribute.namespace().is_none() && !names.is_unused(name) {
                reader.stray(self.el, Stray::Attribute(name.to_owned()));
            }
            reader.problems.push(problem);
        }
    }

    fn report_children(&self, names: &Names, reader: &mut Reader) {
        let element = self.el.name();
        for (child, _) in self.children.iter().filter(|(_, claimed)| !claimed) {
            let name = child.name();
            if child.node.tag_name().namespace() == Some(UNDECLARED) {
                let (message, help) = self.undeclared(self.prefix(child.node.range()), name);
                reader.push(Problem::warning(child.origin(), Part::Name, message).help(help));
                continue;
            }
            if names.ignored.iter().any(|ignored| child.is(ignored)) {
                continue;
            }
            let mut problem = if names.is_unused(name) {
                let message = format!("<{name}> has no effect in this <{element}>");
                Problem::warning(child.origin(), Part::Name, message)
            } else {
                let severity = if names.closed { Severity::Error } else { Severity::Warning };
                let message = format!("unknown element <{name}> in <{element}>");
                Problem { severity, ..Problem::warning(child.origin(), Part::Name, message) }
            };
            if let Some(near) = words::nearest(names.children.iter().copied(), name) {
                problem = problem.help(format!("did you mean <{near}>?"));
            } else if child.node.tag_name().namespace().is_none() && !names.is_unused(name) {
                reader.stray(self.el, Stray::Element(name.to_owned()));
            }
            reader.problems.push(problem);
        }
    }
}

/// Collects what is to be said about a document while it is read.
#[derive(Debug, Default)]
pub struct Reader {
    problems: Vec<Problem>,
    /// The problems, by number, that are about a name unknown in the element at a path.
    strays: Vec<(usize, Vec<String>, Stray)>,
}

impl Reader {
    /// Notes a problem.
    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes that the document is not accepted, because of `part` of the element at `origin`.
    pub fn error(&mut self, origin: Origin, part: Part, message: impl Into<String>) {
        self.push(Problem::error(origin, part, message));
    }

    /// Notes that `part` of the element at `origin` has no effect, or not the expected one.
    pub fn warning(&mut self, origin: Origin, part: Part, message: impl Into<String>) {
        self.push(Problem::warning(origin, part, message));
    }

    /// Notes a value that was not understood.
    pub fn bad_value(&mut self, el: El<'_>, part: Part, text: &str, bad: BadValue) {
        let shown: String = text.chars().take(60).collect();
        let message = match &part {
            Part::Attribute(name) => {
                format!("'{shown}' is not a value of '{name}' in <{}>", el.name())
            }
            _ => format!("'{shown}' is not a value of <{}>", el.name()),
        };
        let problem = Problem {
            severity: Severity::Error,
            origin: el.origin(),
            part,
            message,
            expected: Some(bad.expected),
            help: bad.near.map(|near| format!("did you mean '{near}'?")),
        };
        self.push(problem);
    }

    /// Notes that the problem that is pushed next is about a name unknown in `el`.
    fn stray(&mut self, el: El<'_>, stray: Stray) {
        let around = el.node.ancestors().filter(Node::is_element);
        let mut path: Vec<_> = around.map(|node| node.tag_name().name().to_owned()).collect();
        path.pop();
        path.reverse();
        self.strays.push((self.problems.len(), path, stray));
    }

    /// Says of each unknown name where in the root element, whose content `make` describes, it
    /// belongs.
    pub(crate) fn place_strays<T: Xml>(&mut self) {
        if self.strays.is_empty() {
            return;
        }
        let places = Places::of::<T>();
        for (problem, path, stray) in self.strays.drain(..) {
            self.problems[problem].help = places.help(&stray, &path);
        }
    }

    /// How many errors were noted so far.
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.is_error()).count()
    }

    /// Everything that was noted, in the order of the document. Of what is refused, nothing is said
    /// besides.
    pub fn into_problems(mut self) -> Vec<Problem> {
        let place = |problem: &Problem| match problem.origin {
            Origin::Element(number) => Some((number, problem.part.clone())),
            Origin::None | Origin::Step(_) => None,
        };
        let refused: BTreeSet<_> =
            self.problems.iter().filter(|problem| problem.is_error()).filter_map(place).collect();
        self.problems.retain(|problem| {
            problem.is_error() || place(problem).is_none_or(|place| !refused.contains(&place))
        });
        sort_problems(&mut self.problems);
        self.problems
    }
}
