//! Facts about this machine, answers about the things a domain names, opening them, and helper
//! processes.
//!
//! This crate looks and carries out; it decides nothing. What is looked at is asked by `qemu`, what
//! is opened is said by the plan.

pub mod answers;
pub mod capabilities;
pub mod control_group;
pub mod copies;
pub mod facts;
pub mod helper;
pub mod late;
pub mod opening;
pub mod secrets;
pub mod vfio;

pub use answers::look;
pub use facts::{Given, facts};
