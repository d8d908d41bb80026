//! The program from the outside: arguments and documents in; output, exit codes and files out. The
//! guests that are started do nothing: those of `tests/guest` run Linux.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]
#![allow(clippy::print_stdout, reason = "a test says what it lacks")]

#[path = "../common/mod.rs"]
mod common;

mod autostart;
mod completion;
mod console;
mod define;
mod documents;
mod editing;
mod elsewhere;
mod hostile;
mod limits;
mod names;
mod queries;
mod readme;
mod running;
mod slow;
mod storage;
mod survival;
mod tools;
mod tpm;

/// The smallest document of a guest, with `devices` in it.
fn document(name: &str, devices: &str) -> String {
    format!(
        "<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
  </os>
  <devices>
{devices}
  </devices>
</domain>
"
    )
}
