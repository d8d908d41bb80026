//! Plans of documents, compared with those in `tests/xml2qmp`: `NAME.xml` becomes `NAME.plan.json`,
//! or is refused with what `NAME.err` says.
//!
//! A comment on the first line of a case says what is unusual about it, in words with `;` between:
//! `mode: reload`, `host: NAME` (of `tests/hosts`; else `usual`), `qemu: NAME` (of
//! `tests/capabilities`), `paused`, `strict`. What was seen of the things that it names is in
//! `NAME.answers.json`. `BLESS=1` writes what was found in place of what was expected.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use qemu::plan::{Options, Plan};
use qemu::{Answers, Capabilities, Host, Mode};
use qmp::Recording;
use serde_json::Value;
use xml::{Part, Problem, Source};

/// Where the cases and the machines that they are for are.
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut names: Vec<String> = fs::read_dir(Path::new(TESTS).join("xml2qmp"))
        .expect("the directory of cases is part of the project")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".xml").map(str::to_owned))
        .collect();
    names.sort();
    let trials = names
        .into_iter()
        .map(|name| Trial::test(name.clone(), move || Case::read(&name)?.run()))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A document and the machine that it is planned for.
struct Case {
    stem: PathBuf,
    source: Source,
    mode: Mode,
    options: Options,
    capabilities: Capabilities,
    host: Host,
    answers: Answers,
}

impl Case {
    fn read(name: &str) -> Result<Self, Failed> {
        let stem = Path::new(TESTS).join("xml2qmp").join(name);
        let text = fs::read_to_string(stem.with_extension("xml"))?;
        let first = text.lines().next().unwrap_or_default();
        let comment = first.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
        let mut mode = Mode::Define;
        let mut options = Options::default();
        let mut host = "usual";
        let mut qemu = "qemu-10.0.2-x86_64";
        for word in comment.unwrap_or_default().split(';').map(str::trim) {
            match word.split_once(':').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("mode", "reload")) => mode = Mode::Reload,
                Some(("host", name)) => host = name,
                Some(("qemu", name)) => qemu = name,
                None if word == "paused" => options.paused = true,
                None if word == "strict" => options.strict = true,
                None if word.is_empty() => {}
                _ => return Err(format!("'{word}' on the first line says nothing").into()),
            }
        }
        let tests = Path::new(TESTS);
        let replies = tests.join("capabilities").join(format!("{qemu}.replies"));
        let recording = Recording::parse(&fs::read_to_string(replies)?)?;
        let host = fs::read_to_string(tests.join("hosts").join(format!("{host}.json")))?;
        let answers = match fs::read_to_string(stem.with_extension("answers.json")) {
            Ok(text) => serde_json::from_str(&text)?,
            Err(_) => Answers::default(),
        };
        Ok(Self {
            source: Source::new(format!("{name}.xml"), text),
            stem,
            mode,
            options,
            capabilities: Capabilities::from_recording("/usr/bin/qemu-system-x86_64", &recording)?,
            host: serde_json::from_str(&host)?,
            answers,
        })
    }

    fn run(self) -> Result<(), Failed> {
        let (found, other) = match self.plan() {
            Ok((plan, warnings)) => {
                self.has_all_it_refers_to(&plan)?;
                self.names_no_path(&plan)?;
                if self.plan().ok().map(|again| again.0) != Some(plan.clone()) {
                    return Err("planned twice, the plans differ".into());
                }
                let mut json = serde_json::to_value(&plan)?;
                if !warnings.is_empty() {
                    json["warnings"] = warnings.into();
                }
                let text = format!("{}\n", serde_json::to_string_pretty(&json)?);
                (("plan.json", text), "err")
            }
            Err(problems) => (("err", format!("{}\n", problems.join("\n"))), "plan.json"),
        };
        let ((ending, text), other) = (found, self.stem.with_extension(other));
        let expected = self.stem.with_extension(ending);
        if env::var_os("BLESS").is_some() {
            let _ = fs::remove_file(other);
            return Ok(fs::write(expected, text)?);
        }
        if other.exists() {
            return Err(format!("{} is expected, but found was:\n{text}", other.display()).into());
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if wanted == text {
            return Ok(());
        }
        let differs = |(wanted, found): &(&str, &str)| wanted != found;
        let line = wanted.lines().zip(text.lines()).position(|pair| differs(&pair));
        let line = line.unwrap_or_else(|| wanted.lines().count().min(text.lines().count()));
        let shown = |text: &str| text.lines().nth(line).unwrap_or_default().to_owned();
        Err(format!("line {}:\n- {}\n+ {}", line + 1, shown(&wanted), shown(&text)).into())
    }

    /// The plan and the warnings, or what is wrong; everything with its place.
    fn plan(&self) -> Result<(Plan, Vec<String>), Vec<String>> {
        let shown = |problems: &[Problem]| problems.iter().map(|p| self.shown(p)).collect();
        let (domain, mut warnings) =
            conf::parse(&self.source).map_err(|problems| shown(&problems))?;
        let completion = qemu::complete(domain, &self.capabilities, &self.host, self.mode)
            .map_err(|problems| shown(&problems))?;
        let mut plan = qemu::plan::plan(
            &completion.domain,
            &self.capabilities,
            &self.host,
            &self.answers,
            &self.options,
        )
        .map_err(|problems| shown(&problems))?;
        warnings.extend(completion.problems);
        warnings.append(&mut plan.warnings);
        plan.locate(|origin| {
            let place = self.source.place(origin, &Part::Name)?;
            Some(format!("{}:{}:{}", self.source.name, place.line, place.column))
        });
        Ok((plan, shown(&warnings)))
    }

    fn shown(&self, problem: &Problem) -> String {
        match self.source.place(problem.origin, &problem.part) {
            Some(place) => format!("{}:{}: {problem}", place.line, place.column),
            None => problem.to_string(),
        }
    }

    /// Every descriptor goes to QEMU in some way, and every command's descriptor is there.
    fn has_all_it_refers_to(&self, plan: &Plan) -> Result<(), Failed> {
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
    fn names_no_path(&self, plan: &Plan) -> Result<(), Failed> {
        let by_path: BTreeSet<&str> = plan.by_path.iter().map(|by| by.path.as_str()).collect();
        let paths = plan.fds.iter().map(|fd| fd.source.as_str()).filter(|source| {
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
