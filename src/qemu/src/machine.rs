//! The families of machines that QEMU has for x86, which decide what is built in and where it sits.

use conf::Domain;

/// How many processors interrupts reach without an IOMMU's extended interrupt mode.
///
/// libvirt: `QEMU_MAX_VCPUS_WITHOUT_EIM`.
pub const MAX_VCPUS_WITHOUT_EXTENDED_INTERRUPTS: u32 = 255;

/// A family of machines.
///
/// libvirt: `qemuDomainMachineIsQ35`, `qemuDomainMachineIsI440FX` in `src/qemu/qemu_domain.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// PCI: `pc`, `pc-i440fx-*`, and the older names.
    I440fx,
    /// PCI Express: `q35`, `pc-q35-*`.
    Q35,
    /// A PC without PCI.
    Isapc,
    /// A machine with nothing but virtio-mmio.
    Microvm,
    /// A fully virtualised guest of Xen.
    Xenfv,
    /// Any other.
    Other,
}

impl Family {
    /// The family of the machine called `name`.
    pub fn of_name(name: &str) -> Self {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        match name {
            "q35" => Self::Q35,
            "pc" => Self::I440fx,
            "isapc" => Self::Isapc,
            "microvm" => Self::Microvm,
            "xenfv" => Self::Xenfv,
            _ if starts(&["pc-q35-"]) => Self::Q35,
            _ if starts(&["pc-0.", "pc-1.", "pc-i440fx-", "rhel"]) => Self::I440fx,
            _ => Self::Other,
        }
    }

    /// The family of a guest's machine.
    pub fn of(domain: &Domain) -> Self {
        domain.os.kind.machine.as_deref().map_or(Self::Other, Self::of_name)
    }

    /// Whether the machine has a keyboard controller.
    pub fn has_i8042(self) -> bool {
        matches!(self, Self::I440fx | Self::Q35 | Self::Xenfv | Self::Isapc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_names_belong_to_the_same_family() {
        for name in ["pc", "pc-0.13", "pc-1.2", "pc-i440fx-10.0", "rhel6.5.0"] {
            assert_eq!(Family::of_name(name), Family::I440fx, "{name}");
        }
        assert_eq!(Family::of_name("pc-q35-9.2"), Family::Q35);
        assert_eq!(Family::of_name("pcx"), Family::Other);
    }
}
