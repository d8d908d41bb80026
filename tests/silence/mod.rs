//! That nothing of a document is lost without a word: whatever is put into it, or stands in it, is
//! printed again, or something is said at its place.

use std::collections::BTreeSet;
use std::ops::Range;

use roxmltree::{Document, Node};
use xml::Source;

/// A name that is in no document and near to no name of the model.
const STRANGE: &str = "qzqzqzqz";

/// What is not printed although it is there, and why nothing is said of it.
const LEFT_OUT: &[(&str, &str)] = &[
    ("domain@id", "of a running guest"),
    ("target@state", "of a running guest"),
    ("source@index", "of a running guest"),
    ("backingStore@index", "of a running guest"),
    ("source@portid", "of a running guest"),
    ("source@bridge", "of a running guest: the bridge of a network"),
    ("console@tty", "of a running guest"),
    ("interface/target@dev", "of a running guest: a name that libvirt made"),
    ("graphics@port", "of a running guest: a port that was chosen"),
    ("graphics@tlsPort", "of a running guest: a port that was chosen"),
    ("graphics@listen", "of a running guest: the address of a network"),
    ("listen@address", "of a running guest: the address of a network"),
    ("graphics@autoport", "what it is without the attribute"),
    ("driver@queues", "one, as without the attribute"),
    ("channel/source@mode", "as without the attribute, where there is no path"),
    ("model@fallback", "as without the element, where the model is the host's"),
];

/// What was tried already: elements of the same path, with the same attributes that choose how they
/// are read, are not tried twice.
#[derive(Debug, Default)]
pub(crate) struct Tried(BTreeSet<String>);

/// A document that was changed in one place, in a way that can have no effect.
pub(crate) struct Changed {
    /// What was changed.
    pub(crate) what: String,
    /// The document.
    pub(crate) text: String,
    /// Where in it.
    range: Range<usize>,
    is_twice: bool,
}

/// Puts a strange attribute, a strange element and a strange text into each element, and each element
/// there twice. Nothing is changed in a document that is refused anyway.
pub(crate) fn changed(text: &str, tried: &mut Tried) -> Vec<Changed> {
    let before = Seen::of(text.to_owned());
    let mut all = Vec::new();
    let Ok(document) = Document::parse(text) else { return all };
    if before.printed.is_empty() {
        return all;
    }
    for node in document.root_element().descendants().filter(Node::is_element) {
        let is_said = |node: Node<'_, '_>| before.places.contains(&node.range().start);
        let is_left = |node| is_foreign(node) || is_of_a_running_guest(node) || is_said(node);
        if node.ancestors().any(is_left) || !tried.0.insert(kind(node)) {
            continue;
        }
        let range = node.range();
        let (path, behind_name) = (path(node), range.start + 1 + name_of(node).len());
        let behind_tag = behind_start_tag(text, &range);
        let mut add = |what: &str, at: usize, added: &str| {
            all.push(Changed {
                what: format!("{path}: {what}"),
                text: format!("{}{added}{}", &text[..at], &text[at..]),
                range: range.start..range.end + added.len(),
                is_twice: what == "twice",
            });
        };
        add("a strange attribute", behind_name, &format!(" {STRANGE}='1'"));
        if !text[..behind_tag].ends_with("/>") {
            add("a strange element", behind_tag, &format!("<{STRANGE}/>"));
            add("a strange text", behind_tag, STRANGE);
        }
        if node.parent_element().is_some() {
            add("twice", range.end, &text[range.clone()]);
        }
    }
    all
}

/// Changes a document in every place.
///
/// # Errors
/// What was lost.
pub(crate) fn loses_nothing_added(text: &str, tried: &mut Tried) -> Result<(), String> {
    let before = Seen::of(text.to_owned());
    let mut lost = String::new();
    for Changed { what, text, range, is_twice } in changed(text, tried) {
        let seen = Seen::of(text);
        let has_effect =
            if is_twice { seen.printed != before.printed } else { seen.printed.contains(STRANGE) };
        if !has_effect && !seen.places.iter().any(|place| range.contains(place)) {
            lost.push_str(&format!("{what}\n"));
        }
    }
    if lost.is_empty() { Ok(()) } else { Err(lost) }
}

