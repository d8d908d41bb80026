//! What libvirt accepts is read without an error.

use xml::{Problem, Source};

use crate::corpus::{Corpus, Document};
use crate::fixed_point::shown;
use crate::{Case, Outcome};

/// One case for each document that libvirt accepted.
pub(crate) fn cases(corpus: &Corpus) -> Vec<Case> {
    let documents = corpus.inputs().into_iter().chain(corpus.accepted());
    documents
        .map(|document| Case::new(format!("reads/{}", document.name), move || reads(document)))
        .collect()
}

fn reads(Document { name, text }: Document) -> Outcome {
    let source = Source::new(name, text);
    match conf::parse(&source) {
        Ok(_) => Ok(()),
        Err(mut problems) => {
            problems.retain(Problem::is_error);
            Err(shown(&source, &problems))
        }
    }
}
