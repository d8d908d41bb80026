//! `<backingStore>`: the image below another one.

use xml::{Cursor, El, Grammar, Origin, Part, Pattern, Problem, Reader, Tag, Xml};

use crate::device::disk::driver::{MetadataCache, StorageFormat};
use crate::device::disk::source::Source;

/// What is below an image.
///
/// libvirt: `virDomainDiskBackingStoreParse`.
#[derive(Clone, Debug, PartialEq)]
pub enum BackingStore {
    /// Nothing, said by `<backingStore/>`: whatever the image above says is not looked at.
    End,
    /// Another image.
    Image(Box<BackingImage>),
}

impl BackingStore {
    /// The image, unless this is the end.
    pub fn image(&self) -> Option<&BackingImage> {
        match self {
            Self::End => None,
            Self::Image(image) => Some(image),
        }
    }
}

impl Xml for BackingStore {
    fn read(el: El<'_>, reader: &mut Reader) -> Option<Self> {
        if el.attribute("type").is_some() {
            return BackingImage::read(el, reader).map(|image| Self::Image(Box::new(image)));
        }
        let mut cursor = Cursor::new(el);
        cursor.ignore(&["index"]);
        cursor.finish(reader);
        Some(Self::End)
    }

    fn print(&self, tag: &mut Tag) {
        if let Self::Image(image) = self {
            image.print(tag);
        }
    }

    fn pattern(grammar: &mut Grammar) -> Pattern {
        Pattern::Choice(vec![Pattern::Empty, BackingImage::pattern(grammar)])
    }
}

/// An image below another one.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = BackingImage::finish, ignores = "index")]
pub struct BackingImage {
    /// Where it was written.
    pub origin: Origin,
    /// Its format.
    #[xml(child, required)]
    pub format: BackingFormat,
    /// Where it is.
    #[xml(flatten, key_first, within = "source")]
    pub source: Source,
    /// What is below it. Absent: what the image itself says.
    #[xml(child, name = "backingStore", keep_empty)]
    pub backing_store: Option<BackingStore>,
}

/// Said of a source that would be printed without what makes it one, and could not be read again.
pub(crate) const NAMES_NOTHING: &str = "<source> says nothing of where the image is";

impl BackingImage {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        self.source.has_no_startup_policy(reader);
        match el.child("source") {
            None => reader.error(el.origin(), Part::Name, "<backingStore type='…'> needs <source>"),
            Some(source) if self.source.is_empty() => {
                reader.error(source.origin(), Part::Name, NAMES_NOTHING);
            }
            Some(_) => {}
        }
        // A word of <driver> alone.
        if let Some(format) = el.child("format").filter(|f| f.attribute("type") == Some("aio")) {
            let part = Part::Attribute("type".to_owned());
            let message = "'aio' is no format of a backing image";
            reader.push(Problem::error(format.origin(), part, message).help("write type='raw'"));
        }
    }
}

/// `<format>` of a backing image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct BackingFormat {
    /// The format.
    #[xml(attribute, name = "type", required)]
    pub format: StorageFormat,
    /// Of qcow2: the cache of its tables.
    #[xml(child)]
    pub metadata_cache: MetadataCache,
}
