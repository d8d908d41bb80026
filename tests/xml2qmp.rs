//! Plans of documents, compared with those in `tests/xml2qmp`: `NAME.xml` becomes `NAME.plan.json`,
//! or is refused with what `NAME.err` says. What was seen of the things that it names is in
//! `NAME.answers.json`.
//!
//! What is unusual about a case stands on its first line; see `tests/golden`. `paused` and `strict`
//! are the options of the program.

mod golden;

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use golden::Case;
use libtest_mimic::Failed;
use qemu::Answers;
use qemu::plan::{Options, Plan};
use serde_json::Value;
use xml::Part;

fn main() -> ExitCode {
    golden::main("xml2qmp", &[], &["paused", "strict"], run)
}

fn run(case: Case) -> Result<(), Failed> {
    let answers = match fs::read_to_string(case.stem.with_extension("answers.json")) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(_) => Answers::default(),
    };
    match planned(&case, &answers) {
        Ok((plan, warnings)) => {
            has_all_it_refers_to(&plan)?;
            names_no_path(&plan)?;
            if planned(&case, &answers).ok().map(|again| again.0) != Some(plan.clone()) {
                return Err("planned twice, the plans differ".into());
            }
            let mut json = serde_json::to_value(&plan)?;
            if !warnings.is_empty() {
                json["warnings"] = warnings.into();
            }
            let text = format!("{}\n", serde_json::to_string_pretty(&json)?);
            case.expect(&[("plan.json", Some(text)), ("err", None)])
        }
        Err(problems) => case.expect(&[("err", golden::lines(&problems)), ("plan.json", None)]),
    }
}

/// The plan and the warnings, or what is wrong; everything with its place.
fn planned(case: &Case, answers: &Answers) -> Result<(Plan, Vec<String>), Vec<String>> {
    let shown = |problems: Vec<_>| case.shown(&problems);
    let (domain, mut warnings) = conf::parse(&case.source).map_err(shown)?;
    let completion =
        qemu::complete(domain, &case.capabilities, &case.host, case.mode).map_err(shown)?;
    let options =
        Options { paused: case.words.contains("paused"), strict: case.words.contains("strict") };
    let mut plan =
        qemu::plan::plan(&completion.domain, &case.capabilities, &case.host, answers, &options)
            .map_err(shown)?;
    warnings.extend(completion.problems);
    warnings.append(&mut plan.warnings);
    plan.locate(|origin| {
        let place = case.source.place(origin, &Part::Name)?;
        Some(format!("{}:{}:{}", case.source.name, place.line, place.column))
    });
    Ok((plan, shown(warnings)))
}

/// Every descriptor goes to QEMU in some way, and every command's descriptor is there.
fn has_all_it_refers_to(plan: &Plan) -> Result<(), Failed> {
    let names: BTreeSet<&str> = plan.fds.iter().map(|fd| fd.name.as_str()).collect();
    if names.len() != plan.fds.len() {
        return Err("two descriptors have the same name".into());
    }
    for fd in &plan.fds {
        if !(fd.getfd || fd.fdset.is_some() || fd.fd.is_some()) {
            return Err(format!("descriptor '{}' does not reach QEMU", fd.name).into());
        }
    }
    let sent: BTreeSet<&str> =
        plan.qmp.iter().flat_map(|command| &command.fds).map(String::as_str).collect();
    if let Some(unknown) = sent.difference(&names).next() {
        return Err(format!("a command comes with '{unknown}', which is not there").into());
    }
    Ok(())
}

/// QEMU gets descriptors in place of all paths that the document names.
fn names_no_path(plan: &Plan) -> Result<(), Failed> {
    let by_path: BTreeSet<&str> = plan.by_path.iter().map(|by| by.path.as_str()).collect();
    let paths =
        plan.fds.iter().map(|fd| fd.source.as_str()).filter(|source| {
            source.starts_with('/') && *source != "/" && !by_path.contains(source)
        });
    let commands = serde_json::to_value(&plan.qmp)?;
    for path in paths {
        let named = |text: &String| text.split([',', '=']).any(|word| word == path);
        if plan.argv.iter().any(named) || mentions(&commands, path) {
            return Err(format!("QEMU is told of the path '{path}'").into());
        }
    }
    Ok(())
}

/// Whether a text anywhere in a JSON value is the path.
fn mentions(value: &Value, path: &str) -> bool {
    match value {
        Value::String(text) => text == path,
        Value::Array(items) => items.iter().any(|item| mentions(item, path)),
        Value::Object(members) => members.values().any(|member| mentions(member, path)),
        _ => false,
    }
}
