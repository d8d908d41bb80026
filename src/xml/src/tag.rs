//! Printing: an element with attributes in order and content, written the way libvirt writes it.

use std::borrow::Cow;
use std::fmt::Write as _;

use quick_xml::Writer;
use quick_xml::escape::escape;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

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
        write!(self.attributes, " {name}='{}'", escaped(value)).expect("a String takes everything");
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
        let mut writer = Writer::new_with_indent(Vec::with_capacity(4096), b' ', 2);
        self.write(&mut writer).expect("memory takes everything");
        let mut bytes = writer.into_inner();
        bytes.push(b'\n');
        String::from_utf8(bytes).expect("only text was written")
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        if let Some(xml) = &self.verbatim {
            writer.write_indent()?;
            writer.get_mut().extend_from_slice(xml.as_bytes());
            return Ok(());
        }
        let start =
            BytesStart::from_content(format!("{}{}", self.name, self.attributes), self.name.len());
        if self.content.is_empty() && !self.open {
            return writer.write_event(Event::Empty(start));
        }
        writer.write_event(Event::Start(start))?;
        for item in &self.content {
            match item {
                Content::Text(text) => {
                    writer.write_event(Event::Text(BytesText::from_escaped(escaped(text))))?;
                }
                Content::Tag(tag) => tag.write(writer)?,
            }
        }
        writer.write_event(Event::End(BytesEnd::new(&*self.name)))
    }
}

/// Escapes the five characters of XML and drops control characters, in text and attributes alike.
/// Tabs and line ends are written as they are.
///
/// libvirt: `virBufferEscapeString`.
fn escaped(text: &str) -> Cow<'_, str> {
    let dropped = |c: char| matches!(c, '\x01'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x19');
    if text.contains(|c| dropped(c) || c == '\r') {
        let kept = text.replace(dropped, "");
        let lines: Vec<_> = kept.split('\r').map(escape).collect();
        return Cow::Owned(lines.join("\r"));
    }
    escape(text)
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
