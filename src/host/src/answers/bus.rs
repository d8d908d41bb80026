//! Looking for devices of the host: USB and SCSI.

use std::fs;
use std::path::{Path, PathBuf};

use qemu::answers::{UsbPlace, UsbWanted};

/// The USB devices that fit.
pub(super) fn usb(wanted: &UsbWanted) -> Vec<UsbPlace> {
    usb_below(Path::new("/sys/bus/usb/devices"), wanted)
}

fn usb_below(root: &Path, wanted: &UsbWanted) -> Vec<UsbPlace> {
    let mut places: Vec<UsbPlace> = entries(root)
        .filter_map(|device| {
            let text = |name: &str| fs::read_to_string(device.join(name)).ok();
            let number = |name: &str| text(name)?.trim().parse::<u32>().ok();
            let code = |name: &str| u16::from_str_radix(text(name)?.trim(), 16).ok();
            let place = UsbPlace { bus: number("busnum")?, device: number("devnum")? };
            let fits = wanted.vendor.is_none_or(|vendor| code("idVendor") == Some(vendor))
                && wanted.product.is_none_or(|product| code("idProduct") == Some(product))
                && wanted.bus.is_none_or(|bus| bus == place.bus)
                && wanted.device.is_none_or(|device| device == place.device);
            fits.then_some(place)
        })
        .collect();
    places.sort();
    places
}

/// The node by which any command can be sent to a SCSI unit.
///
/// libvirt: `virSCSIDeviceGetSgName`.
pub(super) fn scsi(unit: &str) -> Option<String> {
    let root = Path::new("/sys/bus/scsi/devices").join(unit).join("scsi_generic");
    let found = entries(&root).next()?;
    Some(format!("/dev/{}", found.file_name()?.to_str()?))
}

fn entries(path: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usb_devices_are_found_by_make_and_by_place() {
        let root = tempfile::tempdir().unwrap();
        for (name, vendor, product, bus, device) in [
            ("usb1", "1d6b", "0002", "1", "1"),
            ("1-1", "046d", "c52b", "1", "4"),
            ("2-1", "046d", "c52b", "2", "7"),
        ] {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            let files =
                [("idVendor", vendor), ("idProduct", product), ("busnum", bus), ("devnum", device)];
            for (file, text) in files {
                fs::write(path.join(file), format!("{text}\n")).unwrap();
            }
        }
        let find = |vendor, product, bus, device| {
            let places = usb_below(root.path(), &UsbWanted { vendor, product, bus, device });
            places.iter().map(|place| (place.bus, place.device)).collect::<Vec<_>>()
        };
        assert_eq!(find(Some(0x46d), Some(0xc52b), None, None), [(1, 4), (2, 7)]);
        assert_eq!(find(Some(0x46d), Some(0xc52b), Some(2), None), [(2, 7)]);
        assert_eq!(find(None, None, Some(1), Some(1)), [(1, 1)]);
        assert_eq!(find(Some(0x1d6b), Some(3), None, None), []);
    }
}
