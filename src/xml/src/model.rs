//! What the derive emits: the shape of an element as a static table, and access to its fields.

use base::{Attribute, BadValue, Value};

use crate::element::{El, Reader};
use crate::grammar::{Grammar, Pattern};
use crate::problem::Origin;
use crate::tag::Tag;

/// A type that is what one element holds: attributes, children, text.
///
/// Usually derived; written by hand where an element is like no other.
pub trait Xml: Sized + 'static {
    /// Reads the element, noting problems and going on. `None` means the same as no element.
    fn read(el: El<'_>, reader: &mut Reader) -> Option<Self>;

    /// Fills in a tag that has its name already.
    fn print(&self, tag: &mut Tag);

    /// What the element may hold.
    fn pattern(grammar: &mut Grammar) -> Pattern;
}

impl<T: Xml> Xml for Box<T> {
    fn read(el: El<'_>, reader: &mut Reader) -> Option<Self> {
        T::read(el, reader).map(Self::new)
    }

    fn print(&self, tag: &mut Tag) {
        T::print(self, tag);
    }

    fn pattern(grammar: &mut Grammar) -> Pattern {
        T::pattern(grammar)
    }
}

/// A struct whose fields are described by a [`Shape`].
pub trait Element: 'static {
    /// The table.
    fn shape(&self) -> &'static Shape;
    /// The field at a row of the table.
    fn slot(&self, index: usize) -> Slot<'_>;
    /// The field at a row of the table.
    fn slot_mut(&mut self, index: usize) -> SlotMut<'_>;
    /// Whether the field is read, given those above it.
    fn reads(&self, index: usize) -> bool;
    /// Whether the field is printed.
    fn prints(&self, index: usize) -> bool;
    /// The text of an attribute that is kept in other fields.
    fn text(&self, _index: usize) -> Option<String> {
        None
    }
    /// Notes where the element stands.
    fn set_origin(&mut self, origin: Origin);
    /// Looks at what was read: rules within one element.
    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {}
}

/// An enum of which an attribute chooses the variant.
pub trait Keyed: 'static {
    /// The attribute and the variants.
    fn key(&self) -> &'static Key;
    /// Becomes the variant at a row of the key's table, empty.
    fn select(&mut self, index: usize);
    /// The row of the present variant.
    fn selected(&self) -> usize;
    /// What the present variant holds, if anything.
    fn inner(&self) -> Option<&dyn Element>;
    /// What the present variant holds, if anything.
    fn inner_mut(&mut self) -> Option<&mut dyn Element>;
    /// Whether a missing attribute means that there is no variant at all.
    fn is_optional(&self) -> bool {
        false
    }
    /// Whether there is a variant.
    fn is_present(&self) -> bool {
        true
    }
}

impl<T: Keyed + Default> Keyed for Option<T> {
    fn key(&self) -> &'static Key {
        self.as_ref().map_or_else(|| T::default().key(), Keyed::key)
    }

    fn select(&mut self, index: usize) {
        self.get_or_insert_default().select(index);
    }

    fn selected(&self) -> usize {
        self.as_ref().map_or(0, Keyed::selected)
    }

    fn inner(&self) -> Option<&dyn Element> {
        self.as_ref()?.inner()
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Element> {
        self.as_mut()?.inner_mut()
    }

    fn is_optional(&self) -> bool {
        true
    }

    fn is_present(&self) -> bool {
        self.is_some()
    }
}

/// The shape of an element.
#[derive(Debug)]
pub struct Shape {
    /// The Rust type's name with its module; the schema makes its definition's name of it.
    pub name: &'static str,
    /// The doc comment.
    pub doc: &'static str,
    /// The fields in the order in which children are printed.
    pub fields: &'static [FieldShape],
    /// The order in which attributes are printed.
    pub attributes: &'static [AttributeStep],
    /// Whether an unknown child element is an error.
    pub closed: bool,
    /// Attributes and child elements that are neither read nor reported.
    pub ignores: &'static [&'static str],
}

/// The attribute that chooses a variant, and the variants.
#[derive(Debug)]
pub struct Key {
    /// The Rust type's name with its module.
    pub name: &'static str,
    /// The doc comment.
    pub doc: &'static str,
    /// The attribute.
    pub attribute: &'static str,
    /// Which variant a missing attribute stands for; `None` if it may not be missing.
    pub default: Option<usize>,
    /// Whether the attribute is left out where it would say that.
    pub quiet: bool,
    /// The words, in the order of the variants.
    pub words: &'static [&'static str],
    /// The variants.
    pub variants: &'static [Variant],
}

impl Key {
    /// Whether some variant has a field of this name.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        let shapes = self.variants.iter().filter_map(|variant| variant.shape);
        shapes.into_iter().any(|shape| shape().fields.iter().any(|field| field.name == name))
    }
}

/// One variant of a [`Keyed`] enum.
#[derive(Debug)]
pub struct Variant {
    /// The doc comment.
    pub doc: &'static str,
    /// The shape of what it holds.
    pub shape: Option<fn() -> &'static Shape>,
    /// Attributes and child elements that are neither read nor reported.
    pub ignores: &'static [&'static str],
}

