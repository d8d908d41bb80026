//! The cases that are known to fail: a list that may only shrink.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::Outcome;

/// The list.
pub(crate) struct Known {
    names: BTreeSet<String>,
    passing: Arc<Mutex<BTreeSet<String>>>,
}

/// What the list says of one case.
pub(crate) struct Judge {
    listed: Option<String>,
    passing: Arc<Mutex<BTreeSet<String>>>,
}

impl Known {
    /// Reads the list.
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(path()).unwrap_or_default();
        Self { names: text.lines().map(str::to_owned).collect(), passing: Arc::default() }
    }

    /// What the list says of `name`.
    pub(crate) fn judge(&self, name: &str) -> Judge {
        Judge { listed: self.names.get(name).cloned(), passing: Arc::clone(&self.passing) }
    }

    /// Takes those off the list that passed, if `BLESS` is set.
    pub(crate) fn bless(&self) -> Option<String> {
        let passing = self.passing.lock().ok()?;
        if passing.is_empty() || env::var_os("BLESS").is_none() {
            return None;
        }
        let left: String =
            self.names.difference(&passing).map(|name| format!("{name}\n")).collect();
        Some(match fs::write(path(), left) {
            Ok(()) => format!("conformance: {} cases fail no more", passing.len()),
            Err(error) => format!("conformance: cannot write {}: {error}", path().display()),
        })
    }
}

impl Judge {
    /// Turns what a case found out into what it means.
    pub(crate) fn of(self, outcome: Outcome) -> Outcome {
        match (self.listed, outcome) {
            (None, outcome) => outcome,
            (Some(_), Err(_)) => Ok(()),
            (Some(name), Ok(())) => {
                let message = format!(
                    "{name} passes: take it off tests/conformance/known-failures.txt \
                     (BLESS=1 does that)"
                );
                self.passing.lock().map_err(|error| error.to_string())?.insert(name);
                Err(message)
            }
        }
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/known-failures.txt")
}
