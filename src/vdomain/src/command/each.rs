//! One thing done with each of several domains, all at once.

use std::thread;

use store::Name;

use crate::domains::{Domains, Naming};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

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
    fn the_code_of_several_is_the_one_that_all_failures_share() {
        assert_eq!(together(&[Exit::Done, Exit::Done]), Exit::Done);
        assert_eq!(together(&[Exit::Done, Exit::WrongState, Exit::WrongState]), Exit::WrongState);
        assert_eq!(together(&[Exit::NoDomain, Exit::WrongState]), Exit::Refused);
    }
}
