//! The interfaces of a guest: what they are connected to, what went through them, and which addresses
//! they have.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use base::{Mac, Value as _};
use conf::Domain;
use conf::device::DeviceKind;
use conf::device::interface::{Interface, InterfaceKind};
use qemu::alias::Aliases;
use serde_json::{Value, json};

/// An interface of a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestInterface {
    /// The device of the host that carries its packets, such as `vnet0`. `None` where there is none,
    /// or the guest does not run.
    pub device: Option<String>,
    /// What it is connected to, as the document says: `network`, `bridge`, `user`.
    pub kind: &'static str,
    /// The network, bridge or device that it is connected to.
    pub source: Option<String>,
    /// What the guest sees.
    pub model: Option<String>,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
}

/// What went through a device of the host, as the guest sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// What the guest received.
    pub received: Direction,
    /// What it sent.
    pub sent: Direction,
}

/// What went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were wrong.
    pub errors: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// The interfaces of a guest that does not run, in the order of its document.
pub fn defined(domain: &Domain) -> Vec<GuestInterface> {
    domain.devices.interfaces.iter().map(describe).collect()
}

/// The interfaces of a running guest, in the order of its document, with the devices of the host that
/// carry their packets.
///
/// # Errors
/// Those of QEMU.
///
/// # Cancel safety
/// May be dropped at any time.
pub async fn running(
    qemu: &qmp::Client,
    process: u32,
    domain: &Domain,
) -> Result<Vec<GuestInterface>, qmp::Error> {
    // There is no command of QMP for it.
    let command = json!({ "command-line": "info network" });
    let answer = qemu.execute("human-monitor-command", &command).await?;
    let text = answer.as_str().unwrap_or_default();
    let aliases = Aliases::assign(domain);
    let mut found = defined(domain);
    for (pos, interface) in found.iter_mut().enumerate() {
        let netdev = format!("host{}", aliases.get(DeviceKind::Interface, pos));
        let device = device_of(text, &netdev, |fd| tap_behind(process, fd));
        interface.device = device.or(interface.device.take());
    }
    Ok(found)
}

fn describe(interface: &Interface) -> GuestInterface {
    let source = match &interface.kind {
        InterfaceKind::Network(network) => Some(network.network.clone()),
        InterfaceKind::Bridge(bridge) => Some(bridge.bridge.clone()),
        InterfaceKind::Direct(direct) => Some(direct.dev.clone()),
        InterfaceKind::User(user) => user.dev.clone(),
        _ => None,
    };
    GuestInterface {
        device: interface.target.dev.clone(),
        kind: interface.kind.word(),
        source,
        model: interface.model.as_ref().map(|model| {
            let mut text = String::new();
            model.write(&mut text);
            text
        }),
        mac: interface.mac.as_ref().map(|mac| mac.address),
    }
}

/// The device behind a netdev, in the words of `info network`:
/// `hostnet0: index=0,type=tap,fd=33`.
fn device_of(
    text: &str,
    netdev: &str,
    tap_behind: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let lines = text.lines().map(|line| line.trim_start_matches([' ', '\\']));
    let fields = lines.filter_map(|line| line.strip_prefix(netdev)?.strip_prefix(": "));
    fields.flat_map(|fields| fields.trim_end().split(',')).find_map(|field| {
        match field.split_once('=')? {
            ("ifname", name) => Some(name.to_owned()),
            ("fd", fd) => tap_behind(fd),
            _ => None,
        }
    })
}

