//! `supervise`: watch over one guest. `start` runs it.

use crate::arguments::Supervise;
use crate::exit::Exit;
use crate::failure::Failure;

pub(super) fn run(arguments: &Supervise) -> Result<Exit, Failure> {
    supervisor::supervise(arguments.fd).map_err(|error| {
        Failure::refused(sys::reason(&error)).help("this is for `vdomain start`")
    })?;
    Ok(Exit::Done)
}
