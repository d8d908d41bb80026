//! Names of which few are ever asked for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A set of names, in order.
///
/// They lie in one text, since every start reads some thousands and looks for a few dozen.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// One behind the other.
    text: String,
    /// Where each ends in it.
    ends: Vec<usize>,
}

impl Names {
    /// Whether a name is among them.
    pub fn contains(&self, name: &str) -> bool {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = usize::midpoint(from, to);
            match self.at(middle).cmp(name) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        false
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.at(index))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn at(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[index]]
    }

    fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }
}

impl<'a> FromIterator<&'a str> for Names {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut all = Self::default();
        names.into_iter().collect::<BTreeSet<_>>().into_iter().for_each(|name| all.push(name));
        all
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
                let mut names = Names::default();
                while let Some(Name(name)) = list.next_element()? {
                    names.push(&name);
                }
                let is_set = (1..names.len()).all(|index| names.at(index - 1) < names.at(index));
                Ok(if is_set { names } else { names.iter().collect() })
            }
        }

        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_whole() {
        let names = Names::from_iter(["virtio-blk-pci", "blk", "virtio-blk", "blk"]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["blk", "virtio-blk", "virtio-blk-pci"]);
        for name in names.iter() {
            assert!(names.contains(name), "{name}");
        }
        for name in ["", "virtio", "pci", "blkvirtio-blk", "z"] {
            assert!(!names.contains(name), "{name}");
        }
        assert!(!Names::default().contains(""));
    }

    #[test]
    fn names_are_a_list_in_json() {
        let json = r#"["a","b\"c"]"#;
        let names: Names = serde_json::from_str(json).unwrap();
        assert!(names.contains("b\"c"));
        assert_eq!(serde_json::to_string(&names).unwrap(), json);
        assert_eq!(serde_json::from_str::<Names>(r#"["b\"c","a","a"]"#).unwrap(), names);
    }
}
