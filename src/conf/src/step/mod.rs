//! Steps of reading and completion that hold for every hypervisor: named passes over the model, one
//! file each. Those of reading run in [`parse`](crate::parse); which of the others run when is
//! decided by the driver (`qemu::complete`).
//!
//! libvirt: `src/conf/domain_postparse.c`, and what `src/conf/domain_conf.c` fills in while it
//! reads.

pub mod clock;
pub mod console;
pub mod controller_index;
pub mod disk_order;
pub mod drive_address;
pub mod hugepages;
pub mod implicit_controllers;
pub mod iothread_ids;
pub mod lifecycle;
pub mod memory;
pub mod numatune_placement;
pub mod os;
pub mod seclabel_default;
pub mod seclabel_models;
pub mod sysinfo_uuid;
pub mod thread_tuning;
pub mod vcpu;
pub mod virtio_serial_address;
