//! What is to be said about a document, and where.

use std::fmt::{self, Display};

/// Where a value came from. It never takes part in comparisons: two equal documents are equal
/// however they were written.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub enum Origin {
    /// Made by a program, not read.
    #[default]
    None,
    /// The element with this number in the source.
    Element(u32),
    /// Added by a step of completion, which is named.
    Step(&'static str),
}

impl Origin {
    /// Whether both are the same element of one source.
    pub fn is_at(self, other: Self) -> bool {
        matches!((self, other), (Self::Element(one), Self::Element(other)) if one == other)
    }
}

impl PartialEq for Origin {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// Which part of an element is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Its name, which stands for all of it.
    Name,
    /// The value of an attribute.
    Attribute(String),
    /// The name of an attribute.
    AttributeName(String),
    /// Its text.
    Text,
    /// Something inside of it: the names of child elements with `/` between, each perhaps with `=`
    /// and what its attribute `name` is, and perhaps `@` and the name of an attribute at the end.
    /// It is the value of the attribute, or the text of the last element, or the name of the last
    /// element that is there.
    Within(String),
    /// A byte of the document, where there are no elements because it is malformed.
    Byte(usize),
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document is not accepted.
    Error,
    /// It is accepted, but not all of it has an effect.
    Warning,
}

/// Something to be said about a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the document is accepted all the same.
    pub severity: Severity,
    /// The element it is about.
    pub origin: Origin,
    /// The part of the element.
    pub part: Part,
    /// What was found.
    pub message: String,
    /// What was expected.
    pub expected: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// An error about `part` of the element at `origin`.
    pub fn error(origin: Origin, part: Part, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            origin,
            part,
            message: message.into(),
            expected: None,
            help: None,
        }
    }

    /// A warning about `part` of the element at `origin`.
    pub fn warning(origin: Origin, part: Part, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(origin, part, message) }
    }

    /// Adds what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether it is about an element whose place is known.
    pub fn has_place(&self) -> bool {
        matches!(self.origin, Origin::Element(_))
    }

    /// Whether the document is not accepted because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, ": expected {expected}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// Brings problems into the order of the document.
pub fn sort_problems(problems: &mut [Problem]) {
    problems.sort_by_key(|problem| match problem.origin {
        Origin::Element(number) => number,
        Origin::None | Origin::Step(_) => u32::MAX,
    });
}
