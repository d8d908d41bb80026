//! What printing decides by looking at relatives, as one pass before the printer.

use std::borrow::Cow;

use crate::device::Console;
use crate::device::console::{ConsoleTarget, ConsoleTargetType};
use crate::domain::Domain;
use crate::os::OsKind;

/// The domain as it is printed.
pub fn printed(domain: &Domain) -> Cow<'_, Domain> {
    let mut domain = Cow::Borrowed(domain);
    boot_of_bootloader(&mut domain);
    console_of_serial(&mut domain);
    domain
}

/// A boot loader of the host decides what is booted.
fn boot_of_bootloader(domain: &mut Cow<'_, Domain>) {
    if domain.bootloader.is_some() {
        let os = &mut domain.to_mut().os;
        os.boot_devices.clear();
        os.bootmenu = None;
        os.bios = None;
    }
}

/// The first console, where it is the first serial port under another name, is printed with all that
/// the serial port has.
///
/// libvirt: `virDomainDefFormatInternalSetRootName`.
fn console_of_serial(domain: &mut Cow<'_, Domain>) {
    let devices = &domain.devices;
    let (Some(console), Some(serial)) = (devices.consoles.first(), devices.serials.first()) else {
        return;
    };
    if domain.os.kind.kind != OsKind::Hvm || !console.is_serial() {
        return;
    }
    let twin = Console {
        origin: console.origin,
        chardev: serial.chardev.clone(),
        tty: None,
        target: ConsoleTarget {
            origin: console.target.origin,
            kind: Some(ConsoleTargetType::Serial),
            port: serial.target.port,
        },
        info: serial.info.clone(),
    };
    if twin != *console {
        domain.to_mut().devices.consoles[0] = twin;
    }
}