/// One field of a [`Shape`].
#[derive(Debug)]
pub struct FieldShape {
    /// The name of the attribute or child element.
    pub name: &'static str,
    /// What the field is in the document.
    pub kind: Kind,
    /// The doc comment.
    pub doc: &'static str,
    /// Whether a document without it is refused.
    pub required: bool,
    /// Whether it is read, and required, under a condition only.
    pub conditional: bool,
    /// Whether it is printed under a condition only.
    pub print_if: bool,
    /// Whether a flattened enum is there only if its key is.
    pub optional: bool,
    /// Whether an element without content is printed.
    pub keep_empty: bool,
    /// Whether it is printed with a start and an end tag even without content.
    pub open: bool,
    /// Whether the value is a number and, behind a blank, a unit, which is an attribute `unit`.
    pub unit: bool,
    /// What a missing attribute of a child element with one value stands for.
    pub absent: Option<&'static str>,
    /// Whether it is read only where whoever flattens the struct asks for it.
    pub on_request: bool,
    /// What a second element of the name means.
    pub repeat: Repeat,
    /// What the value may be: of an attribute its text, of a child its content.
    pub pattern: fn(&mut Grammar) -> Pattern,
}

/// What a field is in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An attribute.
    Attribute,
    /// The text.
    Text,
    /// A child element, or each of that name; perhaps in a wrapper.
    Child {
        /// Whether there may be several.
        many: bool,
        /// The element they sit in.
        within: Option<&'static str>,
    },
    /// A child element with nothing but one value.
    Value {
        /// Whether there may be several.
        many: bool,
        /// The attribute that holds the value; the text if there is none.
        attribute: Option<&'static str>,
    },
    /// An empty child element that is there or not.
    Flag,
    /// The attributes and children of another struct or keyed enum.
    Flatten {
        /// Which of its fields that are read only on request are read here.
        with: &'static [&'static str],
        /// The child element that holds the content of the variant, whose key stands here.
        within: Option<&'static str>,
    },
}

/// What a second element of the same name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing: the first one counts, as with libvirt's XPath look-ups.
    First,
    /// It replaces the first one.
    Last,
    /// The document is refused.
    Error,
    /// Its children count as well, as with libvirt's look-ups by a path; its attributes do not.
    Merge,
}

/// One step of printing the attributes of an element.
#[derive(Clone, Copy, Debug)]
pub enum AttributeStep {
    /// The attribute at this row.
    Field(usize),
    /// The key of the flattened enum at this row.
    Key(usize),
    /// The attributes of what is flattened at this row.
    Flatten(usize),
}

/// A field, for reading from it.
#[allow(missing_debug_implementations, reason = "holds trait objects that cannot be shown")]
pub enum Slot<'a> {
    /// A value.
    Value(&'a dyn Attribute),
    /// A list of values.
    Values(&'a dyn TextList),
    /// An element, perhaps, or several.
    Child(&'a dyn Child),
    /// There or not.
    Flag(bool),
    /// A flattened struct.
    Element(&'a dyn Element),
    /// A flattened keyed enum.
    Keyed(&'a dyn Keyed),
}

/// A field, for writing into it.
#[allow(missing_debug_implementations, reason = "holds trait objects that cannot be shown")]
pub enum SlotMut<'a> {
    /// A value.
    Value(&'a mut dyn Attribute),
    /// A list of values.
    Values(&'a mut dyn TextList),
    /// An element, perhaps, or several.
    Child(&'a mut dyn Child),
    /// There or not.
    Flag(&'a mut bool),
    /// A flattened struct.
    Element(&'a mut dyn Element),
    /// A flattened keyed enum.
    Keyed(&'a mut dyn Keyed),
}

/// Fills in the tag of one element.
pub type PrintOne<'a> = &'a dyn Fn(&mut Tag);

/// A place for elements: one, perhaps one, or several.
pub trait Child {
    /// Puts in what `el` says.
    fn read(&mut self, el: El<'_>, reader: &mut Reader);
    /// Calls `each` with a way to print each element.
    fn print(&self, each: &mut dyn FnMut(PrintOne<'_>));
}

impl<T: Xml> Child for T {
    fn read(&mut self, el: El<'_>, reader: &mut Reader) {
        if let Some(value) = T::read(el, reader) {
            *self = value;
        }
    }

    fn print(&self, each: &mut dyn FnMut(PrintOne<'_>)) {
        each(&|tag| T::print(self, tag));
    }
}

impl<T: Xml> Child for Option<T> {
    fn read(&mut self, el: El<'_>, reader: &mut Reader) {
        *self = T::read(el, reader);
    }

    fn print(&self, each: &mut dyn FnMut(PrintOne<'_>)) {
        if let Some(value) = self {
            each(&|tag| value.print(tag));
        }
    }
}

impl<T: Xml> Child for Vec<T> {
    fn read(&mut self, el: El<'_>, reader: &mut Reader) {
        self.extend(T::read(el, reader));
    }

    fn print(&self, each: &mut dyn FnMut(PrintOne<'_>)) {
        for value in self {
            each(&|tag| value.print(tag));
        }
    }
}

/// A list of values, each of which is the text or an attribute of a child element.
pub trait TextList {
    /// Adds what `text` says.
    ///
    /// # Errors
    /// What would have been accepted instead.
    fn read(&mut self, text: &str) -> Result<(), BadValue>;
    /// The texts.
    fn texts(&self) -> Vec<String>;
}

impl<T: Value> TextList for Vec<T> {
    fn read(&mut self, text: &str) -> Result<(), BadValue> {
        self.extend(T::parse(text)?);
        Ok(())
    }

    fn texts(&self) -> Vec<String> {
        self.iter().map(Value::to_text).collect()
    }
}
