//! Where a name belongs that stands where nobody knows it.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::grammar::{Grammar, IGNORED, Pattern};
use crate::model::Xml;

/// An attribute or element of which nobody knew anything at its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stray {
    /// An attribute.
    Attribute(String),
    /// An element.
    Element(String),
}

/// The names of elements from below the root inwards.
type Path = Vec<&'static str>;

/// The elements that may hold a name: every attribute and element of a grammar.
#[derive(Debug, Default)]
pub(crate) struct Places {
    elements: BTreeMap<&'static str, BTreeSet<Path>>,
    attributes: BTreeMap<&'static str, BTreeSet<Path>>,
}

/// How many elements a name is said to belong into; in more, it says nothing by itself.
const MOST: usize = 3;
/// How far away a name may belong, in steps up and down. Attributes are called alike everywhere.
const FARTHEST: (usize, usize) = (1, 3);

impl Places {
    /// Those below an element that is a `T`. They are worked out once.
    pub(crate) fn of<T: Xml>() -> Arc<Self> {
        static KNOWN: Mutex<BTreeMap<TypeId, Arc<Places>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let places = known.entry(TypeId::of::<T>()).or_insert_with(|| {
            let mut grammar = Grammar::default();
            let content = T::pattern(&mut grammar);
            let mut places = Self::default();
            places.add(&grammar, &content, &mut Vec::new(), &mut Vec::new());
            Arc::new(places)
        });
        Arc::clone(places)
    }

    /// Adds what the element at `path` may hold; `inside` are the definitions that it is in.
    fn add(
        &mut self,
        grammar: &Grammar,
        content: &Pattern,
        path: &mut Path,
        inside: &mut Vec<&'static str>,
    ) {
        match content {
            Pattern::Attribute(name, _) => {
                self.attributes.entry(name).or_default().insert(path.clone());
            }
            Pattern::Element(name, content) => {
                self.elements.entry(name).or_default().insert(path.clone());
                path.push(name);
                self.add(grammar, content, path, inside);
                path.pop();
            }
            Pattern::Ref(name) if !inside.contains(name) => {
                inside.push(name);
                if let Some(definition) = grammar.definition(name) {
                    self.add(grammar, definition, path, inside);
                }
                inside.pop();
            }
            Pattern::Documented(doc, _) if *doc == IGNORED => {}
            Pattern::Optional(inner)
            | Pattern::ZeroOrMore(inner)
            | Pattern::Documented(_, inner) => self.add(grammar, inner, path, inside),
            Pattern::Interleave(parts) | Pattern::Choice(parts) => {
                parts.iter().for_each(|part| self.add(grammar, part, path, inside));
            }
            Pattern::Ref(_) | Pattern::Empty | Pattern::Anything | Pattern::Data(_) => {}
        }
    }

    /// What to do with a stray in the element at `path`, if there is a place for it not far from
    /// there.
    pub(crate) fn help(&self, stray: &Stray, path: &[String]) -> Option<String> {
        let (holders, farthest, word) = match stray {
            Stray::Attribute(name) => (self.attributes.get(&**name)?, FARTHEST.0, "to"),
            Stray::Element(name) => (self.elements.get(&**name)?, FARTHEST.1, "into"),
        };
        let way = |holder: &Path| {
            let common = holder.iter().zip(path).take_while(|(a, b)| *a == *b).count();
            holder.len() + path.len() - 2 * common
        };
        // An element of the same name is read in another way there.
        let nearest = holders.iter().map(way).min().filter(|way| (1..=farthest).contains(way))?;
        let names: BTreeSet<String> = holders
            .iter()
            .filter(|holder| way(holder) == nearest)
            .filter_map(|holder| Some(format!("<{}>", holder.last()?)))
            .collect();
        let names: Vec<String> = names.into_iter().collect();
        (1..=MOST)
            .contains(&names.len())
            .then(|| format!("it belongs {word} {}", names.join(" or ")))
    }
}
