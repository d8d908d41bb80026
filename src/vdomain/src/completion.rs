//! Completion of command lines: the shell asks this program, which knows the names of the domains.
//!
//! `COMPLETE=bash vdomain` prints what makes bash ask; so for zsh and fish.

use std::ffi::OsStr;

use clap::CommandFactory;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::CompleteEnv;

use crate::arguments::Arguments;
use crate::domains::Domains;
use crate::environment::Environment;

/// Answers a shell, if it is one that asks; the program ends then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Arguments::command).complete();
}

/// The domains whose names begin with what is typed. Where they cannot be read, there are none: a
/// message would end up in what is typed.
pub(crate) fn domains(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let Ok(environment) = Environment::read() else { return Vec::new() };
    let Ok(domains) = Domains::read(&environment) else { return Vec::new() };
    let names = domains.names().iter().map(|name| name.as_str());
    names.filter(|name| name.starts_with(typed)).map(CompletionCandidate::new).collect()
}
