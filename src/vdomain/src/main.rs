//! The program `vdomain`: arguments in, exit code out.

mod arguments;
mod command;
mod document;
mod environment;
mod exit;
mod failure;
mod output;
mod report;
mod world;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::environment::Environment;
use crate::output::Output;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = Output::new();
    let result = Environment::read()
        .and_then(|environment| command::run(arguments.command, &environment, &mut output));
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => output.failure(&failure).into(),
    }
}
