//! Where in the guest each device is: the addresses that depend on what QEMU and its machines have.
//!
//! libvirt: `qemuDomainAssignAddresses` in `src/qemu/qemu_domain_address.c`.

pub mod memory_slot;
pub mod pci;
pub mod spapr_vio;
pub mod spare_ports;
pub mod usb;
