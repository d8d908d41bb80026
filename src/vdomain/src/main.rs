//! The program `vdomain`: arguments in, exit code out.

mod arguments;
mod command;
mod completion;
mod document;
mod domains;
mod environment;
mod exit;
mod failure;
mod output;
mod report;
mod running;
mod sharing;
mod world;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::environment::Environment;
use crate::output::Output;

fn main() -> ExitCode {
    let mut output = Output::new();
    if let Some(given) = command::supervise::asked(std::env::args_os()) {
        return command::supervise::run(&given, &mut output).into();
    }
    completion::answer();
    let arguments = Arguments::parse();
    let result = Environment::read()
        .and_then(|environment| command::run(arguments.command, &environment, &mut output));
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => output.failure(&failure).into(),
    }
}
