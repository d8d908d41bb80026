//! `<numa>`: NUMA nodes of the guest, which libvirt calls cells.

use std::num::NonZeroU32;

use base::{BadValue, CpuSet, Datatype, Unit, Value, YesNo, size, words};
use xml::{Cursor, El, Grammar, Origin, Part, Pattern, Problem, Reader, Tag, Xml};

use crate::memory::Kibibytes;
use crate::memory_backing::MemoryAccess;

/// The distance of a node to itself.
const LOCAL_DISTANCE: u32 = 10;
/// The distance that stands for "not reachable", and the largest one.
const UNREACHABLE: u32 = 255;

/// `<numa>`.
///
/// libvirt: `virDomainNumaDefParseXML`, `virDomainNumaDefFormatXML` in `src/conf/numa_conf.c`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Numa::finish)]
pub struct Numa {
    /// Where it was written.
    pub origin: Origin,
    /// The nodes; the number of each is its position.
    #[xml(child, name = "cell")]
    pub cells: Vec<NumaCell>,
    /// How fast processors and caches reach the memory of each node.
    #[xml(child)]
    pub interconnects: Option<Interconnects>,
}

impl Numa {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if el.child("cell").is_none() {
            reader.error(el.origin(), Part::Name, "<numa> needs at least one <cell>");
        }
        let count = self.cells.len();
        let before = reader.errors();
        for (at, cell) in self.cells.iter_mut().enumerate() {
            let id = *cell.id.get_or_insert(at as u32);
            if id as usize >= count {
                let part = Part::Attribute("id".to_owned());
                let message = format!("there are {count} cells, but this one has number {id}");
                reader.push(
                    Problem::error(cell.origin, part, message)
                        .help("number the cells from 0 without a gap"),
                );
            }
        }
        self.cells.sort_by_key(|cell| cell.id);
        for pair in self.cells.windows(2).filter(|pair| pair[0].id == pair[1].id) {
            let message = format!("two cells have number {}", pair[1].id.unwrap_or_default());
            reader.error(pair[1].origin, Part::Attribute("id".to_owned()), message);
        }
        self.check_cpus(reader);
        if reader.errors() == before {
            self.complete_distances(reader);
        }
    }

    fn check_cpus(&self, reader: &mut Reader) {
        for (at, cell) in self.cells.iter().enumerate() {
            for other in &self.cells[..at] {
                let cpus = |cell: &NumaCell| cell.cpus.clone().unwrap_or_default().0;
                if let Some(cpu) = cpus(cell).intersection(&cpus(other)).next() {
                    let message = format!("processor {cpu} is in two cells");
                    reader.error(cell.origin, Part::Attribute("cpus".to_owned()), message);
                }
            }
        }
    }

    /// A distance that is given in one direction only holds in both.
    fn complete_distances(&mut self, reader: &mut Reader) {
        let count = self.cells.len();
        let mut rows: Vec<Option<Vec<u32>>> = vec![None; count];
        let row = |at: usize| {
            let mut row = vec![0; count];
            row[at] = LOCAL_DISTANCE;
            row
        };
        for (from, cell) in self.cells.iter().enumerate() {
            for (at, Sibling { origin, id, value }) in cell.distances.iter().enumerate() {
                let to = *id as usize;
                if cell.distances[at + 1..].iter().any(|later| later.id == *id) {
                    let message = format!("the distance to cell {id} appears more than once");
                    let part = Part::Attribute("id".to_owned());
                    let problem = Problem::warning(*origin, part, message);
                    reader.push(problem.help("only the last one has an effect"));
                }
                if to >= count {
                    let message = format!("there is no cell {id} for cell {from} to be far from");
                    reader.error(*origin, Part::Attribute("id".to_owned()), message);
                    continue;
                }
                if !(LOCAL_DISTANCE..=UNREACHABLE).contains(value)
                    || (from == to) != (*value == LOCAL_DISTANCE)
                {
                    let part = Part::Attribute("value".to_owned());
                    let message = format!("cell {id} cannot be {value} far from cell {from}");
                    reader.push(Problem::error(*origin, part, message).expected(format!(
                        "{LOCAL_DISTANCE} from itself, and from {} to {UNREACHABLE} from others",
                        LOCAL_DISTANCE + 1
                    )));
                    continue;
                }
                rows[from].get_or_insert_with(|| row(from))[to] = *value;
                let back = &mut rows[to].get_or_insert_with(|| row(to))[from];
                if *back == 0 {
                    *back = *value;
                }
            }
        }
        for (cell, row) in self.cells.iter_mut().zip(rows) {
            cell.distances = (0..)
                .zip(row.unwrap_or_default())
                .filter(|(_, value)| *value > 0)
                .map(|(id, value)| {
                    let origin = cell
                        .distances
                        .iter()
                        .find(|sibling| sibling.id == id)
                        .map_or(Origin::None, |sibling| sibling.origin);
                    Sibling { origin, id, value }
                })
                .collect();
        }
    }
}

