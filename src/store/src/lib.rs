//! Definitions and run state on disk.
//!
//! A definition is one XML file. A running guest has a directory with its control socket, its live
//! document and what a supervisor must know to take it over. Everything is written atomically: a
//! reader sees the old file or the new one.

mod autostart;
mod definition;
mod directories;
mod error;
mod name;
mod run;

pub use autostart::{Autostart, Unit};
pub use definition::{Change, Definitions};
pub use directories::Directories;
pub use error::Error;
pub use name::Name;
pub use run::RunDirectory;
