//! Domain XML that others wrote, and what libvirt makes of it, against what this project makes of it.
//!
//! The documents are not part of the project: they are looked for in `$VDOMAIN_CORPUS`, else in
//! `../shared/corpus` beside the repository. Each is a trial of each kind that fits it; the kinds
//! are listed in [`trials`], one file each.

mod commands;
mod comparison;
mod corpus;
mod define;
mod difference;
mod fixed_point;
mod known;
mod machine;
mod reads;
#[path = "../relaxng/mod.rs"]
mod relaxng;
mod reload;
mod schema;
mod silence;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use corpus::Corpus;
use known::Known;

/// What a trial found out: nothing, or what is wrong.
type Outcome = Result<(), String>;

/// One document and what is asked of it.
struct Case {
    name: String,
    run: Box<dyn FnOnce() -> Outcome + Send>,
}

impl Case {
    fn new(name: String, run: impl FnOnce() -> Outcome + Send + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// Every kind of trial.
fn trials(corpus: &Corpus) -> Result<Vec<Case>, String> {
    let mut cases = fixed_point::cases(corpus);
    cases.extend(reads::cases(corpus));
    cases.extend(reload::cases(corpus)?);
    cases.extend(define::cases(corpus)?);
    cases.extend(schema::cases(corpus));
    cases.extend(silence::cases(corpus));
    cases.extend(machine::cases(corpus)?);
    cases.extend(commands::cases(corpus));
    Ok(cases)
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let corpus = match Corpus::find() {
        Ok(corpus) => corpus,
        Err(reason) => {
            say(&reason);
            return ExitCode::SUCCESS;
        }
    };
    let trials = match trials(&corpus) {
        Ok(trials) => trials,
        Err(reason) => {
            say(&format!("conformance: {reason}"));
            return ExitCode::FAILURE;
        }
    };
    let known = Known::read();
    let trials = trials
        .into_iter()
        .map(|Case { name, run }| {
            let judge = known.judge(&name);
            Trial::test(name, move || judge.of(run()).map_err(Into::into))
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(message) = known.bless() {
        say(&message);
    }
    conclusion.exit_code()
}

#[expect(clippy::print_stderr, reason = "a test speaks to the person who runs it")]
fn say(message: &str) {
    eprintln!("{message}");
}
