//! `<metadata>`: what other programs keep in the document, one element for each namespace.

use xml::{El, Foreign, ForeignContent, Grammar, Part, Pattern, Problem, Reader, Tag, Xml};

/// `<metadata>`, kept as it is.
///
/// libvirt: `virXMLNodeSanitizeNamespaces`, `virXMLFormatMetadata` in `src/util/virxml.c`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(pub Foreign);

impl Metadata {
    /// What the program keeps whose namespace this is.
    pub fn element(&self, namespace: &str) -> Option<&Foreign> {
        self.0.children().find(|child| self.0.namespace_of(child) == Some(namespace))
    }
}

impl Xml for Metadata {
    fn read(el: El<'_>, reader: &mut Reader) -> Option<Self> {
        let mut seen: Vec<&str> = Vec::new();
        for child in el.children() {
            let name = child.name();
            let message = match child.namespace() {
                None => format!("<{name}> in <metadata> has no namespace, and is not kept"),
                Some(namespace) if seen.contains(&namespace) => {
                    format!(
                        "<{name}> in <metadata> is not kept: only the first of its namespace is"
                    )
                }
                Some(namespace) => {
                    seen.push(namespace);
                    continue;
                }
            };
            reader.push(Problem::warning(child.origin(), Part::Name, message));
        }
        el.children().next()?;
        let mut root = Foreign::of(el);
        let mut kept: Vec<String> = Vec::new();
        let mut content = std::mem::take(&mut root.content);
        content.retain(|item| {
            let ForeignContent::Element(element) = item else { return false };
            let Some(namespace) = root.namespace_of(element) else { return false };
            let first = !kept.iter().any(|known| known == namespace);
            kept.push(namespace.to_owned());
            first
        });
        root.content = content;
        Some(Self(root))
    }

    fn print(&self, tag: &mut Tag) {
        tag.write_verbatim(&self.0.dump(1));
    }

    fn pattern(_grammar: &mut Grammar) -> Pattern {
        Pattern::Anything
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document with nothing else in it.
    #[derive(Default, Xml)]
    struct Document {
        #[xml(child)]
        metadata: Option<Metadata>,
    }

    fn printed(metadata: &str) -> String {
        let text = format!("<domain xmlns:o='urn:o'>{metadata}</domain>");
        let source = xml::Source::new("a.xml", text);
        let (document, _) = xml::read::<Document>(&source, "domain", &[]).unwrap();
        document.metadata.map_or(String::new(), |metadata| metadata.0.dump(1))
    }

    #[test]
    fn elements_are_indented_anew_unless_there_is_text_beside_them() {
        assert_eq!(
            printed(
                "<metadata>\n<a:a xmlns:a='urn:a' z='1' b='2'>\n\n<b><c></c>  <d>  </d></b>\n\
                 <e>text<f/> <g/></e></a:a></metadata>"
            ),
            "<metadata>\n    <a:a xmlns:a=\"urn:a\" z=\"1\" b=\"2\">\n      <b>\n        <c/>\n        \
             <d>  </d>\n      </b>\n      <e>text<f/> <g/></e>\n    </a:a>\n  </metadata>"
        );
    }

    #[test]
    fn comments_and_cdata_inside_are_kept() {
        assert_eq!(
            printed("<metadata><o:a><!-- b --><c><![CDATA[<]]></c></o:a><!-- d --></metadata>"),
            "<metadata xmlns:o=\"urn:o\">\n    <o:a>\n      <!-- b -->\n      \
             <c><![CDATA[<]]></c>\n    </o:a>\n  </metadata>"
        );
    }

    #[test]
    fn characters_are_escaped_as_libxml2_does() {
        assert_eq!(
            printed(
                "<metadata><a xmlns='urn:a' b='\"&apos;&#10;\u{e9}&lt;'>\u{e9}\"&gt;&#13;</a></metadata>"
            ),
            "<metadata>\n    <a xmlns=\"urn:a\" b=\"&quot;'&#10;&#xE9;&lt;\">\u{e9}\"&gt;&#13;</a>\n  \
             </metadata>"
        );
    }

    #[test]
    fn only_the_first_element_of_each_namespace_is_kept() {
        assert_eq!(
            printed("<metadata><x/><a xmlns='urn:a'/>text<o:o/><b xmlns='urn:a'/></metadata>"),
            "<metadata xmlns:o=\"urn:o\">\n    <a xmlns=\"urn:a\"/>\n    <o:o/>\n  </metadata>"
        );
        assert_eq!(printed("<metadata>text</metadata>"), "");
    }
}