/// The name of the tap that a descriptor of QEMU is one of.
///
/// Linux: `tun_chr_show_fdinfo` in `drivers/net/tun.c`.
fn tap_behind(process: u32, fd: &str) -> Option<String> {
    let info = fs::read_to_string(format!("/proc/{process}/fdinfo/{fd}")).ok()?;
    let name = info.lines().find_map(|line| line.strip_prefix("iff:"))?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// What went through a device of the host. What a tap has sent is what the guest received; any
/// other, such as a macvtap, is on the guest's side.
///
/// libvirt: `virDomainNetTypeSharesHostView`.
///
/// # Errors
/// There is no such device.
pub fn counters(device: &str) -> io::Result<Counters> {
    let directory = Path::new("/sys/class/net").join(device).join("statistics");
    let direction = |word: &str| {
        let number = |what: &str| -> io::Result<u64> {
            let text = fs::read_to_string(directory.join(format!("{word}_{what}")))?;
            Ok(text.trim().parse().unwrap_or(0))
        };
        Ok::<_, io::Error>(Direction {
            bytes: number("bytes")?,
            packets: number("packets")?,
            errors: number("errors")?,
            dropped: number("dropped")?,
        })
    };
    // Linux: `tun_dev_attrs` in `drivers/net/tun.c`.
    let is_tap = directory.with_file_name("tun_flags").exists();
    let [received, sent] = if is_tap { ["tx", "rx"] } else { ["rx", "tx"] };
    Ok(Counters { received: direction(received)?, sent: direction(sent)? })
}

/// An address that an interface has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What the interface is called: by the guest where the guest was asked, else by the host.
    pub interface: String,
    /// Its Ethernet address, if it has one.
    pub mac: Option<String>,
    /// The address. `None` for an interface without any.
    pub ip: Option<IpAddr>,
    /// How many bits of it name the network; 0 where that is not known.
    pub prefix: u8,
}

/// The addresses that the agent tells: answer to `guest-network-get-interfaces`.
///
/// libvirt: `qemuAgentGetInterfaces`.
pub fn told_by_agent(answer: &Value) -> Vec<Address> {
    let mut addresses = Vec::new();
    for interface in answer.as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let name = text(&interface["name"]).unwrap_or_default();
        let mac = text(&interface["hardware-address"]);
        let before = addresses.len();
        for ip in interface["ip-addresses"].as_array().into_iter().flatten() {
            addresses.push(Address {
                interface: name.clone(),
                mac: mac.clone(),
                ip: ip["ip-address"].as_str().and_then(|ip| ip.parse().ok()),
                prefix: ip["prefix"]
                    .as_u64()
                    .and_then(|prefix| prefix.try_into().ok())
                    .unwrap_or(0),
            });
        }
        if addresses.len() == before {
            addresses.push(Address { interface: name, mac, ip: None, prefix: 0 });
        }
    }
    addresses
}

/// The addresses that the kernel's neighbour table knows for these interfaces.
///
/// libvirt: `virArpTableGet`.
pub fn in_arp_table(interfaces: &[GuestInterface]) -> Vec<Address> {
    found_in(&fs::read_to_string("/proc/net/arp").unwrap_or_default(), interfaces)
}

/// Source: `proc(5)`, `/proc/net/arp`: address, type, flags, Ethernet address, mask, device.
fn found_in(table: &str, interfaces: &[GuestInterface]) -> Vec<Address> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Flags 0x0: nobody has answered.
        let (ip, flags, mac) = (fields.first()?, fields.get(2)?, fields.get(3)?);
        (*flags != "0x0").then(|| Some((ip.parse().ok()?, mac.to_lowercase())))?
    });
    of_interfaces(rows.map(|(ip, mac)| (mac, ip, 0)), interfaces)
}

/// The addresses that libvirt's DHCP servers have given to these interfaces.
///
/// libvirt: `networkGetDHCPLeases`; the files are written by `libvirt_leaseshelper`.
pub fn leased(directory: &Path, interfaces: &[GuestInterface]) -> Vec<Address> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = files.filter(|file| file.path().extension().is_some_and(|end| end == "status"));
    let leases = files.filter_map(|file| {
        serde_json::from_slice::<Value>(&fs::read(file.path()).ok()?).ok()?.as_array().cloned()
    });
    let rows = leases.flatten().filter_map(|lease| {
        let mac = lease["mac-address"].as_str()?.to_lowercase();
        Some((mac, lease["ip-address"].as_str()?.parse().ok()?, 0))
    });
    of_interfaces(rows, interfaces)
}

/// The addresses that passt and QEMU's own network give by what the document says.
pub fn given(domain: &Domain) -> Vec<Address> {
    let interfaces = domain.devices.interfaces.iter();
    let users = interfaces.filter(|one| matches!(one.kind, InterfaceKind::User(_)));
    let addresses = users.flat_map(|interface| {
        let mac = interface.mac.as_ref().map(|mac| mac.address.to_string());
        interface.ip.addresses.iter().map(move |ip| Address {
            interface: interface.target.dev.clone().unwrap_or_else(|| "-".to_owned()),
            mac: mac.clone(),
            ip: ip.address,
            prefix: ip.prefix.map_or(0, |prefix| prefix.get().min(128) as u8),
        })
    });
    addresses.collect()
}

