//! One thing done with each of several domains, all at once.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use store::Name;

use crate::domains::{Domains, Naming};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// How long something is waited for so that it stands in its place.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does `work` with each of the domains that are named, each in a thread of its own: one that is slow
/// holds up no other. What came of each is said when it is known.
///
/// The exit code is that of those which failed, if they have the same one, else
/// [`Exit::Refused`]. A word that means no domain keeps the others from nothing.
pub(super) fn run(
    words: &[String],
    environment: &Environment,
    output: &mut Output,
    work: impl Fn(&Name, &mut Output) -> Result<(), Failure> + Sync,
) -> Result<Exit, Failure> {
    let domains = Domains::read(environment)?;
    if let [word] = words {
        work(&domains.find(word, Naming::Whole)?, output)?;
        return Ok(Exit::Done);
    }
    let mut names = Vec::new();
    let mut exits = Vec::new();
    for word in words {
        match domains.find(word, Naming::Whole) {
            Ok(name) if names.contains(&name) => {}
            Ok(name) => names.push(name),
            Err(failure) => exits.push(output.failure(&failure)),
        }
    }
    exits.extend(parallel(&names, |name| {
        let mut output = Output::new();
        match work(name, &mut output) {
            Ok(()) => Exit::Done,
            Err(failure) => output.failure(&failure),
        }
    }));
    Ok(together(&exits))
}

/// Does `work` with each of the domains, each in a thread of its own; what came of each, in their
/// order.
pub(super) fn parallel<T: Send>(names: &[Name], work: impl Fn(&Name) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = names.iter().map(|name| scope.spawn(move || work(name))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, T>| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    })
}

/// Does `work` with each of the domains, each in a thread of its own, and `say`s in their order what came of
/// it; but where one takes long, those that are done do not wait for it.
pub(super) fn in_turn<T: Send>(
    names: &[Name],
    work: impl Fn(&Name) -> T + Sync,
    mut say: impl FnMut(&Name, T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    thread::scope(|scope| {
        let (done, known) = mpsc::channel();
        let work = &work;
        for (at, name) in names.iter().enumerate() {
            let done = done.clone();
            // Nobody listens any more where something could not be said.
            scope.spawn(move || drop(done.send((at, work(name)))));
        }
        drop(done);
        let (mut waiting, mut next, mut patience) = (BTreeMap::new(), 0, PATIENCE);
        loop {
            let mut is_end = false;
            match known.recv_timeout(patience) {
                Ok((at, came)) => drop(waiting.insert(at, came)),
                Err(RecvTimeoutError::Timeout) => patience = Duration::MAX,
                Err(RecvTimeoutError::Disconnected) => is_end = true,
            }
            let is_late = is_end || patience > PATIENCE;
            while let Some(first) = waiting.first_entry()
                && (is_late || *first.key() == next)
            {
                let (at, came) = first.remove_entry();
                next = at + 1;
                say(&names[at], came)?;
            }
            if is_end {
                return Ok(());
            }
        }
    })
}

/// The exit code of several.
fn together(exits: &[Exit]) -> Exit {
    let mut failed = exits.iter().copied().filter(|exit| *exit != Exit::Done);
    match failed.next() {
        None => Exit::Done,
        Some(first) if failed.all(|exit| exit == first) => first,
        Some(_) => Exit::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_soon_stands_in_order_and_waits_for_nothing_slow() {
        let names = ["a", "b", "c"].map(|name| Name::new(name).unwrap());
        let said = |slow: &str| {
            let mut said = String::new();
            let work = |name: &Name| {
                let slow = if name.as_str() == slow { 2 * PATIENCE } else { PATIENCE / 20 };
                thread::sleep(if name.as_str() == "c" { Duration::ZERO } else { slow });
            };
            in_turn(&names, work, |name, ()| {
                said.push_str(name.as_str());
                Ok(())
            })
            .unwrap();
            said
        };
        assert_eq!(said(""), "abc");
        assert_eq!(said("a"), "bca");
    }

    #[test]
    fn the_code_of_several_is_the_one_that_all_failures_share() {
        assert_eq!(together(&[Exit::Done, Exit::Done]), Exit::Done);
        assert_eq!(together(&[Exit::Done, Exit::WrongState, Exit::WrongState]), Exit::WrongState);
        assert_eq!(together(&[Exit::NoDomain, Exit::WrongState]), Exit::Refused);
    }
}
