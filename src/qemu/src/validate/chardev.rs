//! Character devices, and everything else that has one's source behind it.
//!
//! libvirt: `virDomainChrSourceDefValidate`, `qemuValidateDomainChrDef`.

use base::YesNo;
use conf::Domain;
use conf::address::Address;
use conf::device::channel::ChannelTarget;
use conf::device::chardev::{Chardev, ChardevSource, SourceMode, TcpProtocol};
use conf::device::console::ConsoleTargetType;
use conf::device::reconnect::Reconnect;
use conf::device::rng::RngBackend;
use conf::device::serial::{SerialTargetModel, SerialTargetType};
use conf::device::smartcard::SmartcardMode;
use xml::{Origin, Part};

use super::{Check, Rule, within};
use crate::complete::COM_PORTS;

pub(super) const RULES: &[Rule] = &[
    Rule::new("chardev-source-is-complete", "QEMU must know what to open", complete),
    Rule::new("chardev-protocol-is-known", "QEMU speaks no other protocols", protocol),
    Rule::new("reconnect-is-possible", "only one who connects can connect again", reconnect),
    Rule::new("serial-is-of-pc", "other architectures have ports of their own", serial_kind),
    Rule::new("serial-address-fits", "each kind of port has its own kind of place", serial_address),
    Rule::new("com-ports-differ", "a machine has few, each with its number", com_ports),
    Rule::new("console-is-of-pc", "other hypervisors have consoles of their own", console_kind),
];

/// Ports become COM ports also by default, which libvirt looks at only when it reads the stored
/// document, and refuses then.
///
/// libvirt: `virDomainChrIsaSerialDefPostParse`.
fn com_ports(check: &mut Check<'_>) {
    let mut taken = [false; COM_PORTS as usize];
    for serial in &check.domain.devices.serials {
        if serial.target.kind != Some(SerialTargetType::IsaSerial) {
            continue;
        }
        let Some(port) = serial.target.port else { continue };
        let (message, help) = match taken.get_mut(port as usize) {
            Some(free) if !*free => {
                *free = true;
                continue;
            }
            Some(_) => (
                format!("two serial ports have number {port}"),
                "leave 'port' out to have one chosen".to_owned(),
            ),
            None => (
                format!("this would be COM port {port}; a machine has 0 to {}", COM_PORTS - 1),
                "use <target type='pci-serial'/>, or a <channel>".to_owned(),
            ),
        };
        check.refuse(serial.origin, within("target@port"), message, help);
    }
}

/// Every source, with where it was written and whether completion of a start can name its socket.
pub(super) fn sources(domain: &Domain) -> Vec<(Origin, &Chardev, bool)> {
    let devices = &domain.devices;
    let mut found: Vec<(Origin, &Chardev, bool)> = Vec::new();
    found.extend(devices.serials.iter().map(|serial| (serial.origin, &serial.chardev, false)));
    found.extend(devices.parallels.iter().map(|port| (port.origin, &port.chardev, false)));
    found.extend(devices.channels.iter().map(|channel| {
        let is_named = matches!(channel.target, ChannelTarget::Virtio(_) | ChannelTarget::Xen(_));
        (channel.origin, &channel.chardev, is_named)
    }));
    let is_twin = |at: usize| at == 0 && !devices.serials.is_empty();
    found.extend(
        devices
            .consoles
            .iter()
            .enumerate()
            .filter(|(at, console)| !(is_twin(*at) && console.is_serial()))
            .map(|(_, console)| (console.origin, &console.chardev, false)),
    );
    found.extend(devices.redirdevs.iter().map(|dev| (dev.origin, &dev.chardev, false)));
    found.extend(devices.smartcards.iter().filter_map(|card| match &card.mode {
        SmartcardMode::Passthrough(chardev) => Some((card.origin, chardev, false)),
        _ => None,
    }));
    found.extend(devices.rngs.iter().filter_map(|rng| match &rng.backend {
        RngBackend::Egd(chardev) => Some((rng.origin, chardev, false)),
        _ => None,
    }));
    found
}

fn complete(check: &mut Check<'_>) {
    for (origin, chardev, is_named) in sources(check.domain) {
        let missing = match &chardev.source {
            ChardevSource::Dev(_) | ChardevSource::File(_) | ChardevSource::Pipe(_) => {
                chardev.source.path().is_none().then_some("'path'")
            }
            ChardevSource::Unix(unix) => {
                (unix.source.path.is_none() && !is_named).then_some("'path'")
            }
            ChardevSource::Tcp(tcp) if tcp.source.host.is_none() => Some("'host'"),
            ChardevSource::Tcp(tcp) if tcp.source.service.is_none() => Some("'service'"),
            ChardevSource::Udp(udp) => {
                let service = udp.connect().and_then(|connect| connect.service.as_ref());
                service.is_none().then_some("'service' with mode='connect'")
            }
            ChardevSource::Spiceport(port) | ChardevSource::Dbus(port) => {
                port.source.channel.is_none().then_some("'channel'")
            }
            ChardevSource::Nmdm(nmdm) => {
                let given = [&nmdm.source.master, &nmdm.source.slave];
                let is_half =
                    given.iter().any(|end| end.is_none()) && given.iter().any(|end| end.is_some());
                is_half.then_some("'master' and 'slave'")
            }
            _ => None,
        };
        if let Some(missing) = missing {
            let message = format!("<source> of this device has no {missing}");
            check.refuse(origin, within("source"), message, "say what QEMU is to open");
        }
        if let ChardevSource::Spiceport(port) | ChardevSource::Dbus(port) = &chardev.source
            && let Some(channel) = &port.source.channel
            && !channel.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        {
            let message = format!("'{channel}' is no name of a channel");
            let expected = "letters, digits, '-', '_' and '.'";
            check.refuse_value(port.source.origin, "channel", message, expected);
        }
    }
}

