//! Reading: elements of the source, what of them was claimed, and the problems found on the way.

use std::collections::BTreeSet;
use std::ops::Range;

use base::{BadValue, words};
use roxmltree::{Attribute, Node};

use crate::model::{Key, Xml};
use crate::problem::{Origin, Part, Problem, Severity, sort_problems};
use crate::source::UNDECLARED;
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
        match (tag.namespace(), name.split_once(':')) {
            (None, None) => tag.name() == name,
            (Some(uri), Some((prefix, local))) => {
                tag.name() == local
                    && self.namespaces.iter().any(|ns| ns.prefix == prefix && ns.uri == uri)
            }
            _ => false,
        }
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
        let name = self.node.tag_name();
        let siblings = self.is_merged.then(|| self.node.next_siblings().skip(1));
        let more = siblings.into_iter().flatten().filter(move |node| node.tag_name() == name);
        self.node
            .children()
            .chain(more.flat_map(|node| node.children()))
            .filter(Node::is_element)
            .map(move |node| Self { node, is_merged: false, ..self })
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
    pub fn text(self) -> String {
        self.node.children().filter(Node::is_text).filter_map(|node| node.text()).collect()
    }
}

/// More names than most elements have.
const USUAL_NAMES: usize = 32;

/// One element while it is read: which of its attributes and children were claimed. What nobody
/// claims is reported.
#[derive(Debug)]
pub struct Cursor<'a> {
    el: El<'a>,
    attributes: Vec<(Attribute<'a, 'a>, bool)>,
    children: Vec<(El<'a>, bool)>,
    text_claimed: bool,
    /// Names that would have been read under another condition.
    unused: Vec<&'static str>,
    /// Enums of which some variant would have read its names.
    unused_variants: Vec<&'static Key>,
    known_attributes: Vec<&'static str>,
    known_children: Vec<&'static str>,
    /// Names that are of no interest.
    ignored: Vec<&'static str>,
    /// Whether an unknown child element is an error.
    closed: bool,
}

impl<'a> Cursor<'a> {
    /// Starts with nothing claimed.
    pub fn new(el: El<'a>) -> Self {
        Self {
            el,
            attributes: el.node.attributes().map(|attribute| (attribute, false)).collect(),
            children: el.children().map(|child| (child, false)).collect(),
            text_claimed: false,
            unused: Vec::new(),
            unused_variants: Vec::new(),
            known_attributes: Vec::with_capacity(USUAL_NAMES),
            known_children: Vec::with_capacity(USUAL_NAMES),
            ignored: Vec::new(),
            closed: false,
        }
    }

    /// The element.
    pub fn el(&self) -> El<'a> {
        self.el
    }

    /// Claims the attribute `name`.
    pub fn attribute(&mut self, name: &'static str) -> Option<&'a str> {
        self.known_attributes.push(name);
        self.attributes
            .iter_mut()
            .find(|(attribute, _)| attribute.namespace().is_none() && attribute.name() == name)
            .map(|(attribute, claimed)| {
                *claimed = true;
                attribute.value()
            })
    }

    /// Claims the children called `name`.
    pub fn children(&mut self, name: &'static str) -> Vec<El<'a>> {
        self.known_children.push(name);
        self.children
            .iter_mut()
            .filter(|(child, claimed)| !*claimed && child.is(name))
            .map(|(child, claimed)| {
                *claimed = true;
                *child
            })
            .collect()
    }

    /// Claims the text.
    pub fn text(&mut self) -> String {
        self.text_claimed = true;
        self.el.text()
    }

    /// Says nothing of the attributes and children in `names` if nobody claims them.
    pub fn ignore(&mut self, names: &'static [&'static str]) {
        self.ignored.extend(names);
    }

    /// Makes an unknown child element an error.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Notes a name that is known but not read in this place.
    pub(crate) fn unused(&mut self, name: &'static str) {
        self.unused.push(name);
    }

    /// Notes that the names of all variants are known, though only those of one are read.
    pub(crate) fn unused_variants(&mut self, key: &'static Key) {
        self.unused_variants.push(key);
    }

    fn is_unused(&self, name: &str) -> bool {
        self.unused.contains(&name) || self.unused_variants.iter().any(|key| key.has_field(name))
    }

    /// Claims everything: there is no telling what would have been.
    pub(crate) fn leave_all(&mut self) {
        self.attributes.iter_mut().for_each(|(_, claimed)| *claimed = true);
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

    /// Reports what nobody claimed.
    pub fn finish(self, reader: &mut Reader) {
        let element = self.el.name();
        let origin = self.el.origin();
        for (attribute, _) in self.attributes.iter().filter(|(_, claimed)| !claimed) {
            let name = attribute.name();
            if attribute.namespace() == Some(UNDECLARED) {
                let (message, help) = self.undeclared(self.prefix(attribute.range_qname()), name);
                let part = Part::AttributeName(name.to_owned());
                reader.push(Problem::warning(origin, part, message).help(help));
                continue;
            }
            if attribute.namespace().is_none() && self.ignored.contains(&name) {
                continue;
            }
            let message = if self.is_unused(name) {
                format!("'{name}' has no effect on this <{element}>")
            } else {
                format!("unknown attribute '{name}' in <{element}>")
            };
            let part = Part::AttributeName(name.to_owned());
            let mut problem = Problem::warning(origin, part, message);
            if let Some(near) = words::nearest(self.known_attributes.iter().copied(), name) {
                problem = problem.help(format!("did you mean '{near}'?"));
            } else if attribute.namespace().is_none() && !self.is_unused(name) {
                reader.stray(self.el, Stray::Attribute(name.to_owned()));
            }
            reader.problems.push(problem);
        }
        for (child, _) in self.children.iter().filter(|(_, claimed)| !claimed) {
            let name = child.name();
            if child.node.tag_name().namespace() == Some(UNDECLARED) {
                let (message, help) = self.undeclared(self.prefix(child.node.range()), name);
                reader.push(Problem::warning(child.origin(), Part::Name, message).help(help));
                continue;
            }
            if self.ignored.iter().any(|ignored| child.is(ignored)) {
                continue;
            }
            let mut problem = if self.is_unused(name) {
                let message = format!("<{name}> has no effect in this <{element}>");
                Problem::warning(child.origin(), Part::Name, message)
            } else {
                let severity = if self.closed { Severity::Error } else { Severity::Warning };
                let message = format!("unknown element <{name}> in <{element}>");
                Problem { severity, ..Problem::warning(child.origin(), Part::Name, message) }
            };
            if let Some(near) = words::nearest(self.known_children.iter().copied(), name) {
                problem = problem.help(format!("did you mean <{near}>?"));
            } else if child.node.tag_name().namespace().is_none() && !self.is_unused(name) {
                reader.stray(self.el, Stray::Element(name.to_owned()));
            }
            reader.problems.push(problem);
        }
        if !self.text_claimed && self.el.has_text() {
            let message = format!("the text in <{element}> has no effect");
            reader.problems.push(Problem::warning(origin, Part::Text, message));
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
