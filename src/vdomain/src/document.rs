//! Documents on their way from a file to something that can be stored, printed or started.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use conf::Domain;
use qemu::{CompleteDomain, Mode};
use xml::{Problem, Source};

use crate::arguments::Reading;
use crate::failure::Failure;
use crate::output::Output;
use crate::world::World;

/// A document that was read.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its text.
    pub(crate) source: Source,
    /// What it says.
    pub(crate) domain: Domain,
    /// What is to be said about it.
    pub(crate) problems: Vec<Problem>,
}

/// A document that was read and completed.
#[derive(Debug)]
pub(crate) struct Completed {
    /// Its text.
    pub(crate) source: Source,
    /// What it says, and what it leaves open filled in.
    pub(crate) domain: CompleteDomain,
    /// Warnings about it.
    pub(crate) warnings: Vec<Problem>,
    /// What was made because it was not given, or changed because that was allowed.
    pub(crate) made: Vec<String>,
}

impl Document {
    /// Reads a file; `-` is standard input.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        Self::of(Self::source(path)?)
    }

    /// The text of a file; `-` is standard input.
    pub(crate) fn source(path: &Path) -> Result<Source, Failure> {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        let read = if name == "-" {
            std::io::stdin().lock().take(Source::READ).read_to_end(&mut bytes)
        } else {
            File::open(path).and_then(|file| file.take(Source::READ).read_to_end(&mut bytes))
        };
        read.map_err(|error| {
            Failure::refused(format!("cannot read '{name}': {}", sys::reason(&error)))
        })?;
        decode(&name, bytes)
    }

    /// Reads a document that is in memory.
    pub(crate) fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Failure> {
        Self::of(decode(name, bytes)?)
    }

    /// The same document, whose elements are not told from those of another one that is read with it.
    pub(crate) fn without_places(self) -> Result<Self, Failure> {
        Self::of(self.source.without_places())
    }

    fn of(source: Source) -> Result<Self, Failure> {
        match conf::parse(&source) {
            Ok((domain, problems)) => Ok(Self { source, domain, problems }),
            Err(problems) => Err(Failure::Document { source, problems }),
        }
    }

    /// Fills in what the document leaves open.
    pub(crate) fn complete(
        self,
        world: &World,
        mode: Mode,
        reading: &Reading,
    ) -> Result<Completed, Failure> {
        let Self { source, mut domain, mut problems } = self;
        let mut made = Vec::new();
        if reading.adapt {
            made = qemu::complete::adapt(&mut domain, &world.host);
        }
        let capabilities = world.capabilities(&domain)?;
        match qemu::complete(domain, &capabilities, &world.host, mode) {
            Ok(completion) => {
                problems.extend(completion.problems);
                made.extend(completion.made.iter().map(|made| format!("made {made}")));
                if reading.strict && !problems.is_empty() {
                    return Err(Failure::Document {
                        source,
                        problems: problems.into_iter().map(as_error).collect(),
                    });
                }
                let domain = completion.domain;
                Ok(Completed { source, domain, warnings: problems, made })
            }
            Err(more) => {
                problems.extend(more);
                Err(Failure::Document { source, problems })
            }
        }
    }
}

impl Completed {
    /// Says what there is to be said.
    pub(crate) fn say(&self, output: &mut Output) {
        output.problems(&self.source, &self.warnings);
        for made in &self.made {
            output.say(made);
        }
    }
}

fn decode(name: &str, bytes: Vec<u8>) -> Result<Source, Failure> {
    Source::decode(name, bytes).map_err(|problem| Failure::refused(format!("{name}: {problem}")))
}

fn as_error(problem: Problem) -> Problem {
    Problem { severity: xml::Severity::Error, ..problem }
}
