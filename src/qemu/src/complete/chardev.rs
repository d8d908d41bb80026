//! Serial and parallel ports, channels: numbers, kinds, sockets that libvirt names itself.

use conf::Domain;
use conf::device::channel::ChannelTarget;
use conf::device::chardev::{ChardevSource, SourceMode};
use conf::device::serial::{Serial, SerialTargetModel, SerialTargetType};
use xml::{Part, Problem};

use super::context::Context;

/// The number of COM ports of a machine.
///
/// libvirt: `VIR_MAX_ISA_SERIAL_PORTS`.
pub(crate) const COM_PORTS: u32 = 4;

/// Serial ports that the document calls COM ports get the lowest free numbers.
///
/// libvirt: `virDomainChrIsaSerialDefPostParse`.
pub(super) fn isa_serial_ports(domain: &mut Domain, context: &mut Context<'_>) {
    let is_isa = |serial: &Serial| serial.target.kind == Some(SerialTargetType::IsaSerial);
    let mut taken = [false; COM_PORTS as usize];
    for serial in domain.devices.serials.iter().filter(|serial| is_isa(serial)) {
        if let Some(free) = serial.target.port.and_then(|port| taken.get_mut(port as usize)) {
            *free = true;
        }
    }
    for serial in domain.devices.serials.iter_mut().filter(|serial| is_isa(serial)) {
        if serial.target.port.is_some() {
            continue;
        }
        match taken.iter().position(|taken| !taken) {
            Some(port) => {
                taken[port] = true;
                serial.target.port = Some(port as u32);
            }
            None => {
                let message = format!("a machine has {COM_PORTS} COM ports, and all are taken");
                context.problems.push(
                    Problem::error(serial.origin, Part::Name, message)
                        .help("use <target type='pci-serial'/> or a <channel>"),
                );
            }
        }
    }
}

/// Fills in the kinds, devices and numbers of serial ports.
///
/// libvirt: `qemuDomainDeviceChrDefPostParse` (`qemuDomainChrDefPostParse`),
/// `virDomainChrDefPostParse`.
pub(super) fn serials(domain: &mut Domain, _context: &mut Context<'_>) {
    for at in 0..domain.devices.serials.len() {
        let ports = domain.devices.serials.iter().filter_map(|serial| serial.target.port);
        let next = ports.max().map_or(0, |port| port.saturating_add(1));
        let target = &mut domain.devices.serials[at].target;
        let kind = *target.kind.get_or_insert(SerialTargetType::IsaSerial);
        target.model = target.model.or(model_of(kind));
        target.port.get_or_insert(next);
    }
}

fn model_of(kind: SerialTargetType) -> Option<SerialTargetModel> {
    match kind {
        SerialTargetType::IsaSerial => Some(SerialTargetModel::IsaSerial),
        SerialTargetType::UsbSerial => Some(SerialTargetModel::UsbSerial),
        SerialTargetType::PciSerial => Some(SerialTargetModel::PciSerial),
        SerialTargetType::IsaDebug => Some(SerialTargetModel::IsaDebugcon),
        SerialTargetType::SpaprVioSerial => Some(SerialTargetModel::SpaprVty),
        SerialTargetType::SystemSerial | SerialTargetType::SclpSerial => None,
    }
}

/// Parallel ports are numbered in their order.
///
/// libvirt: `virDomainDefParseXML`.
pub(super) fn parallels(domain: &mut Domain, _context: &mut Context<'_>) {
    let mut next = 0;
    for parallel in &mut domain.devices.parallels {
        let port = *parallel.target.port.get_or_insert(next);
        next = next.max(port.saturating_add(1));
    }
}

/// A channel's socket that libvirt named itself, for an earlier start, is forgotten, so that the next
/// start names it again; a socket without a name is one that QEMU makes.
///
/// libvirt: `qemuDomainChrMatchDefaultPath`, `virDomainChrSourceDefParseUnix`.
pub(super) fn generated_sockets(domain: &mut Domain, context: &mut Context<'_>) {
    let directories = &context.host.directories;
    let mut own = vec![directories.channel.clone(), format!("{}/channel", directories.lib)];
    own.extend(LIBVIRT_CHANNEL_DIRECTORIES.map(str::to_owned));
    for channel in &mut domain.devices.channels {
        let name = match &channel.target {
            ChannelTarget::Virtio(target) => target.name.clone().unwrap_or_default(),
            _ => continue,
        };
        let ChardevSource::Unix(unix) = &mut channel.chardev.source else { continue };
        if unix.source.path.as_deref().is_some_and(|path| is_generated(path, &name, &own)) {
            unix.source.path = None;
        }
        if unix.source.path.is_none() {
            unix.source.mode = SourceMode::Bind;
        }
    }
}

/// Where libvirt keeps the sockets of channels, now and in earlier versions.
const LIBVIRT_CHANNEL_DIRECTORIES: [&str; 3] =
    ["/run/libvirt/qemu/channel", "/var/run/libvirt/qemu/channel", "/var/lib/libvirt/qemu/channel"];

/// Whether a path has the form `DIRECTORY/[target/]PREFIX NAME` of libvirt's own, where the prefix is
/// `GUEST.`, `domain-GUEST/` or `ID-GUEST/`.
fn is_generated(path: &str, name: &str, own: &[String]) -> bool {
    own.iter().filter_map(|directory| path.strip_prefix(&format!("{directory}/"))).any(|rest| {
        let rest = rest.strip_prefix("target/").unwrap_or(rest);
        let Some(prefix) = rest.strip_suffix(name) else { return false };
        match prefix.strip_suffix('/') {
            Some(directory) => {
                let numbered = directory.split_once('-').is_some_and(|(id, guest)| {
                    let is_id = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
                    (id == "domain" || is_id) && !guest.is_empty()
                });
                numbered && !directory.contains('/')
            }
            None => prefix.len() > 1 && prefix.ends_with('.') && !prefix.contains('/'),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_libvirt_named_are_told_from_others() {
        let own = ["/var/lib/libvirt/qemu/channel".to_owned()];
        let name = "org.qemu.guest_agent.0";
        for (rest, expected) in [
            ("target/domain-1-guest/org.qemu.guest_agent.0", true),
            ("12-guest/org.qemu.guest_agent.0", true),
            ("target/guest.org.qemu.guest_agent.0", true),
            ("org.qemu.guest_agent.0", false),
            ("a/domain-guest/org.qemu.guest_agent.0", false),
            ("guest/org.qemu.guest_agent.0", false),
        ] {
            let path = format!("/var/lib/libvirt/qemu/channel/{rest}");
            assert_eq!(is_generated(&path, name, &own), expected, "{rest}");
        }
        assert!(!is_generated("/tmp/domain-1/org.qemu.guest_agent.0", name, &own));
    }
}
