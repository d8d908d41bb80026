//! The text of a document: how it is decoded, what is refused before it is looked at, and where in
//! it an element stands.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::OnceLock;

use quick_xml::Reader as Tokens;
use quick_xml::events::{BytesStart, Event};
use roxmltree::{Document, Error, Node, NodeId, ParsingOptions};

use crate::problem::{Origin, Part, Problem};

/// The longest document, in bytes. The largest that libvirt's own tests hold has 90 KB.
const MAX_BYTES: usize = 8 << 20;
/// The deepest nesting. A backing chain of 100 images nests 100 deep.
const MAX_DEPTH: u32 = 256;
/// The most attributes of one element. roxmltree compares each with each.
pub(crate) const MAX_ATTRIBUTES: usize = 256;
/// The most elements and texts of a document.
const MAX_NODES: u32 = 1 << 17;
/// The most prefixes without a declaration: each costs another look at the document.
const MAX_UNDECLARED: usize = 8;

/// The namespace of what has a prefix that the document does not declare.
///
/// libxml2 reads such a document, and what has the prefix is not found by anybody. The parser used
/// here refuses it, and is given a text in which the prefixes are declared.
pub(crate) const UNDECLARED: &str = "undeclared:";

/// A document as text, and what to call it in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's name, or what stands for it.
    pub name: String,
    /// The text.
    pub text: String,
    /// The text with declarations of all prefixes, if it was needed.
    declared: OnceLock<String>,
    /// Whether its elements say where they stand.
    pub(crate) has_places: bool,
}

/// A place in a [`Source`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The bytes that are meant.
    pub span: Range<usize>,
}

impl Source {
    /// How much of a file must be read to tell whether it is longer than a document may be.
    pub const READ: u64 = MAX_BYTES as u64 + 1;

    /// A document that is text already.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), declared: OnceLock::new(), has_places: true }
    }

    /// The same document, of whose elements nobody is told the place: it was made by a program, and
    /// what is to be said about it is said of another one that is read with it.
    pub fn without_places(self) -> Self {
        Self { has_places: false, ..self }
    }

    /// The name of the root element.
    ///
    /// # Errors
    /// Where the document is malformed.
    pub fn root(&self) -> Result<String, Problem> {
        Ok(self.parse()?.root_element().tag_name().name().to_owned())
    }

    /// Decodes a document: UTF-8, or Latin-1 where it declares itself as that, as libvirt takes
    /// both.
    ///
    /// # Errors
    /// A document that is too long, or in another encoding.
    pub fn decode(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Problem> {
        let name = name.into();
        if bytes.len() > MAX_BYTES {
            return Err(malformed(
                0,
                format!("the document has more than {} MiB, which is not read", MAX_BYTES >> 20),
            ));
        }
        if declares_latin1(&bytes) {
            let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
            return Ok(Self::new(name, text));
        }
        match String::from_utf8(bytes) {
            Ok(mut text) => {
                if text.starts_with('\u{feff}') {
                    text.remove(0);
                }
                Ok(Self::new(name, text))
            }
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Err(malformed(0, format!("byte {at} of the document is not UTF-8"))
                    .help("save it as UTF-8, or declare encoding='ISO-8859-1' in its first line"))
            }
        }
    }

    /// Parses the document.
    ///
    /// # Errors
    /// What makes it no XML, or more than is read.
    pub(crate) fn parse(&self) -> Result<Document<'_>, Problem> {
        within_limits(&self.text)?;
        self.tree().map_err(|error| {
            let text = self.declared.get().unwrap_or(&self.text);
            let at = byte_at(text, error.pos().row, error.pos().col);
            malformed(self.original(at), trimmed(&error.to_string()))
        })
    }

    fn tree(&self) -> Result<Document<'_>, Error> {
        match tree(&self.text) {
            Err(Error::UnknownNamespace(..)) => {
                tree(self.declared.get_or_init(|| declared(&self.text)))
            }
            tree => tree,
        }
    }

    /// Where a byte of the text that was parsed stands in the document.
    fn original(&self, at: usize) -> usize {
        let Some(declared) = self.declared.get() else { return at };
        let added = declared.len() - self.text.len();
        if at < behind_root_name(&self.text) { at } else { at.saturating_sub(added) }
    }

    /// Prepares to find where elements stand.
    ///
    /// The document is parsed again for it: messages are rare, and a model that carries every
    /// position would cost every document.
    pub fn places(&self) -> Places<'_> {
        Places { source: self, document: OnceCell::new() }
    }

    /// Finds where one thing stands; see [`Places::find`].
    pub fn place(&self, origin: Origin, part: &Part) -> Option<Place> {
        self.places().find(origin, part)
    }
}

