//! The cases that are known to fail, and those whose machine is known to differ: lists that may only
//! shrink.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::Outcome;

/// The list of cases that fail.
const FAILURES: &str = "known-failures.txt";
/// The list of machines that differ from libvirt's, or are refused.
const DIFFERENCES: &str = "known-differences.txt";

/// The lists.
pub(crate) struct Known {
    names: BTreeSet<String>,
    passing: Arc<Mutex<BTreeSet<String>>>,
}

/// What the lists say of one case.
pub(crate) struct Judge {
    listed: Option<String>,
    passing: Arc<Mutex<BTreeSet<String>>>,
}

impl Known {
    /// Reads the lists.
    pub(crate) fn read() -> Self {
        let lists = [FAILURES, DIFFERENCES].map(|list| fs::read_to_string(path(list)));
        let names = lists.iter().flatten().flat_map(|text| text.lines()).map(str::to_owned);
        Self { names: names.collect(), passing: Arc::default() }
    }

    /// What the lists say of `name`.
    pub(crate) fn judge(&self, name: &str) -> Judge {
        Judge { listed: self.names.get(name).cloned(), passing: Arc::clone(&self.passing) }
    }

    /// Takes those off the lists that passed, if `BLESS` is set.
    pub(crate) fn bless(&self) -> Option<String> {
        let passing = self.passing.lock().ok()?;
        if passing.is_empty() || env::var_os("BLESS").is_none() {
            return None;
        }
        for list in [FAILURES, DIFFERENCES] {
            let left: String = self
                .names
                .difference(&passing)
                .filter(|name| list_of(name) == list)
                .map(|name| format!("{name}\n"))
                .collect();
            if let Err(error) = fs::write(path(list), left) {
                return Some(format!(
                    "conformance: cannot write {}: {error}",
                    path(list).display()
                ));
            }
        }
        Some(format!("conformance: {} cases fail no more", passing.len()))
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
                    "{name} passes: take it off tests/conformance/{} (BLESS=1 does that)",
                    list_of(&name)
                );
                self.passing.lock().map_err(|error| error.to_string())?.insert(name);
                Err(message)
            }
        }
    }
}

/// The list that a case is on if it fails.
fn list_of(name: &str) -> &'static str {
    if name.starts_with("machine") { DIFFERENCES } else { FAILURES }
}

fn path(list: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance").join(list)
}