/// `<cell>`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct NumaCell {
    /// Where it was written.
    pub origin: Origin,
    /// Its number, which after reading is its position in the list.
    #[xml(attribute)]
    pub id: Option<u32>,
    /// Its processors. Absent: none.
    #[xml(attribute)]
    pub cpus: Option<CpuSet>,
    /// How much memory it has, without memory devices.
    #[xml(attribute, required, unit)]
    pub memory: Kibibytes,
    /// Whether others can map its memory. Absent: as `<memoryBacking>` says.
    #[xml(attribute, name = "memAccess")]
    pub access: Option<MemoryAccess>,
    /// Whether its memory is dropped, not written back, when QEMU ends. Absent: as
    /// `<memoryBacking>` says.
    #[xml(attribute)]
    pub discard: Option<YesNo>,
    /// How far the nodes are, itself included; either all of this cell's are there or none.
    #[xml(child, name = "sibling", within = "distances")]
    pub distances: Vec<Sibling>,
    /// Caches in front of its memory.
    #[xml(child, name = "cache")]
    pub caches: Vec<NumaCache>,
}

/// `<sibling>`: how far another node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Sibling {
    /// Where it was written.
    pub origin: Origin,
    /// The other node.
    #[xml(attribute, required)]
    pub id: u32,
    /// The distance, from 10 (the node itself) to 255 (not reachable).
    #[xml(attribute, required)]
    pub value: u32,
}

words! {
    /// Where in a cache a piece of memory can be.
    pub enum CacheAssociativity {
        /// Not said.
        None = "none",
        /// In one place.
        Direct = "direct",
        /// Anywhere.
        Full = "full",
    }
}

words! {
    /// When a cache writes to memory.
    pub enum CachePolicy {
        /// Not said.
        None = "none",
        /// When it needs the room.
        Writeback = "writeback",
        /// At once.
        Writethrough = "writethrough",
    }
}

/// `<cache>` in front of a node's memory.
///
/// QEMU: `-numa hmat-cache`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct NumaCache {
    /// Where it was written.
    pub origin: Origin,
    /// Its level.
    #[xml(attribute, required)]
    pub level: u32,
    /// Where in it a piece of memory can be.
    #[xml(attribute, required)]
    pub associativity: CacheAssociativity,
    /// When it writes.
    #[xml(attribute, required)]
    pub policy: CachePolicy,
    /// Its size.
    #[xml(attribute_child = "value", required, unit)]
    pub size: Kibibytes,
    /// The size of a line.
    #[xml(attribute_child = "value", required, unit)]
    pub line: Bytes,
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Value for Bytes {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        size::parse(text, Unit::BYTE).map(|bytes| Some(Self(bytes)))
    }

    fn write(&self, out: &mut String) {
        self.0.write(out);
        out.push_str(" B");
    }

    fn datatype() -> Datatype {
        Datatype::Unsigned
    }
}

/// `<interconnects>`, in the order of the document.
///
/// QEMU: `-numa hmat-lb`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interconnects(pub Vec<Interconnect>);

/// How long or how wide the way to a node's memory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interconnect {
    /// `<latency>`.
    Latency(Latency),
    /// `<bandwidth>`.
    Bandwidth(Bandwidth),
}

impl Xml for Interconnects {
    fn read(el: El<'_>, reader: &mut Reader) -> Option<Self> {
        let mut cursor = Cursor::new(el);
        cursor.children("latency");
        cursor.children("bandwidth");
        cursor.finish(reader);
        let interconnects = el.children().filter_map(|child| match child.name() {
            "latency" => Latency::read(child, reader).map(Interconnect::Latency),
            "bandwidth" => Bandwidth::read(child, reader).map(Interconnect::Bandwidth),
            _ => None,
        });
        Some(Self(interconnects.collect()))
    }