/// Of rows of Ethernet address, address and prefix those that belong to the interfaces.
fn of_interfaces(
    rows: impl Iterator<Item = (String, IpAddr, u8)>,
    interfaces: &[GuestInterface],
) -> Vec<Address> {
    let by_mac: BTreeMap<String, &GuestInterface> = interfaces
        .iter()
        .filter_map(|interface| Some((interface.mac?.to_string(), interface)))
        .collect();
    let mine = rows.filter_map(|(mac, ip, prefix)| {
        let interface = by_mac.get(&mac)?;
        Some(Address {
            interface: interface.device.clone().unwrap_or_else(|| "-".to_owned()),
            mac: Some(mac),
            ip: Some(ip),
            prefix,
        })
    });
    mine.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(mac: &str, device: Option<&str>) -> GuestInterface {
        GuestInterface {
            mac: Mac::parse(mac).unwrap(),
            device: device.map(str::to_owned),
            ..GuestInterface::default()
        }
    }

    #[test]
    fn the_device_is_found_in_qemus_words() {
        let text = "net0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:00:00:01\r\n \
                    \\ hostnet0: index=0,type=tap,fd=33\r\n\
                    net1: index=0,type=nic\r\n \\ hostnet1: index=0,type=user,net=10.0.2.0\r\n\
                    net10: x\r\n \\ hostnet10: index=0,type=tap,ifname=tap7,script=no\r\n";
        let tap = |fd: &str| Some(format!("vnet{fd}"));

        assert_eq!(device_of(text, "hostnet0", tap).as_deref(), Some("vnet33"));
        assert_eq!(device_of(text, "hostnet1", tap), None);
        assert_eq!(device_of(text, "hostnet10", tap).as_deref(), Some("tap7"));
    }

    #[test]
    fn neighbours_that_have_answered_are_found_by_their_ethernet_address() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device
192.168.122.7    0x1         0x2         52:54:00:00:00:01     *        virbr0
192.168.122.8    0x1         0x0         52:54:00:00:00:02     *        virbr0
192.168.122.9    0x1         0x2         52:54:00:00:00:03     *        virbr0
";
        let mine = [
            interface("52:54:00:00:00:01", Some("vnet0")),
            interface("52:54:00:00:00:02", Some("vnet1")),
        ];

        let found = found_in(table, &mine);

        assert_eq!(
            found,
            [Address {
                interface: "vnet0".to_owned(),
                mac: Some("52:54:00:00:00:01".to_owned()),
                ip: Some("192.168.122.7".parse().unwrap()),
                prefix: 0,
            }]
        );
    }

    #[test]
    fn leases_are_read_as_libvirt_writes_them() {
        let directory = tempfile::tempdir().unwrap();
        let leases = r#"[{"ip-address": "192.168.122.5", "mac-address": "52:54:00:00:00:01",
            "hostname": "web1", "expiry-time": 1}]"#;
        fs::write(directory.path().join("virbr0.status"), leases).unwrap();
        fs::write(directory.path().join("virbr1.status"), "").unwrap();
        fs::write(directory.path().join("virbr0.conf"), "x").unwrap();

        let found = leased(directory.path(), &[interface("52:54:00:00:00:01", None)]);

        assert_eq!(found.len(), 1);
        assert_eq!(found[0].ip, Some("192.168.122.5".parse().unwrap()));
    }

    #[test]
    fn an_agent_tells_interfaces_with_and_without_addresses() {
        let answer = json!([
            {"name": "lo", "ip-addresses": [
                {"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}]},
            {"name": "eth0", "hardware-address": "52:54:00:00:00:01"},
        ]);

        let told = told_by_agent(&answer);

        assert_eq!((told[0].interface.as_str(), told[0].prefix), ("lo", 8));
        assert_eq!((told[1].interface.as_str(), told[1].ip), ("eth0", None));
    }

    #[test]
    fn the_loopback_device_has_counters() {
        assert!(counters("lo").is_ok());
        assert!(counters("no-such-device").is_err());
    }
}
