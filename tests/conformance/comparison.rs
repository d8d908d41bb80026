//! Whether a plan makes the machine that a command line of libvirt's makes: `abi-compare` says so,
//! which lies beside the corpus. One Python process compares all plans.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::Outcome;

/// How many differences are shown.
const SHOWN: usize = 12;

/// Reads a plan and a command line from each line, and writes their differences as one.
///
/// libvirt 12 makes QEMU's monitor as an object, which the guest never sees.
const DRIVER: &str = "\
import importlib.machinery, importlib.util, json, sys
loader = importlib.machinery.SourceFileLoader('abi_compare', sys.argv[1])
abi = importlib.util.module_from_spec(importlib.util.spec_from_loader('abi_compare', loader))
sys.dont_write_bytecode = True
loader.exec_module(abi)
for line in sys.stdin:
    case = json.loads(line)
    try:
        expected = abi.model_from_args(case['args'])
        expected.items['object'].pop('monitor', None)
        found = abi.compare(expected, abi.model_from_plan(case['plan']))
    except Exception as error:
        found = ['abi-compare: %r' % error]
    print(json.dumps(found), flush=True)
";

/// The process that compares.
pub(crate) struct Comparison(Mutex<Talk>);

struct Talk {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Comparison {
    /// Starts it.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn start(tool: &Path) -> Result<Self, String> {
        if !tool.exists() {
            return Err(format!("there is no {}", tool.display()));
        }
        let started = Command::new("python3")
            .args(["-c", DRIVER])
            .arg(tool)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = started.map_err(|error| format!("cannot run python3: {error}"))?;
        let pipes = (process.stdin.take(), process.stdout.take());
        let (Some(questions), Some(answers)) = pipes else {
            return Err("python3 has no pipes".to_owned());
        };
        let answers = BufReader::new(answers);
        Ok(Self(Mutex::new(Talk { process, questions, answers })))
    }

    /// Compares a plan with a command line.
    pub(crate) fn of(&self, plan: &Value, arguments: &str) -> Outcome {
        let mut talk = self.0.lock().map_err(|error| error.to_string())?;
        let mut answer = String::new();
        let question = json!({"plan": plan, "args": arguments});
        writeln!(talk.questions, "{question}")
            .and_then(|()| talk.answers.read_line(&mut answer))
            .map_err(|error| format!("abi-compare: {error}"))?;
        let differences: Vec<String> =
            serde_json::from_str(&answer).map_err(|error| format!("abi-compare: {error}"))?;
        if differences.is_empty() {
            return Ok(());
        }
        let shown: Vec<String> = differences.into_iter().take(SHOWN).collect();
        Err(shown.join("\n"))
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
