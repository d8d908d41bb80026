//! Elements that are kept without being understood.

use crate::element::{El, Reader};
use crate::grammar::{Grammar, Pattern};
use crate::model::Xml;
use crate::problem::{Origin, Part};
use crate::tag::Tag;

/// An element with all that is in it, in no particular meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subtree {
    /// Where it was written.
    pub origin: Origin,
    /// The attributes without a namespace, in the order of the document.
    pub attributes: Vec<(String, String)>,
    /// Its text, if it has no children.
    pub text: String,
    /// The child elements without a namespace, with their names.
    pub children: Vec<(String, Subtree)>,
}

impl Subtree {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The first child element called `name`.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(found, _)| found == name).map(|(_, child)| child)
    }

    fn of(el: El<'_>) -> Self {
        let children: Vec<_> = el
            .children()
            .filter(|child| child.is(child.name()))
            .map(|child| (child.name().to_owned(), Self::of(child)))
            .collect();
        Self {
            origin: el.origin(),
            attributes: el
                .node()
                .attributes()
                .filter(|attribute| attribute.namespace().is_none())
                .map(|attribute| (attribute.name().to_owned(), attribute.value().to_owned()))
                .collect(),
            text: if children.is_empty() { el.text().into_owned() } else { String::new() },
            children,
        }
    }
}

impl Xml for Subtree {
    fn read(el: El<'_>, _reader: &mut Reader) -> Option<Self> {
        Some(Self::of(el))
    }

    fn print(&self, tag: &mut Tag) {
        for (name, value) in &self.attributes {
            tag.attribute(name, value);
        }
        for (name, child) in &self.children {
            tag.child(name, |inner| child.print(inner));
        }
        if !self.text.is_empty() {
            tag.text(&self.text);
        }
    }

    fn pattern(_grammar: &mut Grammar) -> Pattern {
        Pattern::Anything
    }
}

/// An element that libvirt knows and the model does not, yet: kept, printed back, and reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmodelled(pub Subtree);

impl Xml for Unmodelled {
    fn read(el: El<'_>, reader: &mut Reader) -> Option<Self> {
        let message = format!("<{}> is kept, but not understood yet", el.name());
        reader.warning(el.origin(), Part::Name, message);
        Some(Self(Subtree::of(el)))
    }

    fn print(&self, tag: &mut Tag) {
        self.0.print(tag);
    }

    fn pattern(grammar: &mut Grammar) -> Pattern {
        Subtree::pattern(grammar)
    }
}
