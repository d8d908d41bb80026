//! Domains that nobody wrote: documents with parts of others in them, and with strange values.

use std::fs;
use std::ops::Range;
use std::path::Path;

use roxmltree::{Document, Node};

/// Values that attributes and texts rarely have.
const STRANGE: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "yes",
    "no",
    "on",
    "off",
    "default",
    "none",
    "4294967296",
    "18446744073709551616",
    "0x",
    "0xffffffffffffffff",
    "1.5",
    " ",
    "\u{e4}",
    "a/b",
    "../x",
    "a,b=c",
    "&#10;",
    "&lt;x&gt;",
    "%s",
    "\u{1F600}",
];

/// The documents of a directory, by name. Those that are no XML are left out.
pub(crate) fn documents(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .collect();
    paths.sort();
    let texts = paths.into_iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.filter(|text| Document::parse(text).is_ok()).collect()
}

/// The document with one change, if it is a document and has what would be changed: an element left
/// out, twice, or beside one of another document; an attribute left out, or with a value that is
/// strange or from another document; a strange text.
pub(crate) fn changed(text: &str, sources: &[String], random: &mut Random) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let elements: Vec<Node<'_, '_>> =
        document.root_element().descendants().filter(Node::is_element).skip(1).collect();
    let element = *random.of(&elements)?;
    let range = element.range();
    let replaced = |range: Range<usize>, new: &str| {
        format!("{}{new}{}", &text[..range.start], &text[range.end..])
    };
    let attribute = |random: &mut Random| {
        let attributes: Vec<_> = element.attributes().collect();
        random.of(&attributes).copied()
    };
    match random.below(8) {
        0 => Some(replaced(range, "")),
        1 => Some(replaced(range.end..range.end, &text[range.clone()])),
        2 => Some(replaced(attribute(random)?.range_value(), random.word())),
        3 => Some(replaced(attribute(random)?.range(), "")),
        4 => {
            let inside = element.children().find(Node::is_text)?;
            Some(replaced(inside.range(), random.word()))
        }
        5 => {
            let name = element.tag_name().name();
            let other = Document::parse(random.of(sources)?).ok()?;
            let namesakes: Vec<_> =
                other.descendants().filter(|node| node.has_tag_name(name)).collect();
            let attributes: Vec<_> = random.of(&namesakes)?.attributes().collect();
            let new = &other.input_text()[random.of(&attributes)?.range()];
            let named = new.split('=').next()?;
            let old = element.attributes().find(|attribute| attribute.name() == named);
            let behind_name = text[range.clone()].find([' ', '\n', '/', '>'])? + range.start;
            Some(match old {
                Some(old) => replaced(old.range(), new),
                None => replaced(behind_name..behind_name, &format!(" {new}")),
            })
        }
        _ => {
            let other = Document::parse(random.of(sources)?).ok()?;
            let parent = element.parent_element()?.tag_name().name();
            let siblings: Vec<Node<'_, '_>> = other
                .descendants()
                .filter(|node| node.is_element())
                .filter(|node| node.parent_element().is_some_and(|p| p.has_tag_name(parent)))
                .collect();
            let sibling = random.of(&siblings)?;
            Some(replaced(range.end..range.end, &other.input_text()[sibling.range()]))
        }
    }
}

/// Numbers that look random, and are always the same for the same seed, which is not 0.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// One of `all`, if there is any.
    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len().max(1)))
    }

    fn word(&mut self) -> &'static str {
        STRANGE[self.below(STRANGE.len())]
    }
}
