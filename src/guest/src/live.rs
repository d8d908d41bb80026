//! What the document of a running guest says beyond the one that it was started with: what was chosen
//! while it started, and its number.

use std::num::NonZeroU32;

use base::{Positive, YesNo};
use conf::Domain;
use conf::device::DeviceKind;
use conf::device::chardev::ChardevSource;
use conf::device::graphics::{DisplayPort, GraphicsType, Spice, Vnc};
use conf::device::interface::InterfaceKind;
use qemu::alias::Aliases;
use serde_json::Value;

use crate::interfaces;

/// Fills in what QEMU knows. `id` is the guest's number, which is that of QEMU's process; `cid` the one
/// that its vsock device was given.
///
/// libvirt: `virDomainDefFormat` without `VIR_DOMAIN_DEF_FORMAT_INACTIVE`.
///
/// # Errors
/// Those of QEMU; what was found out before is filled in.
///
/// # Cancel safety
/// May be dropped at any time.
pub async fn complete(
    qemu: &qmp::Client,
    id: u32,
    cid: Option<u32>,
    domain: &mut Domain,
) -> Result<(), qmp::Error> {
    domain.running = Some(id);
    set_cid(domain, cid);
    let chardevs = qemu.send("query-chardev", &Value::Null);
    let vnc = qemu.send("query-vnc-servers", &Value::Null);
    let spice = qemu.send("query-spice", &Value::Null);
    set_terminals(domain, &chardevs.answer().await?);
    // A QEMU may have been built without a display; then its guests have none.
    set_ports(
        domain,
        &vnc.answer().await.unwrap_or_default(),
        &spice.answer().await.unwrap_or_default(),
    );
    let found = interfaces::running(qemu, id, domain).await?;
    for (interface, found) in domain.devices.interfaces.iter_mut().zip(found) {
        // Those of passt and vhost-user have no device of their own on the host.
        if !matches!(interface.kind, InterfaceKind::Hostdev(_) | InterfaceKind::User(_)) {
            interface.target.dev = found.device.or(interface.target.dev.take());
        }
    }
    Ok(())
}

fn set_cid(domain: &mut Domain, found: Option<u32>) {
    for cid in domain.devices.vsock.iter_mut().filter_map(|vsock| vsock.cid.as_mut()) {
        if cid.auto == Some(YesNo::Yes) {
            cid.address = found.and_then(NonZeroU32::new).map(Positive).or(cid.address);
        }
    }
}

/// The terminals in the answer to `query-chardev`.
fn set_terminals(domain: &mut Domain, chardevs: &Value) {
    let aliases = Aliases::assign(domain);
    let terminal = |kind: DeviceKind, pos: usize| {
        let label = format!("char{}", aliases.get(kind, pos));
        let mut chardevs = chardevs.as_array().into_iter().flatten();
        let found = chardevs.find(|chardev| chardev["label"].as_str() == Some(&label))?;
        Some(found["filename"].as_str()?.strip_prefix("pty:")?.to_owned())
    };
    let set = |kind: DeviceKind, sources: Vec<&mut ChardevSource>| {
        for (pos, source) in sources.into_iter().enumerate() {
            if let ChardevSource::Pty(pty) = source {
                pty.source.terminal = terminal(kind, pos);
            }
        }
    };
    let devices = &mut domain.devices;
    set(DeviceKind::Serial, devices.serials.iter_mut().map(|it| &mut it.chardev.source).collect());
    set(
        DeviceKind::Parallel,
        devices.parallels.iter_mut().map(|it| &mut it.chardev.source).collect(),
    );
    set(
        DeviceKind::Console,
        devices.consoles.iter_mut().map(|it| &mut it.chardev.source).collect(),
    );
    set(
        DeviceKind::Channel,
        devices.channels.iter_mut().map(|it| &mut it.chardev.source).collect(),
    );
}

