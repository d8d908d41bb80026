//! Paths as libvirt keeps them where it tidies them up.

use crate::value::{BadValue, Datatype, Value};

/// A path without doubled slashes and without one at its end. Two slashes at the beginning, and
/// URIs, are left alone.
///
/// libvirt: `virFileSanitizePath`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SanitizedPath(String);

impl SanitizedPath {
    /// Tidies up `path`.
    pub fn new(path: &str) -> Self {
        if path.find("://").is_some_and(|colon| path.find('/').is_some_and(|at| at > colon)) {
            return Self(path.to_owned());
        }
        let mut kept = String::with_capacity(path.len());
        let rest = match path.strip_prefix("//") {
            Some(rest) if !rest.starts_with('/') => {
                kept.push_str("//");
                rest
            }
            _ => path,
        };
        for c in rest.chars() {
            if c != '/' || !kept.ends_with('/') {
                kept.push(c);
            }
        }
        if kept.len() > 1 && kept.ends_with('/') && kept != "//" {
            kept.pop();
        }
        Self(kept)
    }
}

impl std::ops::Deref for SanitizedPath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Value for SanitizedPath {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        Ok(Some(Self::new(text)))
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }

    fn datatype() -> Datatype {
        Datatype::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_that_say_nothing_are_dropped() {
        let cases = [
            ("/dev//input///event0/", "/dev/input/event0"),
            ("///dev", "/dev"),
            ("//dev", "//dev"),
            ("/", "/"),
            ("//", "//"),
            ("a/b/", "a/b"),
            ("http://host//a/", "http://host//a/"),
        ];
        for (path, sanitized) in cases {
            assert_eq!(&*SanitizedPath::new(path), sanitized, "{path}");
        }
    }
}
