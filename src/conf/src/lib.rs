//! The typed model of libvirt domain XML, and the steps of completion and validation that hold for
//! every hypervisor.
//!
//! [`Domain`] is the root. One file per element of the document; the order of the fields of a struct
//! is the order in which libvirt prints them. A field is `None` until the document or a step of
//! completion says something.
//!
//! The facts come from libvirt's `src/conf/domain_conf.c` (parsing and formatting),
//! `src/conf/domain_postparse.c` and `src/conf/domain_validate.c`, version 11.3.

pub mod address;
pub mod architecture;
pub mod clock;
pub mod cpu;
pub mod cputune;
pub mod device;
pub mod device_info;
pub mod domain;
pub mod features;
pub mod idmap;
pub mod iothreads;
pub mod keywrap;
pub mod launch_security;
pub mod lifecycle;
pub mod memory;
pub mod memory_backing;
pub mod metadata;
pub mod numatune;
pub mod os;
mod parse;
pub mod perf;
pub mod pm;
mod printed;
pub mod qemu_namespace;
pub mod resource;
pub mod seclabel;
pub mod step;
pub mod sysinfo;
pub mod throttle;
pub mod tune;
pub mod vcpu;

pub use device::Devices;
pub use device_info::DeviceInfo;
pub use domain::{Domain, DomainType};
pub use parse::{parse, parse_device, parse_live, print, schema};
pub use printed::printed;

#[cfg(test)]
mod testing;
