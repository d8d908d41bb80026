//! What libvirt printed is read without a complaint and printed back byte for byte.

use xml::{Problem, Source};

use crate::corpus::{Corpus, Document};
use crate::difference::difference;
use crate::{Case, Outcome};

/// One case for each document that libvirt printed.
pub(crate) fn cases(corpus: &Corpus) -> Vec<Case> {
    let documents = corpus.expected().into_iter().chain(corpus.stored());
    documents
        .map(|document| {
            Case::new(format!("fixed-point/{}", document.name), move || prints_back(document))
        })
        .collect()
}

fn prints_back(Document { name, text }: Document) -> Outcome {
    let source = Source::new(name, text);
    let (domain, problems) = conf::parse(&source).map_err(|problems| shown(&source, &problems))?;
    if let Some(difference) = difference(&source.text, &conf::print(&domain)) {
        return Err(difference);
    }
    if problems.is_empty() { Ok(()) } else { Err(shown(&source, &problems)) }
}

/// Each problem with its line.
pub(crate) fn shown(source: &Source, problems: &[Problem]) -> String {
    let line = |problem: &Problem| {
        let line = source.place(problem.origin, &problem.part).map_or(0, |place| place.line);
        let severity = if problem.is_error() { "error" } else { "warning" };
        format!("{}:{line}: {severity}: {problem}\n", source.name)
    };
    problems.iter().map(line).collect()
}
