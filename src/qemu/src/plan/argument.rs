//! Values of the command line in `key=value` syntax.

use std::fmt::{Display, Write};

/// A value that consists of a first word and pairs of names and values.
#[derive(Clone, Debug)]
pub(super) struct Argument(String);

impl Argument {
    /// Starts with a word that has no name.
    pub(super) fn new(first: &str) -> Self {
        Self(escaped(first))
    }

    /// Adds a pair.
    pub(super) fn add(&mut self, name: &str, value: impl Display) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        write!(self.0, "{name}={}", escaped(&value.to_string()))
            .expect("a String takes everything");
        self
    }

    /// Adds a pair if there is a value.
    pub(super) fn maybe(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.add(name, value);
        }
        self
    }

    /// Adds `on` or `off`.
    pub(super) fn switch(&mut self, name: &str, value: Option<impl Into<bool>>) -> &mut Self {
        self.maybe(name, value.map(|value| on_off(value.into())))
    }

    /// Adds a word without a value.
    pub(super) fn word(&mut self, word: &str) -> &mut Self {
        write!(self.0, ",{word}").expect("a String takes everything");
        self
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// Doubles the commas of a text, which separate pairs.
fn escaped(text: &str) -> String {
    text.replace(',', ",,")
}

/// The words for a switch.
pub(super) fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
