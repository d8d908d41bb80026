//! The supervisor with real QEMUs.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]
#![allow(clippy::print_stdout, reason = "a test says what it lacks")]

mod changes;
mod control;
mod launch;
mod machine;
mod units;
