//! XML elements with positions, libvirt's way of printing, and RELAX NG, from one definition per
//! element.
//!
//! A type that derives [`Xml`] says once what its element looks like. Reading, printing and the
//! schema come from that one definition: the derive emits a static table (a [`Shape`]), and the
//! functions in [`walk`] go through it.
//!
//! ```
//! use base::{Mac, YesNo};
//! use xml::{Origin, Xml};
//!
//! base::words! {
//!     /// What an image's discard requests become.
//!     pub enum Discard unset "default" { Unmap = "unmap", Ignore = "ignore" }
//! }
//!
//! /// `<driver>` of a disk.
//! #[derive(Clone, Debug, Default, PartialEq, Xml)]
//! pub struct Driver {
//!     /// Where it was written.
//!     pub origin: Origin,
//!     /// The driver's name.
//!     #[xml(attribute)]
//!     pub name: Option<String>,
//!     /// What discard requests become.
//!     #[xml(attribute)]
//!     pub discard: Option<Discard>,
//! }
//!
//! /// A disk.
//! #[derive(Clone, Debug, Default, PartialEq, Xml)]
//! pub struct Disk {
//!     /// `<driver>`.
//!     #[xml(child)]
//!     pub driver: Option<Driver>,
//!     /// `<readonly/>`.
//!     #[xml(flag)]
//!     pub readonly: bool,
//!     /// `<serial>`.
//!     #[xml(text_child)]
//!     pub serial: Option<String>,
//! }
//!
//! let source = xml::Source::new("disk.xml", "<disk><serial>7</serial><driver discard='unmap'/></disk>");
//! let (disk, problems) = xml::read::<Disk>(&source, "disk", &[]).unwrap();
//! assert!(problems.is_empty());
//! assert_eq!(
//!     xml::print(&disk, "disk"),
//!     "<disk>\n  <driver discard='unmap'/>\n  <serial>7</serial>\n</disk>\n",
//! );
//! ```
//!
//! # What the derive takes
//!
//! On a field, one of:
//!
//! | `#[xml(…)]` | field type | in the document |
//! |---|---|---|
//! | `attribute` | `V` or `Option<V>`, where `V:` [`base::Value`] | an attribute |
//! | `text` | the same | the text of the element |
//! | `child` | `T`, `Option<T>` or `Vec<T>`, where `T:` [`Xml`] | a child element; of a `Vec`, each of that name |
//! | `text_child` | `V`, `Option<V>` or `Vec<V>` | a child element with nothing but a text |
//! | `attribute_child = "dev"` | the same | a child element with nothing but that attribute |
//! | `flag` | `bool` | an empty child element that is there or not |
//! | `flatten` | a struct with [`Xml`], or an enum keyed by an attribute, or an `Option` of that | its attributes and children, here |
//!
//! The name in the document is the field's (without a leading `r#`), unless `name = "…"` says
//! otherwise. A field `origin: Origin` is filled in by itself. A field without `#[xml]` is not part
//! of the document.
//!
//! Further words, after a comma: `required`; `keep_empty` (printed even without content);
//! `open` (the same, as a start and an end tag); `absent = "on"` (what the missing attribute of an
//! `attribute_child` means); `unit` (the value is a number, a blank and a unit, and the unit is an
//! attribute `unit`); `within = "wrapper"` (the children of a `Vec`, or the content of a flattened
//! enum's variant, sit in an element of their own, which is `required` where the variant requires
//! something in it); `repeat = "last"`, `"error"` or `"merge"` (what a second element of that name
//! means; otherwise the first one counts; said of a struct, it holds for all its fields); `read_if = path`
//! and `print_if = path` (`fn(&Self) -> bool`; reading sees the fields above it already filled in,
//! and which variant each flattened enum is); `key_first`, `key_here` or `key_after = "field"` on a
//! flattened enum (where its key stands among the attributes); `on_request` (of a struct that is
//! flattened in many places: read only where `with = "this that"` beside `flatten` asks for it);
//! `print_with = path` on an attribute (`fn(&Self) -> Option<String>`, printed instead of the field
//! where it gives something; the field is an `Option` of [`Elsewhere`] where it always does).
//!
//! The order of the fields is the order in which they are printed, attributes and children each for
//! themselves; the order of reading is free.
//!
//! On a struct: `#[xml(finish = path)]` names a `fn(&mut Self, El<'_>, &mut Reader)` that is called
//! when its fields were read; `drop_if = path` a `fn(&Self) -> bool` that tells
//! that the element says nothing, and is as good as absent; `closed` makes an unknown child element
//! an error; `ignores = "this that"`
//! names attributes and child elements that are neither kept nor reported, such as what libvirt adds
//! to the document of a running guest.
//!
//! On an enum: `#[xml(key = "type")]` names the attribute that chooses the variant, `default = "…"`
//! the word that a missing attribute stands for, and `quiet` that it is then not printed either.
//! Each variant has `#[xml(word = "…")]`, perhaps `ignores`, and holds nothing or one type with
//! [`Xml`], perhaps in a `Box`; the first one must be constructible by `Default`.