/// Looks for every attribute, and every text, of a document in what is printed.
///
/// # Errors
/// What is neither printed nor spoken of.
pub(crate) fn loses_nothing_there(text: &str) -> Result<(), String> {
    let Ok(document) = Document::parse(text) else { return Ok(()) };
    let seen = Seen::of(text.to_owned());
    let Ok(printed) = Document::parse(&seen.printed) else { return Ok(()) };
    let printed: BTreeSet<String> =
        printed.descendants().filter(Node::is_element).flat_map(parts).collect();
    let mut lost = String::new();
    for node in document.root_element().descendants().filter(Node::is_element) {
        let is_said = |node: Node<'_, '_>| seen.places.contains(&node.range().start);
        let is_left = |node| is_foreign(node) || is_of_a_running_guest(node) || is_said(node);
        if node.ancestors().any(is_left) {
            continue;
        }
        if seen.places.iter().any(|place| node.range().contains(place)) {
            continue;
        }
        for part in parts(node) {
            let is_left = LEFT_OUT.iter().any(|(left, _)| part.ends_with(left));
            if !is_left && !printed.contains(&part) {
                lost.push_str(&format!("{part} is not printed\n"));
            }
        }
    }
    if lost.is_empty() { Ok(()) } else { Err(lost) }
}

/// The attributes and the text of an element by path, if they say anything.
fn parts(node: Node<'_, '_>) -> Vec<String> {
    let path = path(node);
    let says = |value: &str| !["", "default", "-1", "0"].contains(&value.trim());
    let attributes = node.attributes().filter(|attribute| says(attribute.value()));
    let mut parts: Vec<_> =
        attributes.map(|attribute| format!("{path}@{}", attribute.name())).collect();
    if node.text().is_some_and(says) {
        parts.push(format!("{path}#text"));
    }
    parts
}

/// What reading a document comes to.
struct Seen {
    printed: String,
    /// The bytes at which something is said.
    places: Vec<usize>,
}

impl Seen {
    fn of(text: String) -> Self {
        let source = Source::new("strange.xml", text);
        let (printed, problems) = match conf::parse(&source) {
            Ok((domain, problems)) => (conf::print(&domain), problems),
            Err(problems) => (String::new(), problems),
        };
        let places = source.places();
        let places = problems
            .iter()
            .filter_map(|problem| {
                let place = places.find(problem.origin, &problem.part)?;
                Some(place.span.start)
            })
            .collect();
        Self { printed, places }
    }
}

/// Whether an element is somebody else's, and kept as it is.
fn is_foreign(node: Node<'_, '_>) -> bool {
    node.has_tag_name("metadata")
        || node.tag_name().namespace().is_some_and(|n| !n.contains("qemu"))
}

/// Whether an element is what libvirt adds to the document of a running guest, and drops from it
/// without a word when it is read, or an address of zeros, which is none.
fn is_of_a_running_guest(node: Node<'_, '_>) -> bool {
    let parent = node.parent_element();
    let is_in = |name| parent.is_some_and(|parent| parent.has_tag_name(name));
    match node.tag_name().name() {
        "mirror" => is_in("disk"),
        "actual" => is_in("interface"),
        "label" | "imagelabel" => is_in("seclabel") && !is_in_device(node),
        "seclabel" => node.attribute("labelskip").is_some(),
        "current" => is_in("target"),
        // A name that does not begin as a user's does.
        "alias" => !node.attribute("name").is_some_and(|name| name.starts_with("ua-")),
        "address" => node.attributes().all(|a| a.name() == "type" || is_zero(a.value())),
        "source" => parent.is_some_and(|parent| {
            ["serial", "parallel", "console", "channel"].contains(&parent.tag_name().name())
                && parent.attribute("type") == Some("pty")
        }),
        _ => false,
    }
}

fn is_zero(value: &str) -> bool {
    value.trim_start_matches("0x").chars().all(|c| c == '0')
}

fn is_in_device(node: Node<'_, '_>) -> bool {
    node.ancestors().any(|node| node.has_tag_name("devices"))
}

fn name_of<'a>(node: Node<'a, '_>) -> &'a str {
    let text = &node.document().input_text()[node.range()];
    let end = text[1..].find([' ', '\t', '\r', '\n', '/', '>']).map_or(text.len(), |at| at + 1);
    &text[1..end]
}

/// The byte behind a start tag, in which no value holds an angle bracket.
fn behind_start_tag(text: &str, range: &Range<usize>) -> usize {
    let mut quote = None;
    for (at, c) in text[range.clone()].char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (None, '>') => return range.start + at + 1,
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    range.end
}

/// The names of an element and those around it.
pub(crate) fn path(node: Node<'_, '_>) -> String {
    let mut names: Vec<&str> =
        node.ancestors().filter(Node::is_element).map(|node| node.tag_name().name()).collect();
    names.reverse();
    names.join("/")
}

/// The path of an element and the attributes that may choose how it is read: its own, and those of
/// the element around it.
fn kind(node: Node<'_, '_>) -> String {
    let chosen: Vec<String> = [Some(node), node.parent_element()]
        .into_iter()
        .flatten()
        .flat_map(|node| ["type", "mode", "model", "protocol"].map(|name| node.attribute(name)))
        .map(|value| value.filter(|value| value.len() < 20).unwrap_or_default().to_owned())
        .collect();
    format!("{} {}", path(node), chosen.join(","))
}
