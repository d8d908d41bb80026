//! What a running guest can be asked: by QMP, by its agent, on the host.
//!
//! Everything here takes a connection to QEMU, and the document that the guest runs with where names
//! are libvirt's. Nothing changes what the supervisor knows of the guest.

pub mod agent;
pub mod disks;
pub mod display;
pub mod event;
pub mod interfaces;
pub mod keys;
pub mod live;
pub mod screenshot;
pub mod statistics;

#[cfg(test)]
mod real_agent;
