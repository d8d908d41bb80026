//! Real guests in a real QEMU: each test boots the small guest of `scripts/guest-image`, lets it run
//! a script (docs/testing.md lists its words) and looks at what it said and at what it left on the
//! host. The processor is emulated, so that all of it runs where there is no KVM.
//!
//! A boot takes seconds, so a test looks at everything that one guest can show.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]
#![allow(clippy::print_stdout, reason = "a test says what it lacks")]

#[path = "../common/mod.rs"]
mod common;

mod machine;
mod running;

mod asking;
mod blocks;
mod boot;
mod changes;
mod console;
mod disks;
mod foreground;
mod kinds;
mod lifecycle;
mod live;
mod networks;
mod opens;
mod policy;
mod processors;
mod shares;
mod supervisor;
mod user;
mod vsock;
