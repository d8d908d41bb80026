//! Many commands at once: all are sent before the first answer is read.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use host::late::LateValues;
use qemu::plan::Command;
use qmp::{Client, ErrorClass};
use serde_json::{Value, json};
use sys::runtime;

/// How long QEMU may take to answer one command.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// How long to wait before a job is looked at again.
const JOB_PAUSE: Duration = Duration::from_millis(2);

/// Why not all commands were carried out.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    /// QEMU refused one, or did not answer.
    Refused {
        /// Which one: the first; those after it may follow from it.
        at: usize,
        /// What QEMU said.
        error: qmp::Error,
        /// Which ones were carried out.
        done: Vec<usize>,
    },
    /// A command comes with a descriptor that was not opened, or has gone along already. Nothing was
    /// sent.
    NoDescriptor(String),
}

/// Sends commands with the descriptors that go along, and waits for all answers, which are in the
/// order of the commands. Those behind one that makes an image wait until it is made, and those behind
/// one that takes descriptors out of a set until they are out, as others may take their place.
///
/// # Errors
/// See [`ExchangeError`].
///
/// # Cancel safety
/// Dropped while waiting, the commands are carried out all the same.
pub(crate) async fn exchange(
    client: &Client,
    commands: &[Command],
    late: &LateValues,
    fds: &mut BTreeMap<String, OwnedFd>,
) -> Result<Vec<Value>, ExchangeError> {
    let mut answers = Vec::with_capacity(commands.len());
    let mut rest = commands;
    let ends_a_part =
        |command: &Command| matches!(command.execute.as_str(), "blockdev-create" | "remove-fd");
    while let Some(at) = rest.iter().position(ends_a_part) {
        let (now, then) = rest.split_at(at + 1);
        let before = answers.len();
        let sent = at_once(client, now, late, fds).await;
        answers.extend(sent.map_err(|error| error.after(before))?);
        if let Some(job) = now[at].arguments["job-id"].as_str() {
            made(client, job).await.map_err(|error| ExchangeError::Refused {
                at: before + at,
                error,
                done: (0..before + at).collect(),
            })?;
        }
        rest = then;
    }
    let before = answers.len();
    let sent = at_once(client, rest, late, fds).await;
    answers.extend(sent.map_err(|error| error.after(before))?);
    Ok(answers)
}

impl ExchangeError {
    /// The same among commands of which so many came before.
    pub(crate) fn after(self, before: usize) -> Self {
        match self {
            Self::Refused { at, error, done } => Self::Refused {
                at: at + before,
                error,
                done: (0..before).chain(done.into_iter().map(|at| at + before)).collect(),
            },
            other => other,
        }
    }
}

/// Waits until a job has made an image.
async fn made(client: &Client, job: &str) -> Result<(), qmp::Error> {
    let finished = async {
        loop {
            let jobs = client.execute("query-jobs", &Value::Null).await?;
            let found = jobs.as_array().into_iter().flatten().find(|found| found["id"] == job);
            match found {
                Some(found) if found["status"] == "concluded" => {
                    return Ok(found["error"].as_str().map(str::to_owned));
                }
                Some(_) => runtime::sleep(JOB_PAUSE).await,
                None => return Ok(None),
            }
        }
    };
    let error = match runtime::within(ANSWER_LIMIT, finished).await {
        Some(finished) => finished?,
        None => {
            let command = "blockdev-create".to_owned();
            return Err(qmp::Error::TimedOut { command, limit: ANSWER_LIMIT });
        }
    };
    client.execute("job-dismiss", &json!({ "id": job })).await?;
    match error {
        None => Ok(()),
        Some(desc) => Err(qmp::Error::Refused {
            command: "blockdev-create".to_owned(),
            class: ErrorClass::GenericError,
            desc,
        }),
    }
}

/// Sends commands before the first answer is read.
async fn at_once(
    client: &Client,
    commands: &[Command],
    late: &LateValues,
    fds: &mut BTreeMap<String, OwnedFd>,
) -> Result<Vec<Value>, ExchangeError> {
    let mut names = commands.iter().filter_map(|command| command.fds.first());
    if let Some(missing) = names.find(|name| !fds.contains_key(*name)) {
        return Err(ExchangeError::NoDescriptor(missing.clone()));
    }
    // Those with descriptors depend on nothing, and the connection waits for the answer to each: in
    // front there is nothing else to be waited for.
    let (first, then): (Vec<_>, Vec<_>) =
        commands.iter().enumerate().partition(|(_, command)| !command.fds.is_empty());
    let mut late = late.clone();
    let mut send = |at: usize, command: &Command, late: &LateValues| {
        let arguments = late.in_json(&command.arguments);
        let answer = match command.fds.first().and_then(|name| fds.remove(name)) {
            None => client.send(&command.execute, &arguments),
            Some(fd) => client.send_with_fd(&command.execute, &arguments, fd),
        };
        (at, answer)
    };
    let mut answered: Vec<(usize, Result<Value, qmp::Error>)> = Vec::new();
    let mut pending: Vec<_> =
        first.into_iter().map(|(at, command)| send(at, command, &late)).collect();
    if then.iter().any(|(_, command)| command.arguments.to_string().contains("-number}")) {
        // Which number a descriptor has in QEMU is known when QEMU has it.
        for (at, answer) in std::mem::take(&mut pending) {
            let answer = answer.answer_within(ANSWER_LIMIT).await;
            if let (Ok(answer), Some(name)) = (&answer, commands[at].fds.first()) {
                late.insert(&format!("{name}-number"), answer["fd"].clone());
            }
            answered.push((at, answer));
        }
    }
    pending.extend(then.into_iter().map(|(at, command)| send(at, command, &late)));
    for (at, answer) in pending {
        answered.push((at, answer.answer_within(ANSWER_LIMIT).await));
    }
    answered.sort_unstable_by_key(|(at, _)| *at);
    let mut refusal = None;
    let (mut done, mut answers) = (Vec::new(), Vec::new());
    for (at, answer) in answered {
        match answer {
            Ok(answer) => {
                done.push(at);
                answers.push(answer);
            }
            Err(error) if refusal.is_none() => refusal = Some((at, error)),
            Err(_) => {}
        }
    }
    match refusal {
        None => Ok(answers),
        Some((at, error)) => Err(ExchangeError::Refused { at, error, done }),
    }
}
