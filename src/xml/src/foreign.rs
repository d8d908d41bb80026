//! Elements of other people's namespaces: kept as they are, and printed the way libxml2 does it.

use std::fmt::Write;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader as Tokens;

use crate::element::El;
use crate::source::UNDECLARED;

/// libxml2 indents no deeper than this.
const MAX_INDENT: usize = 30;

/// An element with all that is in it, prefixes and comments included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// The name, with its prefix.
    pub name: String,
    /// The namespaces that it declares: the prefix, which may be empty, and the namespace.
    pub declarations: Vec<(String, String)>,
    /// The attributes with their prefixes, in the order of the document.
    pub attributes: Vec<(String, String)>,
    /// What is inside.
    pub content: Vec<ForeignContent>,
}

/// What is inside a [`Foreign`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignContent {
    /// An element.
    Element(Foreign),
    /// Text.
    Text(String),
    /// Text that was written as a CDATA section.
    Cdata(String),
    /// A comment.
    Comment(String),
    /// A processing instruction.
    Instruction(String),
}

impl Foreign {
    /// Reads `el`. Blanks between elements are dropped, and namespaces that are declared around it
    /// are declared on it.
    ///
    /// libxml2: `xmlParseElement` without blanks, then `xmlCopyNode`.
    pub fn of(el: El<'_>) -> Self {
        let node = el.node();
        let text = &node.document().input_text()[node.range()];
        let mut root = parse(text);
        let around = node.namespaces().map(|ns| (ns.name().unwrap_or_default(), ns.uri()));
        let around: Vec<(&str, &str)> = around.filter(|(_, uri)| *uri != UNDECLARED).collect();
        let mut missing = Vec::new();
        root.undeclared(&mut Vec::new(), &mut missing);
        for prefix in missing {
            let found = around.iter().find(|(name, _)| *name == prefix);
            root.declarations.extend(found.map(|(_, uri)| (prefix, (*uri).to_owned())));
        }
        root
    }

    /// The child elements.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.content.iter().filter_map(|item| match item {
            ForeignContent::Element(element) => Some(element),
            _ => None,
        })
    }

    /// The namespace of `child`, which is directly inside this element; `None` if it has none.
    pub fn namespace_of<'a>(&'a self, child: &'a Self) -> Option<&'a str> {
        let prefix = prefix_of(&child.name);
        child
            .declarations
            .iter()
            .chain(&self.declarations)
            .find(|(declared, _)| declared == prefix)
            .map(|(_, uri)| uri.as_str())
            .filter(|uri| !uri.is_empty())
    }

    /// Notes the prefixes that nothing in this element declares, each once.
    fn undeclared<'a>(&'a self, scope: &mut Vec<&'a str>, missing: &mut Vec<String>) {
        let before = scope.len();
        scope.extend(self.declarations.iter().map(|(prefix, _)| prefix.as_str()));
        let prefixed = self.attributes.iter().filter(|(name, _)| name.contains(':'));
        let names = std::iter::once(&self.name).chain(prefixed.map(|(name, _)| name));
        for prefix in names.map(|name| prefix_of(name)) {
            let known = prefix == "xml"
                || scope.contains(&prefix)
                || missing.iter().any(|known| known == prefix);
            if !known {
                missing.push(prefix.to_owned());
            }
        }
        for child in self.children() {
            child.undeclared(scope, missing);
        }
        scope.truncate(before);
    }

    /// The element as text, its inner lines indented for an element that is itself `level` deep.
    ///
    /// libxml2: `xmlNodeDump` with formatting.
    pub fn dump(&self, level: usize) -> String {
        let mut out = String::new();
        self.write(level, true, &mut out);
        out
    }

    fn write(&self, level: usize, indented: bool, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (prefix, uri) in &self.declarations {
            let colon = if prefix.is_empty() { "" } else { ":" };
            attribute(&format!("xmlns{colon}{prefix}"), uri, out);
        }
        for (name, value) in &self.attributes {
            attribute(name, value, out);
        }
        if self.content.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        let is_text = |item: &ForeignContent| {
            matches!(item, ForeignContent::Text(_) | ForeignContent::Cdata(_))
        };
        let indented = indented && !self.content.iter().any(is_text);
        for item in &self.content {
            if indented {
                line(level + 1, out);
            }
            match item {
                ForeignContent::Element(element) => element.write(level + 1, indented, out),
                ForeignContent::Text(text) => escape_text(text, out),
                ForeignContent::Cdata(text) => push_all(out, ["<![CDATA[", text, "]]>"]),
                ForeignContent::Comment(text) => push_all(out, ["<!--", text, "-->"]),
                ForeignContent::Instruction(text) => push_all(out, ["<?", text, "?>"]),
            }
        }
        if indented {
            line(level, out);
        }
        push_all(out, ["</", &self.name, ">"]);
    }
}

