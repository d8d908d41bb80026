//! Printing: an element with attributes in order and content, written the way libvirt writes it.

use std::mem;
use std::ops::Range;

/// An element that is being printed, at the end of the text so far.
#[derive(Clone, Debug)]
pub struct Tag {
    out: String,
    /// How many others it is in.
    level: usize,
    /// Its name in the text.
    name: Range<usize>,
    /// Where its attributes end in the text.
    attributes_end: usize,
    content: Content,
    open: bool,
    /// The prefixes in the names of the children of the outermost element.
    prefixes: Vec<String>,
}

/// What the content of a [`Tag`] ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    None,
    Text,
    Element,
    /// All of it was written by somebody else.
    Verbatim,
}

/// More bytes than most documents have.
const USUAL_BYTES: usize = 8192;

impl Tag {
    /// An element without attributes and content, in no other.
    pub fn new(name: &str) -> Self {
        Self::at_end(String::with_capacity(USUAL_BYTES), 0, name)
    }

    fn at_end(mut out: String, level: usize, name: &str) -> Self {
        out.push('<');
        let start = out.len();
        out.push_str(name);
        Self {
            level,
            name: start..out.len(),
            attributes_end: out.len(),
            content: Content::None,
            open: false,
            prefixes: Vec::new(),
            out,
        }
    }

    /// Whether it has neither attributes nor content.
    pub fn is_empty(&self) -> bool {
        self.attributes_end == self.name.end && self.content == Content::None
    }

    /// Whether the outermost element has a child whose name begins with this prefix of a namespace.
    pub fn has_children_in(&self, prefix: &str) -> bool {
        self.prefixes.iter().any(|found| found == prefix)
    }

    /// Adds an attribute behind the others.
    pub fn attribute(&mut self, name: &str, value: &str) {
        self.attribute_from(name, |out| out.push_str(value));
    }

    /// Adds an attribute whose value `write` appends.
    pub(crate) fn attribute_from(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        let content = match self.content {
            Content::None => String::new(),
            _ => self.out.split_off(self.attributes_end),
        };
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("='");
        let value = self.out.len();
        write(&mut self.out);
        if !self.out.as_bytes()[value..].iter().copied().all(is_plain) {
            let unescaped = self.out.split_off(value);
            escape(&unescaped, &mut self.out);
        }
        self.out.push('\'');
        self.attributes_end = self.out.len();
        self.out.push_str(&content);
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) {
        self.begin_content();
        escape(text, &mut self.out);
        self.content = Content::Text;
    }

    /// Adds a child element, which `fill` fills in.
    pub fn child(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.add_child(name, true, fill);
    }

    /// Adds a child element unless it is empty after `fill`.
    pub fn child_if_any(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.add_child(name, false, fill);
    }

    fn add_child(&mut self, name: &str, even_empty: bool, fill: impl FnOnce(&mut Self)) {
        let before = self.out.len();
        self.begin_content();
        if self.content != Content::Text {
            new_line(&mut self.out, self.level + 1);
        }
        let mut child = Self::at_end(mem::take(&mut self.out), self.level + 1, name);
        fill(&mut child);
        if child.is_empty() && !child.open && !even_empty {
            self.out = child.out;
            self.out.truncate(before);
            return;
        }
        self.out = child.end();
        self.content = Content::Element;
        if self.level == 0
            && let Some((prefix, _)) = name.split_once(':')
        {
            self.prefixes.push(prefix.to_owned());
        }
    }

    /// Adds a child element with one attribute.
    pub fn attribute_child(&mut self, name: &str, attribute: &str, value: &str) {
        self.child(name, |child| child.attribute(attribute, value));
    }

    /// Writes a start and an end tag even if there is nothing between them.
    pub fn open(&mut self) {
        self.open = true;
    }

    /// Writes `xml` in place of all that the tag holds: an element without a newline at its end,
    /// whose first line is indented here and whose others are indented already.
    pub fn write_verbatim(&mut self, xml: &str) {
        self.out.truncate(self.name.start - '<'.len_utf8());
        self.out.push_str(xml);
        self.content = Content::Verbatim;
    }

    /// The element as text: two blanks a level, single quotes, a newline at the end.
    ///
    /// libvirt: `virXMLFormatElement` and `virBuffer`.
    pub fn into_text(self) -> String {
        let mut out = self.end();
        out.push('\n');
        out
    }

    /// Ends the start tag before the first content.
    fn begin_content(&mut self) {
        if self.content == Content::None {
            self.out.push('>');
        }
    }

    /// The text behind the element. Between a tag and text nothing is added.
    fn end(mut self) -> String {
        match self.content {
            Content::Verbatim => return self.out,
            Content::None if !self.open => {
                self.out.push_str("/>");
                return self.out;
            }
            Content::None | Content::Text | Content::Element => {}
        }
        self.begin_content();
        if self.content != Content::Text {
            new_line(&mut self.out, self.level);
        }
        self.out.push_str("</");
        self.out.extend_from_within(self.name);
        self.out.push('>');
        self.out
    }
}

fn new_line(out: &mut String, level: usize) {
    out.push('\n');
    for _ in 0..level {
        out.push_str("  ");
    }
}

/// Whether a byte is written as it is.
fn is_plain(byte: u8) -> bool {
    match byte {
        b'<' | b'>' | b'&' | b'\'' | b'"' => false,
        b'\t' | b'\n' | b'\r' => true,
        _ => !(0x01..=0x19).contains(&byte),
    }
}

/// Appends text with the five characters of XML escaped and control characters dropped, in text and
/// attributes alike. Tabs and line ends are written as they are.
///
/// libvirt: `virBufferEscapeString`.
fn escape(mut text: &str, out: &mut String) {
    while let Some(at) = text.bytes().position(|byte| !is_plain(byte)) {
        out.push_str(&text[..at]);
        out.push_str(match text.as_bytes()[at] {
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'&' => "&amp;",
            b'\'' => "&apos;",
            b'"' => "&quot;",
            _ => "",
        });
        text = &text[at + 1..];
    }
    out.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_print_with_single_quotes_and_two_blanks() {
        let mut outer = Tag::new("a");
        outer.attribute_child("b", "c", "it's <&\">");
        outer.child_if_any("nothing", |_| {});
        outer.child("d", |text| text.text("x\ty\x07\r\n'z'"));
        assert_eq!(
            outer.into_text(),
            "<a>\n  <b c='it&apos;s &lt;&amp;&quot;&gt;'/>\n  <d>x\ty\r\n&apos;z&apos;</d>\n</a>\n"
        );
    }
}
