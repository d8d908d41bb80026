//! What the tests of single elements share: reading one, and printing it back.

use xml::{Source, Xml};

use crate::qemu_namespace::NAMESPACES;

/// Reads an element and prints it back.
///
/// # Errors
/// Every problem of a document that is not accepted.
pub(crate) fn reprint<T: Xml>(name: &'static str, text: &str) -> Result<String, Vec<String>> {
    read::<T>(name, text).map(|(value, _)| xml::print(&value, name))
}

/// Reads an element, with its warnings.
///
/// # Errors
/// Every problem of a document that is not accepted.
pub(crate) fn read<T: Xml>(name: &str, text: &str) -> Result<(T, Vec<String>), Vec<String>> {
    let texts = |problems: Vec<xml::Problem>| problems.iter().map(ToString::to_string).collect();
    match xml::read::<T>(&Source::new("test.xml", text), name, NAMESPACES) {
        Ok((value, problems)) => Ok((value, texts(problems))),
        Err(problems) => Err(texts(problems)),
    }
}
