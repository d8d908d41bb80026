//! Many commands at once: all are sent before the first answer is read.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use host::late::LateValues;
use qemu::plan::Command;
use qmp::Client;
use serde_json::Value;

/// How long QEMU may take to answer one command.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

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
/// order of the commands.
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
    let mut names = commands.iter().filter_map(|command| command.fds.first());
    if let Some(missing) = names.find(|name| !fds.contains_key(*name)) {
        return Err(ExchangeError::NoDescriptor(missing.clone()));
    }
    // Those with descriptors depend on nothing, and the connection waits for the answer to each: in
    // front there is nothing else to be waited for.
    let (first, then): (Vec<_>, Vec<_>) =
        commands.iter().enumerate().partition(|(_, command)| !command.fds.is_empty());
    let mut pending: Vec<_> = first
        .into_iter()
        .chain(then)
        .map(|(at, command)| {
            let arguments = late.in_json(&command.arguments);
            let answer = match command.fds.first().and_then(|name| fds.remove(name)) {
                None => client.send(&command.execute, &arguments),
                Some(fd) => client.send_with_fd(&command.execute, &arguments, fd),
            };
            (at, answer)
        })
        .collect();
    pending.sort_unstable_by_key(|(at, _)| *at);
    let mut refusal = None;
    let (mut done, mut answers) = (Vec::new(), Vec::new());
    for (at, answer) in pending {
        match answer.answer_within(ANSWER_LIMIT).await {
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
