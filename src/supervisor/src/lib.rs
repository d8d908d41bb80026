//! The process beside each guest: launch, undo, state, control socket.
//!
//! ```text
//! cli ── start ──▶ supervisor (this program again) ── fork ──▶ QEMU
//!  ◀── started / why not ──┘      ▲ │ QMP ▲                     │
//!                          control  └──────┴────────────────────┘
//! ```
//!
//! [`prepare`] runs this program once more as the supervisor, which comes up while the plan is made;
//! [`Waiting::start`] hands it a [`Request`] through a pipe and waits for the verdict. The supervisor carries the plan out ([`launch`]), undoing everything if a
//! step fails, and then watches over the guest ([`driver`]): one task owns the guest's state, and
//! everything that can wake it is one closed list. It answers on a socket ([`control`]) and goes away
//! with the guest.
//!
//! # The life of a guest
//!
//! ```text
//! launch ──▶ paused ◀──▶ running ──▶ in shutdown ──▶ (gone)
//!   │           └───────────┴── crashed ──────────────┘
//!   └─ failed: nothing is left
//! ```

pub mod adopt;
pub mod change;
pub mod client;
mod console_log;
pub mod control;
pub mod description;
pub mod driver;
mod exchange;
pub mod last;
pub mod launch;
mod machined;
pub mod registration;
pub mod request;
pub mod start;
pub mod state;
pub mod status;
pub mod units;
pub mod varlink;

pub use client::Client;
pub use description::Description;
pub use last::Last;
pub use request::{Request, Verdict};
pub use start::{StartError, Waiting, prepare, reach, revive, supervise, take_over};
pub use state::{GuestState, Reason};
