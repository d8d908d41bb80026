//! `<idmap>`: users and groups of containers.

use xml::{El, Origin, Reader, Xml};

/// `<idmap>`.
///
/// libvirt: `virDomainIdmapDefParseXML`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Idmap::finish)]
pub struct Idmap {
    /// Where it was written.
    pub origin: Origin,
    /// Users, by their numbers inside.
    #[xml(child, name = "uid")]
    pub users: Vec<IdRange>,
    /// Groups, by their numbers inside.
    #[xml(child, name = "gid")]
    pub groups: Vec<IdRange>,
}

impl Idmap {
    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        self.users.sort_by_key(|range| range.start);
        self.groups.sort_by_key(|range| range.start);
    }
}

/// `<uid>` or `<gid>`: a run of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct IdRange {
    /// The first number inside.
    #[xml(attribute, required)]
    pub start: u32,
    /// The first number outside.
    #[xml(attribute, required)]
    pub target: u32,
    /// How many.
    #[xml(attribute, required)]
    pub count: u32,
}
