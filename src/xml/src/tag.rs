//! Printing: an element with attributes in order and content, written the way libvirt writes it.

use std::borrow::Cow;

/// More bytes than the attributes of most elements have.
const USUAL_ATTRIBUTES: usize = 96;

/// An element to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    name: Cow<'static, str>,
    attributes: String,
    content: Vec<Content>,
    open: bool,
    verbatim: Option<String>,
}

/// What is inside a [`Tag`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, unescaped.
    Text(String),
    /// A child element.
    Tag(Tag),
}

impl Tag {
    /// An element without attributes and content.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            attributes: String::new(),
            content: Vec::new(),
            open: false,
            verbatim: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has neither attributes nor content.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.content.is_empty() && self.verbatim.is_none()
    }

    /// Whether it has a child element whose name begins with this prefix of a namespace.
    pub fn has_children_in(&self, prefix: &str) -> bool {
        self.content.iter().any(|item| match item {
            Content::Tag(tag) => tag.name.split_once(':').is_some_and(|(found, _)| found == prefix),
            Content::Text(_) => false,
        })
    }

    /// Adds an attribute behind the others.
    pub fn attribute(&mut self, name: &str, value: &str) {
        self.attribute_from(name, |out| out.push_str(value));
    }

    /// Adds an attribute whose value `write` appends.
    pub(crate) fn attribute_from(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        if self.attributes.is_empty() {
            self.attributes.reserve(USUAL_ATTRIBUTES);
        }
        self.attributes.push(' ');
        self.attributes.push_str(name);
        self.attributes.push_str("='");
        let value = self.attributes.len();
        write(&mut self.attributes);
        if !self.attributes[value..].bytes().all(is_plain) {
            let unescaped = self.attributes.split_off(value);
            escape(&unescaped, &mut self.attributes);
        }
        self.attributes.push('\'');
    }

    /// Adds text.
    pub fn text(&mut self, text: impl Into<String>) {
        self.content.push(Content::Text(text.into()));
    }

    /// Adds a child element.
    pub fn child(&mut self, tag: Self) {
        self.content.push(Content::Tag(tag));
    }

    /// Adds a child element before all content.
    pub fn first_child(&mut self, tag: Self) {
        self.content.insert(0, Content::Tag(tag));
    }

    /// Writes a start and an end tag even if there is nothing between them.
    pub fn open(&mut self) {
        self.open = true;
    }

    /// Writes `xml` in place of all that the tag holds: an element without a newline at its end,
    /// whose first line is indented here and whose others are indented already.
    pub fn write_verbatim(&mut self, xml: String) {
        self.verbatim = Some(xml);
    }

    /// Adds a child element with one attribute.
    pub fn attribute_child(&mut self, name: &'static str, attribute: &str, value: &str) {
        let mut tag = Self::new(name);
        tag.attribute(attribute, value);
        self.child(tag);
    }

    /// The element as text: two blanks a level, single quotes, a newline at the end.
    ///
    /// libvirt: `virXMLFormatElement` and `virBuffer`.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(8192);
        self.write(&mut out, 0);
        out.push('\n');
        out
    }

    /// Writes the element where `level` others are open. Between a tag and text nothing is added.
    fn write(&self, out: &mut String, level: usize) {
        if let Some(xml) = &self.verbatim {
            return out.push_str(xml);
        }
        out.push('<');
        out.push_str(&self.name);
        out.push_str(&self.attributes);
        if self.content.is_empty() && !self.open {
            return out.push_str("/>");
        }
        out.push('>');
        let mut is_after_text = false;
        for item in &self.content {
            match item {
                Content::Text(text) => escape(text, out),
                Content::Tag(tag) => {
                    if !is_after_text {
                        new_line(out, level + 1);
                    }
                    tag.write(out, level + 1);
                }
            }
            is_after_text = matches!(item, Content::Text(_));
        }
        if !is_after_text {
            new_line(out, level);
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
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
        let mut inner = Tag::new("b");
        inner.attribute("c", "it's <&\">");
        let mut outer = Tag::new("a");
        outer.child(inner);
        let mut text = Tag::new("d");
        text.text("x\ty\x07\r\n'z'");
        outer.child(text);
        assert_eq!(
            outer.to_text(),
            "<a>\n  <b c='it&apos;s &lt;&amp;&quot;&gt;'/>\n  <d>x\ty\r\n&apos;z&apos;</d>\n</a>\n"
        );
    }
}
