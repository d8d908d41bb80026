//! `screenshot`: write a picture of what a guest shows.

use std::fs::{self, OpenOptions};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use guest::screenshot;
use sys::runtime::block_on;

use crate::arguments::Screenshot;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::running::Guest;

pub(super) fn run(
    arguments: &Screenshot,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let guest = Guest::connect(&name, environment)?;
    let screen = match arguments.screen {
        None => None,
        Some(number) => Some(screenshot::screen(&guest.domain, number).ok_or_else(|| {
            Failure::refused(format!("domain '{name}' has no screen {number}"))
                .help("they are the heads of its <video> devices, counted from 0")
        })?),
    };
    let path = arguments.file.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.png")));
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path).map_err(
        |error| {
            Failure::refused(format!("cannot write '{}': {}", path.display(), sys::reason(&error)))
        },
    )?;
    match block_on(screenshot::take(&guest.qemu, screen.as_ref(), OwnedFd::from(file))) {
        Ok(format) => {
            let mime = format.mime();
            output.say(format_args!("Screenshot saved to {}, with type of {mime}", path.display()));
            Ok(Exit::Done)
        }
        Err(error) => {
            // An empty file would be taken for a picture.
            let _ = fs::remove_file(&path);
            Err(error.into())
        }
    }
}
