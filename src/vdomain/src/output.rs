//! What the program says: results on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::Value;
use xml::{Problem, Source};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::report;

/// How many problems of a document are shown, errors first then: more than anybody reads.
const MOST_PROBLEMS: usize = 200;

/// Where results and messages go.
#[derive(Debug)]
pub(crate) struct Output(());

impl Output {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Writes a result as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                Failure::NobodyReads
            } else {
                Failure::refused(format!(
                    "cannot write to standard output: {}",
                    sys::reason(&error)
                ))
            }
        })
    }

    /// Writes a result as JSON.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), Failure> {
        self.text(&format!("{value:#}\n"))
    }

    /// Says something besides the result.
    pub(crate) fn say(&mut self, message: impl Display) {
        // Nobody is left to be told if standard error is gone.
        let _ = writeln!(anstream::stderr(), "{message}");
    }

    /// Says what is to be said about a document.
    pub(crate) fn problems(&mut self, source: &Source, problems: &[Problem]) {
        let places = source.places();
        let mut shown: Vec<&Problem> = problems.iter().collect();
        if shown.len() > MOST_PROBLEMS {
            shown.sort_by_key(|problem| !problem.is_error());
        }
        for problem in shown.into_iter().take(MOST_PROBLEMS) {
            self.say(report::with_excerpt(source, &places, problem));
        }
        if problems.len() > MOST_PROBLEMS {
            let more = problems.len() - MOST_PROBLEMS;
            self.say(format_args!("{}: {more} problems more are not shown", source.name));
        }
    }

    /// Says why a command did not do what was asked.
    pub(crate) fn failure(&mut self, failure: &Failure) -> Exit {
        match failure {
            Failure::Document { source, problems } => {
                self.problems(source, problems);
                Exit::Refused
            }
            Failure::Other { exit, message, help } => {
                self.say(format_args!("error: {message}"));
                if let Some(help) = help {
                    self.say(format_args!("help: {help}"));
                }
                *exit
            }
            Failure::NobodyReads => Exit::Done,
        }
    }
}

/// A table as virsh prints it: a blank, columns three blanks apart, a line of dashes under the head.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let cells: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!(" {}\n", cells.join("   ").trim_end())
    };
    let mut text = line(head);
    text.push_str(&"-".repeat(widths.iter().sum::<usize>() + 3 * N));
    text.push('\n');
    for row in rows {
        text.push_str(&line(std::array::from_fn(|column| row[column].as_str())));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_widest_cells() {
        let rows = [["1".to_owned(), "web".to_owned(), "running".to_owned()]];
        assert_eq!(
            table(["Id", "Name", "State"], &rows),
            " Id   Name   State\n----------------------\n 1    web    running\n"
        );
    }
}
