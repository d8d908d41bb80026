//! QEMU's machine protocol: wire format with descriptors, client, events, multiplexer, schema.
//!
//! ```text
//! Client::execute ─▶ queue ─▶ ┌──────────┐ ◀─▶ QEMU's socket
//!                             │ one task │
//! Pending ◀── answer by id ── └──────────┘ ── in order ─▶ Events, any number
//! ```
//!
//! A connection goes through these states, never back:
//!
//! ```text
//! initial ──greeting──▶ greeting ──qmp_capabilities──▶ capabilities ──return──▶ running
//!    └───────────────────────┴──── end of file, error, deadline ────┴──────────────┴─▶ disconnected
//! ```
//!
//! [`mux`] lets others talk to QEMU over the same connection, each as if it were alone.
//!
//! Nothing here knows what a domain is. [`schema`] tells what a binary's commands take, and
//! [`replies`] keeps conversations in files.

pub mod client;
pub mod codec;
pub mod error;
pub mod events;
pub mod message;
pub mod mux;
mod queue;
#[cfg(test)]
mod real_qemu;
pub mod replies;
pub mod schema;
#[cfg(test)]
mod scripted;

pub use client::{Client, Pending};
pub use error::Error;
pub use events::{Events, Notice};
pub use message::{ErrorClass, Event, Greeting, Refusal};
pub use replies::Recording;
pub use schema::Schema;