/// The places of the elements of a [`Source`].
#[derive(Debug)]
pub struct Places<'a> {
    source: &'a Source,
    /// Parsed when it is needed first: a document beyond the limits must never be. Absent where it
    /// is malformed; then only bytes can be found.
    document: OnceCell<Option<Document<'a>>>,
}

impl<'a> Places<'a> {
    /// Finds where something stands; `None` for what was not read from this document.
    pub fn find(&self, origin: Origin, part: &Part) -> Option<Place> {
        let span = match (origin, part) {
            (_, Part::Byte(at)) => *at..(*at + 1).min(self.source.text.len()),
            (Origin::Element(number), part) => {
                let span = part_of(self.document()?.get_node(NodeId::new(number))?, part);
                self.source.original(span.start)..self.source.original(span.end)
            }
            (Origin::None | Origin::Step(_), _) => return None,
        };
        let before = self.source.text.get(..span.start)?;
        let line = before.matches('\n').count() as u32 + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u32 + 1;
        Some(Place { line, column, span })
    }

    fn document(&self) -> Option<&Document<'a>> {
        self.document.get_or_init(|| self.source.tree().ok()).as_ref()
    }
}

fn tree(text: &str) -> Result<Document<'_>, Error> {
    let options =
        ParsingOptions { allow_dtd: true, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options)
}

/// The text with a declaration of each prefix that has none.
fn declared(text: &str) -> String {
    let at = behind_root_name(text);
    let mut declared = text.to_owned();
    for _ in 0..MAX_UNDECLARED {
        let Err(Error::UnknownNamespace(prefix, _)) = tree(&declared) else { break };
        declared.insert_str(at, &format!(" xmlns:{prefix}='{UNDECLARED}'"));
    }
    declared
}

/// The byte behind the name of the root element.
fn behind_root_name(text: &str) -> usize {
    let mut tokens = Tokens::from_str(text);
    tokens.config_mut().check_end_names = false;
    loop {
        let at = tokens.buffer_position() as usize;
        match tokens.read_event() {
            Ok(Event::Start(start) | Event::Empty(start)) => {
                return at + '<'.len_utf8() + start.name().as_ref().len();
            }
            Ok(Event::Eof) | Err(_) => return 0,
            Ok(_) => {}
        }
    }
}

/// The bytes of an element's name, of the value of its attribute, or of its text.
fn part_of(node: Node<'_, '_>, part: &Part) -> Range<usize> {
    let name = || {
        let start = node.range().start;
        let text = &node.document().input_text()[start..];
        let end = text[1..].find([' ', '\t', '\r', '\n', '/', '>']).map_or(text.len(), |at| at + 1);
        start..start + end
    };
    match part {
        Part::Attribute(attribute) => node
            .attributes()
            .find(|found| found.name() == attribute)
            .map_or_else(name, |found| found.range_value()),
        Part::AttributeName(attribute) => node
            .attributes()
            .find(|found| found.name() == attribute)
            .map_or_else(name, |found| found.range_qname()),
        Part::Within(path) => {
            let (elements, attribute) = path.split_once('@').unwrap_or((path, ""));
            let mut node = node;
            for element in elements.split('/') {
                let (element, name) = match element.split_once('=') {
                    Some((element, name)) => (element, Some(name)),
                    None => (element, None),
                };
                let is_meant = |child: &Node<'_, '_>| {
                    child.has_tag_name(element)
                        && (name.is_none() || child.attribute("name") == name)
                };
                match node.children().find(is_meant) {
                    Some(child) => node = child,
                    None => return part_of(node, &Part::Name),
                }
            }
            match attribute {
                "" => part_of(node, &Part::Text),
                _ => part_of(node, &Part::Attribute(attribute.to_owned())),
            }
        }
        Part::Text => node
            .children()
            .find(|child| child.is_text() && !child.text().unwrap_or_default().trim().is_empty())
            .map_or_else(name, |child| {
                let range = child.range();
                let text = &node.document().input_text()[range.clone()];
                range.start + (text.len() - text.trim_start().len())..range.end
            }),
        Part::Name | Part::Byte(_) => name(),
    }
}

fn malformed(at: usize, message: impl Into<String>) -> Problem {
    Problem::error(Origin::None, Part::Byte(at), message)
}

/// roxmltree ends its messages with the position, which is told apart from them here.
fn trimmed(message: &str) -> &str {
    message.rsplit_once(" at ").map_or(message, |(text, _)| text)
}

fn byte_at(text: &str, row: u32, column: u32) -> usize {
    let line_start: usize =
        text.split_inclusive('\n').take(row.saturating_sub(1) as usize).map(str::len).sum();
    text[line_start..]
        .char_indices()
        .nth(column.saturating_sub(1) as usize)
        .map_or(text.len().saturating_sub(1), |(at, _)| line_start + at)
}

