//! Names of domains, which become names of files.

use std::fmt::{self, Display};

use crate::error::Error;

/// The longest file name that Linux takes, in bytes.
const MAX_FILE_NAME: usize = 255;

/// The name of a domain that can be the name of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Takes a name that can be the name of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        let reason = if name.is_empty() {
            "it is empty"
        } else if name.contains('/') {
            "it contains '/'"
        } else if name.starts_with('.') {
            "it begins with '.'"
        } else if name.chars().any(char::is_control) {
            "it contains a control character"
        } else if name.len() + ".xml".len() > MAX_FILE_NAME {
            "with .xml behind it, it has more than 255 bytes"
        } else {
            return Ok(Self(name));
        };
        Err(Error::Name { name, reason })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a part of the name of a unit of systemd.
    ///
    /// A name of ours has no `/` and does not begin with `.`.
    pub fn in_unit(&self) -> String {
        sys::service::in_unit(&self.0)
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_named_as_systemd_escapes() {
        assert_eq!(Name::new("Größe-1").unwrap().in_unit(), "Gr\\xc3\\xb6\\xc3\\x9fe\\x2d1");
    }

    #[test]
    fn names_that_cannot_be_file_names_are_refused() {
        for name in ["", "a/b", "..", ".hidden", "a\nb", &"x".repeat(252)] {
            assert!(Name::new(name).is_err(), "{name:?}");
        }
        assert!(Name::new("x".repeat(251)).is_ok());
        assert!(Name::new("Größe 1").is_ok());
    }
}
