//! What the tests of golden cases share: documents in a directory, each with the machine that it is
//! for, and the texts that are expected beside it.
//!
//! A comment on the first line of a case says what is unusual about it, in words with `;` between:
//! `mode: reload`, `host: NAME` (of `tests/hosts`; else `usual`), `qemu: NAME` (of
//! `tests/capabilities`), and those that the test of the directory understands besides. `BLESS=1`
//! writes what was found in place of what was expected.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use qemu::{Capabilities, Host, Mode};
use qmp::Recording;
use xml::{Problem, Source};

/// Where the cases and the machines that they are for are.
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");

/// A document and the machine that it is for.
#[derive(Debug)]
pub(crate) struct Case {
    /// The path of its files without what follows the case's name.
    pub(crate) stem: PathBuf,
    /// The document.
    pub(crate) source: Source,
    /// What it is read for.
    pub(crate) mode: Mode,
    /// The words that stand alone on its first line.
    pub(crate) words: BTreeSet<String>,
    /// What QEMU can do.
    pub(crate) capabilities: Capabilities,
    /// The host.
    pub(crate) host: Host,
}

/// Runs each document of a directory but those that are `expected`, by how their names end. `words`
/// may stand alone on the first line of a case.
pub(crate) fn main(
    directory: &'static str,
    expected: &[&str],
    words: &'static [&'static str],
    run: fn(Case) -> Result<(), Failed>,
) -> ExitCode {
    let arguments = Arguments::from_args();
    let mut names: Vec<String> = fs::read_dir(Path::new(TESTS).join(directory))
        .expect("the directory of cases is part of the project")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !expected.iter().any(|ending| name.ends_with(ending)))
        .filter_map(|name| name.strip_suffix(".xml").map(str::to_owned))
        .collect();
    names.sort();
    let trials = names
        .into_iter()
        .map(|name| Trial::test(name.clone(), move || run(Case::read(directory, &name, words)?)))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

impl Case {
    fn read(directory: &str, name: &str, words: &[&str]) -> Result<Self, Failed> {
        let tests = Path::new(TESTS);
        let stem = tests.join(directory).join(name);
        let source = Source::decode(format!("{name}.xml"), fs::read(with(&stem, "xml"))?)
            .map_err(|problem| problem.to_string())?;
        let first = source.text.lines().next().unwrap_or_default();
        let comment = first.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
        let mut mode = Mode::Define;
        let mut host = "usual".to_owned();
        let mut qemu = "qemu-10.0.2-x86_64".to_owned();
        let mut alone = BTreeSet::new();
        for word in comment.unwrap_or_default().split(';').map(str::trim) {
            match word.split_once(':').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("mode", "reload")) => mode = Mode::Reload,
                Some(("host", name)) => host = name.to_owned(),
                Some(("qemu", name)) => qemu = name.to_owned(),
                None if words.contains(&word) => {
                    alone.insert(word.to_owned());
                }
                None if word.is_empty() => {}
                _ => return Err(format!("'{word}' on the first line says nothing").into()),
            }
        }
        let replies = tests.join("capabilities").join(format!("{qemu}.replies"));
        let recording = Recording::parse(&fs::read_to_string(replies)?)?;
        let host = fs::read_to_string(tests.join("hosts").join(format!("{host}.json")))?;
        Ok(Self {
            stem,
            source,
            mode,
            words: alone,
            capabilities: Capabilities::from_recording("/usr/bin/qemu-system-x86_64", &recording)?,
            host: serde_json::from_str(&host)?,
        })
    }

    /// Each problem with its place.
    pub(crate) fn shown(&self, problems: &[Problem]) -> Vec<String> {
        let places = self.source.places();
        problems
            .iter()
            .map(|problem| match places.find(problem.origin, &problem.part) {
                Some(place) => format!("{}:{}: {problem}", place.line, place.column),
                None => problem.to_string(),
            })
            .collect()
    }

    /// Compares what was found with what is beside the document: a text for each ending, `None`
    /// where there must be no such file.
    pub(crate) fn expect(&self, found: &[(&str, Option<String>)]) -> Result<(), Failed> {
        for (ending, text) in found {
            let file = with(&self.stem, ending);
            match text {
                _ if env::var_os("BLESS").is_some() => match text {
                    Some(text) => fs::write(file, text)?,
                    None if file.exists() => fs::remove_file(file)?,
                    None => {}
                },
                Some(text) => same(&fs::read_to_string(&file).unwrap_or_default(), text)
                    .map_err(|difference| format!(".{ending}, {difference}"))?,
                None if file.exists() => {
                    let found: String =
                        found.iter().filter_map(|(_, text)| text.as_deref()).collect();
                    return Err(format!(".{ending} is expected; found was:\n{found}").into());
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// The lines as a text; `None` if there are none.
pub(crate) fn lines(lines: &[String]) -> Option<String> {
    (!lines.is_empty()).then(|| format!("{}\n", lines.join("\n")))
}

/// The first line in which two texts differ, if they do.
pub(crate) fn same(wanted: &str, found: &str) -> Result<(), String> {
    if wanted == found {
        return Ok(());
    }
    let differs = |(wanted, found): (&str, &str)| wanted != found;
    let line = wanted.lines().zip(found.lines()).position(differs);
    let line = line.unwrap_or_else(|| wanted.lines().count().min(found.lines().count()));
    let shown = |text: &str| text.lines().nth(line).unwrap_or_default().to_owned();
    Err(format!("line {}:\n- {}\n+ {}", line + 1, shown(wanted), shown(found)))
}

/// The file of a case; its name may have dots.
fn with(stem: &Path, ending: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