fn declares_latin1(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).to_ascii_lowercase();
    let Some(declaration) = head.strip_prefix("<?xml").and_then(|rest| rest.split("?>").next())
    else {
        return false;
    };
    ["iso-8859-1", "latin1", "latin-1", "windows-1252"]
        .iter()
        .any(|name| declaration.contains(name))
}

/// Whether there are too few tags in a document, and too little in each, for it to be beyond a limit.
fn is_small(text: &str) -> bool {
    let mut elements = 0;
    text.split('<').skip(1).all(|tag| {
        elements += u32::from(!tag.starts_with('/'));
        elements <= MAX_DEPTH
            && !tag.starts_with("!D")
            && tag.bytes().filter(|byte| *byte == b'=').count() <= MAX_ATTRIBUTES
    })
}

/// Refuses what would take long or much memory to parse, in one pass that takes neither.
fn within_limits(text: &str) -> Result<(), Problem> {
    if is_small(text) {
        return Ok(());
    }
    let mut tokens = Tokens::from_str(text);
    tokens.config_mut().check_end_names = false;
    let mut depth: u32 = 0;
    loop {
        let at = tokens.buffer_position() as usize;
        // What is no XML at all is worded by the parser proper.
        let Ok(event) = tokens.read_event() else { return Ok(()) };
        match event {
            Event::Start(start) => {
                depth += 1;
                few_attributes(&start, at)?;
            }
            Event::Empty(start) => few_attributes(&start, at)?,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::DocType(doctype) if doctype.contains("<!ENTITY") => {
                return Err(malformed(at, "the document defines entities, which are not expanded")
                    .help("write the text in full where the entity is used"));
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(malformed(at, format!("elements nest deeper than {MAX_DEPTH}")));
        }
    }
}

fn few_attributes(start: &BytesStart<'_>, at: usize) -> Result<(), Problem> {
    let count = start.attributes().with_checks(false).take(MAX_ATTRIBUTES + 1).count();
    if count > MAX_ATTRIBUTES {
        return Err(malformed(at, format!("an element has more than {MAX_ATTRIBUTES} attributes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> (String, u32, u32) {
        let source = Source::new("a.xml", text);
        let problem = source.parse().unwrap_err();
        let place = source.place(problem.origin, &problem.part).unwrap();
        (problem.message, place.line, place.column)
    }

    #[test]
    fn malformed_documents_are_refused_with_their_place() {
        let (message, line, _) = message("<a>\n  <b>\n</a>");
        assert!(message.contains("expected 'b' tag, not 'a'"), "{message}");
        assert_eq!(line, 3);
    }

    #[test]
    fn deep_nesting_is_refused() {
        let text = format!("{}{}", "<a>".repeat(300), "</a>".repeat(300));
        assert_eq!(message(&text).0, "elements nest deeper than 256");
    }

    #[test]
    fn many_attributes_are_refused() {
        let attributes: String = (0..100_000).map(|n| format!(" a{n}='1'")).collect();
        assert_eq!(
            message(&format!("<a{attributes}/>")).0,
            "an element has more than 256 attributes"
        );
    }

    #[test]
    fn entities_are_refused_but_a_plain_doctype_is_not() {
        assert!(Source::new("a.xml", "<!DOCTYPE a><a/>").parse().is_ok());
        let bomb = "<!DOCTYPE a [<!ENTITY b 'bb'>]><a>&b;</a>";
        assert!(message(bomb).0.starts_with("the document defines entities"));
    }

    #[test]
    fn prefixes_without_a_declaration_are_read_and_places_stay() {
        let source = Source::new("a.xml", "<?x?>\n<a><p:b q:c='1'/><d>e</d></a>");
        let tree = source.parse().unwrap();
        let b = tree.root_element().first_element_child().unwrap();
        assert_eq!(b.tag_name().namespace(), Some(UNDECLARED));
        assert_eq!(b.attributes().next().unwrap().namespace(), Some(UNDECLARED));
        let d = Origin::Element(b.next_sibling().unwrap().id().get());
        let place = source.place(d, &Part::Text).unwrap();
        assert_eq!((place.line, place.column), (2, 21));
        assert_eq!(&source.text[place.span], "e");
    }

    #[test]
    fn many_prefixes_without_a_declaration_are_refused() {
        let elements: String = (0..100).map(|n| format!("<p{n}:a/>")).collect();
        assert_eq!(message(&format!("<a>{elements}</a>")).0, "an unknown namespace prefix 'p8'");
    }

    #[test]
    fn latin_1_is_read_where_it_is_declared() {
        let bytes = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>".to_vec();
        let source = Source::decode("a.xml", bytes).unwrap();
        assert!(source.text.ends_with("<a>ä</a>"));
        let problem = Source::decode("a.xml", b"<a>\xe4</a>".to_vec()).unwrap_err();
        assert_eq!(problem.message, "byte 3 of the document is not UTF-8");
    }
}
