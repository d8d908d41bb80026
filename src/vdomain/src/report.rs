//! Problems of documents, with an excerpt.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};
use xml::{Place, Places, Problem, Severity, Source};

/// How many bytes of a long line are shown on either side of what is meant.
const NEAR: usize = 120;

/// The place of a problem as `FILE:LINE:COLUMN`.
pub(crate) fn place(source: &Source, place: &Place) -> String {
    format!("{}:{}:{}", source.name, place.line, place.column)
}

/// A problem as a text of several lines: where, what, the line itself, what was expected, what to
/// do.
pub(crate) fn with_excerpt(source: &Source, places: &Places<'_>, problem: &Problem) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let found = places.find(problem.origin, &problem.part);
    let title = match &found {
        Some(found) => format!("{}: {}", place(source, found), problem.message),
        None => format!("{}: {}", source.name, problem.message),
    };
    let mut group = Group::with_title(level.primary_title(&title));
    if let Some(found) = &found {
        group = group.element(excerpt(source, found, problem));
    } else if let Some(expected) = &problem.expected {
        group = group.element(Level::NOTE.message(format!("expected {expected}")));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::styled().render(&[group])
}

/// A problem for programs.
pub(crate) fn as_json(source: &Source, places: &Places<'_>, problem: &Problem) -> Value {
    let found = places.find(problem.origin, &problem.part);
    json!({
        "file": source.name,
        "line": found.as_ref().map(|place| place.line),
        "column": found.as_ref().map(|place| place.column),
        "severity": match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": problem.message,
        "expected": problem.expected,
        "help": problem.help,
    })
}

/// The line that a place begins in; of a long one, what is near it.
fn excerpt<'a>(
    source: &'a Source,
    place: &Place,
    problem: &'a Problem,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = source.text.as_str();
    let at = place.span.start;
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    let start = text.ceil_char_boundary(line_start.max(at.saturating_sub(NEAR)));
    let end = text.floor_char_boundary(line_end.min(at + NEAR)).max(at);
    let span = at - start..place.span.end.clamp(at, end) - start;
    let mut annotation = AnnotationKind::Primary.span(span);
    if let Some(expected) = &problem.expected {
        annotation = annotation.label(format!("expected {expected}"));
    }
    Snippet::source(&text[start..end]).line_start(place.line as usize).annotation(annotation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xml::{Origin, Part};

    #[test]
    fn a_problem_shows_its_line_and_what_would_do() {
        let source = Source::new("web1.xml", "<disk>\n  <driver discard='trim'/>\n</disk>\n");
        let at = source.text.find("trim").unwrap();
        let problem =
            Problem::error(Origin::None, Part::Byte(at), "'trim' is not a value of discard")
                .expected("one of: unmap, ignore")
                .help("did you mean 'unmap'?");

        let text = anstream::adapter::strip_str(&with_excerpt(&source, &source.places(), &problem))
            .to_string();

        assert_eq!(
            text,
            "\
error: web1.xml:2:20: 'trim' is not a value of discard
  |
2 |   <driver discard='trim'/>
  |                    ^ expected one of: unmap, ignore
  |
  = help: did you mean 'unmap'?"
        );
    }
}