extern crate self as xml;

mod element;
mod elsewhere;
mod foreign;
pub mod grammar;
mod model;
mod problem;
mod source;
mod stray;
mod subtree;
mod tag;
pub mod walk;

pub use element::{Cursor, El, Namespace, Reader};
pub use elsewhere::Elsewhere;
pub use foreign::{Foreign, ForeignContent};
pub use grammar::{Grammar, Pattern};
pub use model::{
    AttributeStep, Child, Element, FieldShape, Key, Keyed, Kind, PrintOne, Repeat, Shape, Slot,
    SlotMut, TextList, Variant, Xml,
};
pub use problem::{Origin, Part, Problem, Severity, sort_problems};
pub use source::{Place, Places, Source};
pub use subtree::{Subtree, Unmodelled};
pub use tag::Tag;
pub use xml_derive::Xml;

/// Reads a document whose root element is `root`, with what is to be said about it besides.
///
/// # Errors
/// Every problem that was found, warnings included, in the order of the document, when one of them
/// is an error.
pub fn read<T: Xml>(
    source: &Source,
    root: &str,
    namespaces: &'static [Namespace],
) -> Result<(T, Vec<Problem>), Vec<Problem>> {
    let document = source.parse().map_err(|problem| vec![problem])?;
    let el = El::new(document.root_element(), namespaces, source.has_places);
    let mut reader = Reader::default();
    if !el.is(root) {
        let message = match el.namespace() {
            Some(uri) => {
                format!("<{}> is of the namespace '{uri}', and should have none", el.name())
            }
            None => format!("the document is a <{}>, not a <{root}>", el.name()),
        };
        reader.error(el.origin(), Part::Name, message);
        return Err(reader.into_problems());
    }
    let value = T::read(el, &mut reader);
    reader.place_strays::<T>();
    let problems = reader.into_problems();
    match value {
        Some(value) if !problems.iter().any(Problem::is_error) => Ok((value, problems)),
        _ => Err(problems),
    }
}

/// Whether a document says all that another one does: each element of `part` is in `all` at the same
/// place, with the same text and each of its attributes, whatever else there is.
pub fn says_all_of(all: &str, part: &str) -> bool {
    fn says(all: roxmltree::Node<'_, '_>, part: roxmltree::Node<'_, '_>) -> bool {
        let text = |node: roxmltree::Node<'_, '_>| node.text().map(str::trim).map(str::to_owned);
        all.tag_name() == part.tag_name()
            && text(part).is_none_or(|wanted| wanted.is_empty() || text(all) == Some(wanted))
            && part.attributes().all(|attribute| {
                all.attributes().any(|found| {
                    found.name() == attribute.name() && found.value() == attribute.value()
                })
            })
            && part
                .children()
                .filter(roxmltree::Node::is_element)
                .all(|child| all.children().any(|other| other.is_element() && says(other, child)))
    }
    match (roxmltree::Document::parse(all), roxmltree::Document::parse(part)) {
        (Ok(all), Ok(part)) => says(all.root_element(), part.root_element()),
        _ => false,
    }
}

/// Prints `value` as an element `name`, with a newline at the end.
pub fn print<T: Xml>(value: &T, name: &'static str) -> String {
    let mut tag = Tag::new(name);
    value.print(&mut tag);
    tag.into_text()
}
