//! Validation by a RELAX NG schema, without another program.

use relax_ng::{
    Content, DatatypeRegistry, Element, ExpandedName, ResolveError, Schema, SchemaResolver,
    SchemaSource, SchemaSyntax,
};
use roxmltree::{Document, Node, ParsingOptions};

/// A schema.
pub(crate) struct Validator {
    schema: Schema,
    datatypes: DatatypeRegistry,
}

impl Validator {
    /// Reads a schema that includes no other.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(schema: &str) -> Result<Self, String> {
        let source = SchemaSource::new(schema, "memory:/domain.rng", SchemaSyntax::Xml);
        let schema = Schema::compile(&source, &Alone).map_err(|error| error.to_string())?;
        Ok(Self { schema, datatypes: DatatypeRegistry::new() })
    }

    /// Validates a document.
    ///
    /// # Errors
    /// Why it is not valid.
    pub(crate) fn validate(&self, text: &str) -> Result<(), String> {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document =
            Document::parse_with_options(text, options).map_err(|error| error.to_string())?;
        let found = self
            .schema
            .validate(&self.datatypes, &Tree(document.root_element()))
            .map_err(|error| error.to_string())?;
        match found.first() {
            Some(error) => Err(format!("{error:?}")),
            None => Ok(()),
        }
    }
}

/// Finds no other schema.
struct Alone;

impl SchemaResolver for Alone {
    fn resolve(&self, href: &str, _base: &str) -> Result<SchemaSource, ResolveError> {
        Err(ResolveError::new(href.to_owned()))
    }
}

/// An element, for the validator.
#[derive(Clone, Copy)]
struct Tree<'a>(Node<'a, 'a>);

impl Element for Tree<'_> {
    type Location = usize;

    fn name(&self) -> ExpandedName {
        let name = self.0.tag_name();
        ExpandedName::new(name.namespace(), name.name())
    }

    fn attributes(&self) -> impl Iterator<Item = (ExpandedName, String)> {
        self.0.attributes().map(|attribute| {
            let name = ExpandedName::new(attribute.namespace(), attribute.name());
            (name, attribute.value().to_owned())
        })
    }

    /// Texts around a comment are one.
    fn children(&self) -> impl Iterator<Item = Content<Self>> {
        let mut content: Vec<Content<Self>> = Vec::new();
        for child in self.0.children() {
            match (content.last_mut(), child.text().filter(|_| child.is_text())) {
                (Some(Content::Text(before)), Some(text)) => before.push_str(text),
                (_, Some(text)) => content.push(Content::Text(text.to_owned())),
                (_, None) if child.is_element() => content.push(Content::Element(Self(child))),
                (_, None) => {}
            }
        }
        content.into_iter()
    }

    fn location(&self) -> Option<usize> {
        Some(self.0.range().start)
    }
}
