//! `<idmap>`: users and groups of containers.

use xml::{El, Origin, Part, Problem, Reader, Xml};

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
    /// libvirt: `virDomainDefIdMapValidate`.
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        self.users.sort_by_key(|range| range.start);
        self.groups.sort_by_key(|range| range.start);
        let ends = [self.users.first(), self.groups.first()];
        if ends.iter().any(Option::is_some) != ends.iter().all(Option::is_some) {
            let message = "<idmap> needs both <uid> and <gid>, or neither";
            reader.error(el.origin(), Part::Name, message);
        }
        for first in ends.into_iter().flatten().filter(|range| range.start != 0) {
            let part = Part::Attribute("start".to_owned());
            let message = "the root user and group inside are those of nobody";
            reader.push(Problem::error(first.origin, part, message).expected("one from 0 on"));
        }
    }
}

/// `<uid>` or `<gid>`: a run of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct IdRange {
    /// Where it was written.
    pub origin: Origin,
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