/// The ports in the answers to `query-vnc-servers` and `query-spice`: each guest has at most one server
/// of each kind.
fn set_ports(domain: &mut Domain, vnc: &Value, spice: &Value) {
    let ends =
        || (vnc.as_array().into_iter().flatten()).flat_map(|it| it["server"].as_array()).flatten();
    let listens = |web: bool| {
        let mut ends =
            ends().filter(|end| end["family"] != "unix" && (end["websocket"] == true) == web);
        ends.find_map(|end| end["service"].as_str()?.parse().ok())
    };
    for graphics in &mut domain.devices.graphics {
        match &mut graphics.kind {
            GraphicsType::Vnc(Vnc { port, websocket, .. }) => {
                found(port, listens(false));
                found(websocket, listens(true));
            }
            GraphicsType::Spice(Spice { port, tls_port, autoport: Some(_), .. }) => {
                let says =
                    |key: &str| spice[key].as_u64().and_then(|port| u32::try_from(port).ok());
                *port = says("port").and_then(NonZeroU32::new).map(DisplayPort::Found);
                *tls_port = says("tls-port").and_then(NonZeroU32::new).map(DisplayPort::Found);
            }
            _ => {}
        }
    }
}

fn found(port: &mut Option<DisplayPort>, number: Option<u32>) {
    if let (Some(DisplayPort::Auto), Some(number)) = (*port, number.and_then(NonZeroU32::new)) {
        *port = Some(DisplayPort::Found(number));
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;
    use xml::Source;

    use super::*;

    const DOCUMENT: &str = "<domain type='kvm' id='3'>
  <name>a</name>
  <memory unit='KiB'>1024</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
  </os>
  <devices>
    <serial type='pty'>
      <source path='/dev/pts/99'/>
      <target port='0'/>
      <alias name='serial0'/>
    </serial>
    <console type='pty' tty='/dev/pts/99'>
      <target type='serial' port='0'/>
      <alias name='serial0'/>
    </console>
    <console type='pty'>
      <target type='virtio' port='1'/>
      <alias name='console1'/>
    </console>
    <graphics type='vnc' port='-1' autoport='yes' websocket='-1'/>
    <graphics type='spice' autoport='yes'/>
    <vsock model='virtio'>
      <cid auto='yes'/>
    </vsock>
  </devices>
</domain>
";

    fn read() -> Domain {
        conf::parse_live(&Source::new("a.xml", DOCUMENT)).unwrap().0
    }

    #[test]
    fn what_was_chosen_at_start_is_printed_and_forgotten_when_it_is_read() {
        let inactive = conf::print(&read());
        for of_a_start in ["id=", "/dev/pts", "tty"] {
            assert!(!inactive.contains(of_a_start), "{inactive}");
        }
        let mut domain = read();
        domain.running = Some(7);
        set_cid(&mut domain, Some(5));
        let chardevs = json!([
            {"label": "charserial0", "filename": "pty:/dev/pts/4"},
            {"label": "charconsole1", "filename": "pty:/dev/pts/5"},
            {"label": "charmonitor", "filename": "unix:/m,server=on"},
        ]);
        set_terminals(&mut domain, &chardevs);
        let vnc = json!([{"server": [
            {"host": "127.0.0.1", "service": "5701", "family": "ipv4", "websocket": true},
            {"host": "127.0.0.1", "service": "5901", "family": "ipv4", "websocket": false},
        ]}]);
        set_ports(&mut domain, &vnc, &json!({"enabled": true, "port": 5902}));

        let printed = conf::print(&domain);

        for said in [
            "<domain type='kvm' id='7'>",
            "<serial type='pty'>\n      <source path='/dev/pts/4'/>\n      <target port='0'/>",
            "<console type='pty' tty='/dev/pts/4'>\n      <source path='/dev/pts/4'/>",
            "<console type='pty' tty='/dev/pts/5'>\n      <source path='/dev/pts/5'/>",
            "<graphics type='vnc' port='5901' autoport='yes' websocket='5701'>",
            "<graphics type='spice' port='5902' autoport='yes'>",
            "<cid auto='yes' address='5'/>",
        ] {
            assert!(printed.contains(said), "{said}\n{printed}");
        }
        let again = conf::parse_live(&Source::new("a.xml", printed)).unwrap();
        assert_eq!((conf::print(&again.0).matches("pts").count(), again.1.len()), (0, 0));
    }
}
