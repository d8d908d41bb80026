//! The first console and the first serial port, which are the same thing.
//!
//! libvirt: `virDomainDefAddConsoleCompat` in `src/conf/domain_postparse.c`.

use xml::{Origin, Part, Problem};

use crate::device::Serial;
use crate::device::console::{Console, ConsoleTargetType};
use crate::device::serial::{SerialTarget, SerialTargetType};
use crate::domain::Domain;
use crate::os::OsKind;

/// The first console is the first serial port under another name: where only one of them is there,
/// the other is made.
pub fn twins(domain: &mut Domain, problems: &mut Vec<Problem>) {
    let devices = &mut domain.devices;
    if domain.os.kind.kind != OsKind::Hvm {
        return;
    }
    for console in devices.consoles.iter().skip(1) {
        if console.is_serial() {
            let message = "only the first console can be a serial port";
            problems.push(
                Problem::error(console.origin, Part::Within("target@type".to_owned()), message)
                    .help("write it as <serial>, or use <target type='virtio'/>"),
            );
        }
    }
    match devices.consoles.first_mut() {
        Some(first) if first.is_serial() => {
            if devices.serials.is_empty() {
                let console = std::mem::replace(first, stub());
                devices.serials.push(Serial {
                    origin: console.origin,
                    chardev: console.chardev,
                    target: SerialTarget { port: Some(0), ..SerialTarget::default() },
                    info: console.info,
                });
            } else {
                first.target.kind = Some(ConsoleTargetType::Serial);
            }
        }
        _ if devices.serials.first().is_some_and(is_console) => devices.consoles.insert(0, stub()),
        _ => {}
    }
    for (port, console) in (0..).zip(&mut devices.consoles) {
        console.target.port = Some(port);
    }
}

/// A console that stands for the first serial port.
fn stub() -> Console {
    let mut console =
        Console { origin: Origin::Step("console of the serial port"), ..Console::default() };
    console.target.kind = Some(ConsoleTargetType::Serial);
    console
}

/// Whether a serial port of this kind serves as a console.
fn is_console(serial: &Serial) -> bool {
    !matches!(
        serial.target.kind,
        Some(
            SerialTargetType::UsbSerial | SerialTargetType::PciSerial | SerialTargetType::IsaDebug
        )
    )
}
