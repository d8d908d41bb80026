//! What a domain means to QEMU: capabilities, completion, validation and the plan.
//!
//! ```text
//! Domain ──complete──▶ CompleteDomain ──plan──▶ Plan
//!   (Capabilities, Host)      │    ▲   (Capabilities, Host)
//!                        questions │
//!                             ▼    │
//!                           Answers
//! ```
//!
//! Everything here is pure: the same input gives the same output, byte for byte. There is no I/O, no
//! clock and no randomness; what the world is like comes in as values that can be written to a file
//! and read back.

pub mod address;
pub mod alias;
pub mod answers;
pub mod capabilities;
pub mod change;
pub mod complete;
mod cpu_model;
pub mod firmware;
pub mod host;
pub mod machine;
pub mod plan;
mod prepare;
pub mod validate;

pub use answers::{Answer, Answers, Question};
pub use capabilities::Capabilities;
pub use change::Change;
pub use complete::{CompleteDomain, Completion, Mode, complete};
pub use host::Host;
pub use plan::Plan;
