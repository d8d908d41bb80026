//! The rules of this project that a program can check.
//!
//! Each test names what breaks its rule as `FILE:LINE: WHAT`, and says why there is that rule.
//! They are grouped by what they are about, a file each.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

mod cases;
mod coverage;
mod documents;
mod layers;
mod purity;
mod rust;
mod schema;
mod text;
mod tree;

use std::fmt::Display;
use std::path::Path;

/// What breaks one rule.
struct Findings {
    reason: &'static str,
    found: Vec<String>,
}

impl Findings {
    /// Nothing yet, of the rule that exists for `reason`.
    fn of(reason: &'static str) -> Self {
        Self { reason, found: Vec::new() }
    }

    /// Adds what was found in a line, counted from 1.
    fn add(&mut self, file: &Path, line: usize, what: impl Display) {
        self.found.push(format!("{}:{line}: {what}", file.display()));
    }

    /// Fails if anything was found.
    #[track_caller]
    fn none(self) {
        assert!(self.found.is_empty(), "\n{}\nwhy: {}\n", self.found.join("\n"), self.reason);
    }
}