    fn print(&self, tag: &mut Tag) {
        for interconnect in &self.0 {
            match interconnect {
                Interconnect::Latency(latency) => tag.child("latency", |tag| latency.print(tag)),
                Interconnect::Bandwidth(bandwidth) => {
                    tag.child("bandwidth", |tag| bandwidth.print(tag));
                }
            }
        }
    }

    fn pattern(grammar: &mut Grammar) -> Pattern {
        let latency = Pattern::Element("latency", Box::new(Latency::pattern(grammar)));
        let bandwidth = Pattern::Element("bandwidth", Box::new(Bandwidth::pattern(grammar)));
        Pattern::ZeroOrMore(Box::new(Pattern::Choice(vec![latency, bandwidth])))
    }
}

words! {
    /// What is done with the memory.
    pub enum AccessKind {
        /// Reading and writing.
        Access = "access",
        /// Reading.
        Read = "read",
        /// Writing.
        Write = "write",
    }
}

/// `<latency>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Latency {
    /// Where it was written.
    pub origin: Origin,
    /// The node whose processors go there.
    #[xml(attribute, required)]
    pub initiator: u32,
    /// The node whose memory it is.
    #[xml(attribute, required)]
    pub target: u32,
    /// The level of the cache that answers. Absent: the memory itself.
    #[xml(attribute)]
    pub cache: Option<NonZeroU32>,
    /// What is done.
    #[xml(attribute, name = "type", required)]
    pub kind: AccessKind,
    /// The time in nanoseconds.
    #[xml(attribute, required)]
    pub value: u64,
}

/// `<bandwidth>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Bandwidth {
    /// Where it was written.
    pub origin: Origin,
    /// The node whose processors go there.
    #[xml(attribute, required)]
    pub initiator: u32,
    /// The node whose memory it is.
    #[xml(attribute, required)]
    pub target: u32,
    /// The level of the cache that answers. Absent: the memory itself.
    #[xml(attribute)]
    pub cache: Option<NonZeroU32>,
    /// What is done.
    #[xml(attribute, name = "type", required)]
    pub kind: AccessKind,
    /// How much goes through each second.
    #[xml(attribute, required, unit)]
    pub value: Kibibytes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn cells_stand_in_the_order_of_their_numbers() {
        let text =
            "<numa><cell id='1' memory='2' unit='MiB'/><cell id='0' cpus='0-1' memory='1'/></numa>";
        assert_eq!(
            reprint::<Numa>("numa", text).unwrap(),
            "<numa>\n  <cell id='0' cpus='0-1' memory='1' unit='KiB'/>\n  \
             <cell id='1' memory='2048' unit='KiB'/>\n</numa>\n"
        );
    }

    #[test]
    fn numbers_have_no_gap_and_no_twin() {
        let error = |text| reprint::<Numa>("numa", text).unwrap_err()[0].clone();
        assert!(error("<numa><cell id='1' memory='1'/></numa>").starts_with("there are 1 cells"));
        assert_eq!(
            error("<numa><cell id='0' memory='1'/><cell id='0' memory='1'/></numa>"),
            "two cells have number 0"
        );
        assert_eq!(
            error("<numa><cell cpus='0' memory='1'/><cell cpus='0' memory='1'/></numa>"),
            "processor 0 is in two cells"
        );
    }

    #[test]
    fn a_distance_holds_in_both_directions() {
        let text = "<numa><cell memory='1'><distances><sibling id='1' value='21'/></distances></cell>\
                    <cell memory='1'/></numa>";
        let (numa, _) = read::<Numa>("numa", text).unwrap();
        let row = |at: usize| -> Vec<(u32, u32)> {
            numa.cells[at].distances.iter().map(|to| (to.id, to.value)).collect()
        };
        assert_eq!(row(0), [(0, 10), (1, 21)]);
        assert_eq!(row(1), [(0, 21), (1, 10)]);
    }

    #[test]
    fn latencies_and_bandwidths_keep_their_order() {
        let text = "<numa>\n  <cell id='0' memory='1' unit='KiB'/>\n  <interconnects>\n    \
             <bandwidth initiator='0' target='0' type='access' value='1024' unit='KiB'/>\n    \
             <latency initiator='0' target='0' cache='1' type='read' value='5'/>\n    \
             <bandwidth initiator='0' target='1' type='write' value='1' unit='KiB'/>\n  \
             </interconnects>\n</numa>\n";
        assert_eq!(reprint::<Numa>("numa", text).unwrap(), text);
    }
}
