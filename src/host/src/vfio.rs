//! PCI devices of the host that a guest gets: taken from the host's driver, and given back.
//!
//! libvirt: `virPCIDeviceBindToStub`, `virPCIDeviceUnbindFromStub`. Linux:
//! `Documentation/ABI/testing/sysfs-bus-pci`, `driver_override`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use qemu::plan::PciHandover;
use serde::{Deserialize, Serialize};

use crate::opening::OpenError;

/// Where the kernel shows the PCI bus.
const PCI: &str = "/sys/bus/pci";

/// A device that was taken from the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The device, such as `0000:06:12.5`.
    pub address: String,
    /// The driver that it has for the guest.
    pub driver: String,
}

/// The driver of a device. The outer `None`: there is no such device.
pub(crate) fn driver_of(address: &str) -> Option<Option<String>> {
    Bus(Path::new(PCI)).driver_of(address)
}

/// Takes a device from the host's driver and binds it to that for guests.
///
/// # Errors
/// There is no such device or driver, or the host does not let go of it; then it is as it was.
pub fn take(device: &PciHandover) -> Result<Taken, OpenError> {
    Bus(Path::new(PCI)).take(device).map_err(|error| OpenError {
        at: device.at.clone(),
        purpose: device.purpose.clone(),
        problem: sys::reason(&error),
        help: (error.kind() == io::ErrorKind::PermissionDenied)
            .then(|| "only root can take a device from the host; bind it before".to_owned()),
    })
}

/// Gives a device back to the driver that the host has for it.
pub fn give_back(taken: &Taken) {
    // What cannot be given back stays without a driver, as with libvirt.
    let _ = Bus(Path::new(PCI)).give_back(taken);
}

struct Bus<'a>(&'a Path);

impl Bus<'_> {
    fn device(&self, address: &str) -> PathBuf {
        self.0.join("devices").join(address)
    }

    fn driver_of(&self, address: &str) -> Option<Option<String>> {
        let device = self.device(address);
        if !device.exists() {
            return None;
        }
        let driver = fs::read_link(device.join("driver")).ok();
        Some(driver.and_then(|path| Some(path.file_name()?.to_str()?.to_owned())))
    }

    fn take(&self, device: &PciHandover) -> io::Result<Taken> {
        let PciHandover { address, driver, .. } = device;
        if !self.0.join("drivers").join(driver).exists() {
            let message =
                format!("cannot use the driver {driver}: load the kernel module {driver}");
            return Err(io::Error::other(message));
        }
        let before = self
            .driver_of(address)
            .ok_or_else(|| io::Error::other(format!("cannot find the PCI device {address}")))?;
        let taken = Taken { address: address.clone(), driver: driver.clone() };
        if before.as_ref() == Some(driver) {
            return Ok(taken);
        }
        let bound = self.bind(address, driver, before.is_some());
        if bound.is_err() || self.driver_of(address) != Some(Some(driver.clone())) {
            let _ = self.give_back(&taken);
            bound?;
            return Err(io::Error::other(format!("cannot bind {address} to {driver}")));
        }
        Ok(taken)
    }

    fn bind(&self, address: &str, driver: &str, is_bound: bool) -> io::Result<()> {
        let device = self.device(address);
        fs::write(device.join("driver_override"), driver)?;
        if is_bound {
            fs::write(device.join("driver/unbind"), address)?;
        }
        fs::write(self.0.join("drivers_probe"), address)
    }

    fn give_back(&self, taken: &Taken) -> io::Result<()> {
        let device = self.device(&taken.address);
        // An empty line: any driver.
        fs::write(device.join("driver_override"), "\n")?;
        if self.driver_of(&taken.address) == Some(Some(taken.driver.clone())) {
            fs::write(device.join("driver/unbind"), &taken.address)?;
        }
        fs::write(self.0.join("drivers_probe"), &taken.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const ADDRESS: &str = "0000:06:12.5";

    /// A bus as the kernel shows it, but without a kernel that binds.
    fn bus(driver: &str) -> tempfile::TempDir {
        let bus = tempfile::tempdir().unwrap();
        let device = bus.path().join("devices").join(ADDRESS);
        fs::create_dir_all(&device).unwrap();
        for driver in ["e1000e", "vfio-pci"] {
            fs::create_dir_all(bus.path().join("drivers").join(driver)).unwrap();
        }
        symlink(bus.path().join("drivers").join(driver), device.join("driver")).unwrap();
        bus
    }

    fn wanted(driver: &str) -> PciHandover {
        let (address, driver) = (ADDRESS.to_owned(), driver.to_owned());
        PciHandover { address, driver, ..PciHandover::default() }
    }

    fn read(bus: &tempfile::TempDir, path: &str) -> String {
        fs::read_to_string(bus.path().join(path)).unwrap_or_default()
    }

    #[test]
    fn a_device_that_is_free_already_is_left_alone() {
        let bus = bus("vfio-pci");
        let taken = Bus(bus.path()).take(&wanted("vfio-pci")).unwrap();
        assert_eq!((taken.address.as_str(), taken.driver.as_str()), (ADDRESS, "vfio-pci"));
        assert_eq!(read(&bus, "drivers_probe"), "");
    }

    #[test]
    fn the_host_lets_go_of_a_device_and_has_it_back_where_that_fails() {
        let bus = bus("e1000e");
        let error = Bus(bus.path()).take(&wanted("vfio-pci")).unwrap_err();
        assert_eq!(error.to_string(), "cannot bind 0000:06:12.5 to vfio-pci");
        assert_eq!(read(&bus, "drivers/e1000e/unbind"), ADDRESS);
        assert_eq!(read(&bus, "devices/0000:06:12.5/driver_override"), "\n");
        assert_eq!(read(&bus, "drivers_probe"), ADDRESS);
    }

    #[test]
    fn a_driver_that_is_not_loaded_is_named() {
        let error = Bus(bus("e1000e").path()).take(&wanted("nvgrace-gpu-vfio-pci")).unwrap_err();
        assert!(error.to_string().contains("load the kernel module nvgrace-gpu-vfio-pci"));
    }
}