fn prefix_of(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

fn line(level: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", level.min(MAX_INDENT)));
}

fn push_all<const N: usize>(out: &mut String, parts: [&str; N]) {
    parts.into_iter().for_each(|part| out.push_str(part));
}

/// libxml2: `xmlEscapeContent`.
fn escape_text(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\r' => out.push_str("&#13;"),
            _ => out.push(c),
        }
    }
}

/// libxml2: `xmlBufAttrSerializeTxtContent` for a node that belongs to no document.
fn attribute(name: &str, value: &str, out: &mut String) {
    push_all(out, [" ", name, "=\""]);
    for c in value.chars() {
        match c {
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c if !c.is_ascii() => {
                write!(out, "&#x{:X};", u32::from(c)).expect("a String takes everything");
            }
            c => escape_text(c.encode_utf8(&mut [0; 4]), out),
        }
    }
    out.push('"');
}

/// An element that is being read.
struct Open {
    element: Foreign,
    /// Whether blanks in it are kept.
    keeps_blanks: bool,
    /// Whether blanks are kept in the elements in it.
    preserve: bool,
}

/// Reads the one element in `text`, which is known to be well-formed.
fn parse(text: &str) -> Foreign {
    let mut tokens = Tokens::from_str(text);
    let mut open: Vec<Open> = Vec::new();
    loop {
        let event = match tokens.read_event() {
            Ok(Event::Eof) | Err(_) => return Foreign::default(),
            Ok(event) => event,
        };
        let rest = &text[tokens.buffer_position() as usize..];
        let done = match event {
            Event::Start(start) => {
                let preserve = open.last().is_some_and(|parent| parent.preserve);
                let element = start_of(&start);
                let preserve = match element.attributes.iter().find(|(name, _)| name == "xml:space")
                {
                    Some((_, value)) => value == "preserve",
                    None => preserve,
                };
                open.push(Open { element, keeps_blanks: preserve, preserve });
                continue;
            }
            Event::Empty(start) => ForeignContent::Element(start_of(&start)),
            Event::End(_) => match open.pop() {
                Some(Open { element, .. }) => ForeignContent::Element(element),
                None => return Foreign::default(),
            },
            Event::Text(run) => {
                let run = run.xml10_content();
                if let Some(parent) = open.last_mut()
                    && (!is_blank(&run) || parent.keeps(rest))
                {
                    parent.keeps_blanks = true;
                    parent.text(&run);
                }
                continue;
            }
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(c)) => c,
                    _ => predefined(&reference.xml10_content()),
                };
                if let Some(parent) = open.last_mut() {
                    parent.text(resolved.encode_utf8(&mut [0; 4]));
                }
                continue;
            }
            Event::CData(text) => ForeignContent::Cdata(text.xml10_content().into_owned()),
            Event::Comment(text) => ForeignContent::Comment(text.xml10_content().into_owned()),
            Event::PI(instruction) => {
                ForeignContent::Instruction(instruction.into_inner().into_owned())
            }
            Event::Decl(_) | Event::DocType(_) | Event::Eof => continue,
        };
        match (open.last_mut(), done) {
            (Some(parent), done) => parent.element.content.push(done),
            (None, ForeignContent::Element(root)) => return root,
            (None, _) => {}
        }
    }
}

impl Open {
    fn text(&mut self, text: &str) {
        match self.element.content.last_mut() {
            Some(ForeignContent::Text(last)) => last.push_str(text),
            _ => self.element.content.push(ForeignContent::Text(text.to_owned())),
        }
    }

    /// Whether a run of blanks in front of `rest` belongs to the text.
    ///
    /// libxml2: `areBlanks`.
    fn keeps(&self, rest: &str) -> bool {
        let is_text = |item: &ForeignContent| {
            matches!(item, ForeignContent::Text(_) | ForeignContent::Cdata(_))
        };
        let content = &self.element.content;
        self.keeps_blanks
            || !rest.starts_with('<')
            || (content.is_empty() && rest.starts_with("</"))
            || content.last().is_some_and(is_text)
            || content.first().is_some_and(is_text)
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r'))
}

fn predefined(name: &str) -> char {
    match name {
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => '&',
    }
}

fn start_of(start: &BytesStart<'_>) -> Foreign {
    let mut element = Foreign { name: start.name().as_ref().to_owned(), ..Foreign::default() };
    for attribute in start.attributes().with_checks(false).flatten() {
        let name = attribute.key.as_ref();
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).unwrap_or_default();
        match name.strip_prefix("xmlns") {
            Some("") => element.declarations.push((String::new(), value.into_owned())),
            Some(prefix) if prefix.starts_with(':') => {
                element.declarations.push((prefix[1..].to_owned(), value.into_owned()));
            }
            _ => element.attributes.push((name.to_owned(), value.into_owned())),
        }
    }
    element
}
