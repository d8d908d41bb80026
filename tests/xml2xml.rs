//! Documents as they are stored, compared with those in `tests/xml2xml`: `NAME.xml` becomes
//! `NAME.out.xml` (absent: it stays as it is), or is refused with what `NAME.err` says. Where there
//! are warnings about a document that is stored, they are in `NAME.warnings`.
//!
//! What is unusual about a case stands on its first line; see `tests/golden`. `strict` and `adapt`
//! are the options of the program.

mod golden;
mod property;
mod relaxng;
mod silence;

use std::process::ExitCode;
use std::sync::{LazyLock, Mutex};

use golden::Case;
use libtest_mimic::Failed;
use qemu::CompleteDomain;
use relaxng::Validator;
use silence::Tried;
use xml::Problem;

fn main() -> ExitCode {
    golden::main("xml2xml", &[".out.xml"], &["strict", "adapt"], run)
}

/// What the cases before have shown not to be lost.
static TRIED: Mutex<Option<Tried>> = Mutex::new(None);

/// The schema of the model.
static SCHEMA: LazyLock<Result<Validator, String>> =
    LazyLock::new(|| Validator::new(&conf::schema()));

fn run(case: Case) -> Result<(), Failed> {
    let text = &case.source.text;
    silence::loses_nothing_there(text)?;
    silence::loses_nothing_added(
        text,
        TRIED.lock().map_err(|error| error.to_string())?.get_or_insert_default(),
    )?;
    let refused = |problems: &[Problem]| {
        let text = golden::lines(&case.shown(problems));
        case.expect(&[("err", text), ("out.xml", None), ("warnings", None)])
    };
    match stored(&case) {
        Ok((_, warnings)) if case.words.contains("strict") && !warnings.is_empty() => {
            refused(&warnings)
        }
        Ok((domain, warnings)) => {
            let text = conf::print(&domain);
            let again = property::stays_the_same(&text, &case.capabilities, &case.host)?;
            if conf::printed(&again) != conf::printed(&domain) {
                return Err("read back, it is another domain".into());
            }
            let schema = SCHEMA.as_ref()?;
            schema.validate(&text)?;
            if conf::parse(&case.source).is_ok_and(|(_, problems)| problems.is_empty()) {
                schema.validate(&case.source.text)?;
            }
            let changed = text != case.source.text;
            let warnings = golden::lines(&case.shown(&warnings));
            case.expect(&[
                ("err", None),
                ("out.xml", changed.then_some(text)),
                ("warnings", warnings),
            ])
        }
        Err(problems) => refused(&problems),
    }
}

/// What would be stored of a document, and the warnings; or what is wrong.
fn stored(case: &Case) -> Result<(CompleteDomain, Vec<Problem>), Vec<Problem>> {
    let (mut domain, problems) = conf::parse(&case.source)?;
    if case.words.contains("adapt") {
        qemu::complete::adapt(&mut domain, &case.host);
    }
    property::completed(domain, problems, &case.capabilities, &case.host, case.mode)
}
