//! Nothing of a document is lost without a word.

#[path = "../silence/mod.rs"]
pub(crate) mod checks;

use std::sync::{Arc, Mutex};

use crate::Case;
use crate::corpus::Corpus;
use checks::Tried;

/// One case for each document that libvirt accepted.
pub(crate) fn cases(corpus: &Corpus) -> Vec<Case> {
    let tried = Arc::new(Mutex::new(Tried::default()));
    corpus
        .inputs()
        .into_iter()
        .chain(corpus.accepted())
        .map(|document| {
            let tried = Arc::clone(&tried);
            Case::new(format!("silence/{}", document.name), move || {
                let mut tried = tried.lock().map_err(|error| error.to_string())?;
                checks::loses_nothing_there(&document.text)?;
                checks::loses_nothing_added(&document.text, &mut tried)
            })
        })
        .collect()
}