fn protocol(check: &mut Check<'_>) {
    for (origin, chardev, _) in sources(check.domain) {
        if let ChardevSource::Tcp(tcp) = &chardev.source
            && matches!(tcp.protocol, TcpProtocol::Telnets | TcpProtocol::Tls)
        {
            let message = format!("QEMU speaks no '{}'", tcp.protocol);
            let help = "write <protocol type='raw'/>, and tls='yes' in <source> for encryption";
            check.refuse(origin, within("protocol@type"), message, help);
        }
    }
}

fn reconnect(check: &mut Check<'_>) {
    for (origin, chardev, _) in sources(check.domain) {
        let (mode, reconnect): (SourceMode, &Option<Reconnect>) = match &chardev.source {
            ChardevSource::Tcp(tcp) => (tcp.source.mode, &tcp.source.reconnect),
            ChardevSource::Unix(unix) => (unix.source.mode, &unix.source.reconnect),
            _ => continue,
        };
        let Some(reconnect) = reconnect.as_ref().filter(|r| r.enabled == Some(YesNo::Yes)) else {
            continue;
        };
        if mode == SourceMode::Bind {
            let message = "one who waits for a connection does not connect again";
            let help = "leave out <reconnect>, or write mode='connect' and a path of your own";
            check.refuse(origin, Part::Name, message, help);
        }
        if reconnect.timeout == Some(0) {
            let message = "<reconnect> cannot wait 0 seconds";
            check.refuse(origin, Part::Name, message, "write timeout='1' or more");
        }
    }
}

fn serial_kind(check: &mut Check<'_>) {
    for serial in &check.domain.devices.serials {
        let target = &serial.target;
        let is_of_pc = |kind| {
            !matches!(
                kind,
                SerialTargetType::SpaprVioSerial
                    | SerialTargetType::SystemSerial
                    | SerialTargetType::SclpSerial
            )
        };
        if let Some(kind) = target.kind.filter(|kind| !is_of_pc(*kind)) {
            let message = format!("a PC has no serial port '{kind}'");
            let expected = "isa-serial, pci-serial, usb-serial or isa-debug";
            check.refuse_value(target.origin, "type", message, expected);
        } else if let (Some(kind), Some(model)) = (target.kind, target.model) {
            let fits = match model {
                SerialTargetModel::IsaSerial => kind == SerialTargetType::IsaSerial,
                SerialTargetModel::UsbSerial => kind == SerialTargetType::UsbSerial,
                SerialTargetModel::PciSerial => kind == SerialTargetType::PciSerial,
                SerialTargetModel::IsaDebugcon => kind == SerialTargetType::IsaDebug,
                _ => false,
            };
            if !fits {
                let message = format!("a serial port '{kind}' is no '{model}'");
                check.refuse(target.origin, Part::Name, message, "leave out <model>");
            }
        }
    }
}

fn serial_address(check: &mut Check<'_>) {
    for serial in &check.domain.devices.serials {
        let Some(address) = &serial.info.address else { continue };
        let (fits, wanted) = match serial.target.kind {
            Some(SerialTargetType::IsaSerial | SerialTargetType::IsaDebug) => {
                (matches!(address, Address::Isa(_)), "isa")
            }
            Some(SerialTargetType::UsbSerial) => (matches!(address, Address::Usb(_)), "usb"),
            Some(SerialTargetType::PciSerial) => (matches!(address, Address::Pci(_)), "pci"),
            _ => continue,
        };
        if !fits {
            let message = "a serial port of this kind has no such <address>";
            let help = format!("write <address type='{wanted}' …/>, or leave it out");
            check.refuse(serial.origin, Part::Name, message, help);
        }
    }
}

fn console_kind(check: &mut Check<'_>) {
    for console in &check.domain.devices.consoles {
        let kind = console.target.kind;
        let known =
            matches!(kind, None | Some(ConsoleTargetType::Serial | ConsoleTargetType::Virtio));
        if let Some(kind) = kind.filter(|_| !known) {
            let message = format!("a PC has no console '{kind}'");
            check.refuse_value(console.target.origin, "type", message, "serial or virtio");
        }
    }
}
