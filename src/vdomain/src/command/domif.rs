//! `domiflist`, `domifstat`, `domifaddr`: print what there is to know about a domain's interfaces.

use std::net::IpAddr;
use std::path::Path;

use guest::interfaces::{self, Address, Direction, GuestInterface};
use serde_json::{Value, json};
use store::Name;
use sys::runtime::block_on;

use crate::arguments::{AddressSource, Domifaddr, Domiflist, Domifstat};
use crate::domains;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::running::Guest;

/// Where libvirt's networks keep what their DHCP servers gave out.
///
/// libvirt: `LEASEDIR` in `src/network/bridge_driver.c`.
const LEASES: &str = "/var/lib/libvirt/dnsmasq";

pub(super) fn domiflist(
    arguments: &Domiflist,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let (_, reason) = super::domstate::of(&name, environment)?;
    let found = if arguments.inactive || reason.is_none() {
        interfaces::defined(&domains::model(&name, true, environment)?)
    } else {
        of_running(&Guest::connect(&name, environment)?)?
    };
    if arguments.json {
        let json = |one: &GuestInterface| {
            json!({
                "interface": one.device,
                "type": one.kind,
                "source": one.source,
                "model": one.model,
                "mac": one.mac.map(|mac| mac.to_string()),
            })
        };
        output.json(&found.iter().map(json).collect())?;
    } else {
        let cell = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let row = |one: &GuestInterface| {
            let mac = one.mac.map(|mac| mac.to_string());
            [
                cell(&one.device),
                one.kind.to_owned(),
                cell(&one.source),
                cell(&one.model),
                cell(&mac),
            ]
        };
        let rows: Vec<_> = found.iter().map(row).collect();
        output.text(&table(["Interface", "Type", "Source", "Model", "MAC"], &rows))?;
    }
    Ok(Exit::Done)
}

fn of_running(guest: &Guest) -> Result<Vec<GuestInterface>, Failure> {
    Ok(block_on(interfaces::running(&guest.qemu, guest.process, &guest.domain))?)
}

pub(super) fn domifstat(
    arguments: &Domifstat,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let guest = Guest::connect(&name, environment)?;
    let found = of_running(&guest)?;
    let device = device(&name, &found, &arguments.interface)?;
    let counters = interfaces::counters(device).map_err(|error| {
        Failure::refused(format!("nothing is counted of '{device}': {}", sys::reason(&error)))
    })?;
    let mut json = json!({ "interface": device });
    let mut text = String::new();
    for (way, Direction { bytes, packets, errors, dropped }) in
        [("rx", counters.received), ("tx", counters.sent)]
    {
        let named = [("bytes", bytes), ("packets", packets), ("errs", errors), ("drop", dropped)];
        for (what, number) in named {
            json[format!("{way}_{what}")] = number.into();
            text.push_str(&format!("{device} {way}_{what} {number}\n"));
        }
    }
    if arguments.json {
        output.json(&json)?;
    } else {
        output.text(&text)?;
    }
    Ok(Exit::Done)
}

/// The device of the host that carries an interface, which is named by the device or by its MAC.
fn device<'a>(name: &Name, found: &'a [GuestInterface], word: &str) -> Result<&'a str, Failure> {
    let is_meant = |one: &&GuestInterface| {
        one.device.as_deref() == Some(word)
            || one.mac.is_some_and(|mac| mac.to_string() == word.to_lowercase())
    };
    let interface = found.iter().find(is_meant).ok_or_else(|| {
        Failure::refused(format!("domain '{name}' has no interface '{word}'"))
            .help(format!("`vdomain domiflist {name}` lists them"))
    })?;
    interface.device.as_deref().ok_or_else(|| {
        Failure::refused(format!("no device of the host carries the interface '{word}'"))
            .help("QEMU's own network and passt count nothing")
    })
}

pub(super) fn domifaddr(
    arguments: &Domifaddr,
    environment: &Environment,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let name = super::domain_to_read(&arguments.domain.name, environment)?;
    let guest = Guest::connect(&name, environment)?;
    let mut found = addresses(&guest, arguments.source)?;
    if let Some(interface) = &arguments.interface {
        found.retain(|address| address.interface == *interface);
    }
    if arguments.json {
        output.json(&found.iter().map(as_json).collect())?;
    } else {
        output.text(&as_table(&found, arguments.full))?;
    }
    Ok(Exit::Done)
}

/// The addresses of a guest: from where was asked, else from the first that knows any.
pub(super) fn addresses(
    guest: &Guest,
    source: Option<AddressSource>,
) -> Result<Vec<Address>, Failure> {
    let by_agent = || {
        let answer = block_on(guest.agent()?.execute("guest-network-get-interfaces", &Value::Null));
        Ok::<_, Failure>(interfaces::told_by_agent(&answer?))
    };
    let on_host = |source| {
        Ok::<_, Failure>(match source {
            AddressSource::Lease => interfaces::leased(Path::new(LEASES), &of_running(guest)?),
            AddressSource::Arp => interfaces::in_arp_table(&of_running(guest)?),
            _ => interfaces::given(&guest.domain),
        })
    };
    match source {
        Some(AddressSource::Agent) => by_agent(),
        Some(source) => on_host(source),
        None => {
            // A guest without an agent is asked in vain, which is no error here.
            let told = by_agent().unwrap_or_default();
            if told.iter().any(is_reachable) {
                return Ok(told);
            }
            for source in [AddressSource::Lease, AddressSource::Arp, AddressSource::Passt] {
                let found = on_host(source)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            Ok(told)
        }
    }
}

/// Whether others can reach the guest there.
pub(super) fn is_reachable(address: &Address) -> bool {
    match address.ip {
        None => false,
        Some(IpAddr::V4(ip)) => !ip.is_loopback() && !ip.is_link_local(),
        Some(IpAddr::V6(ip)) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    }
}

fn protocol(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "ipv4" } else { "ipv6" }
}

fn as_json(address: &Address) -> Value {
    json!({
        "name": address.interface,
        "mac": address.mac,
        "protocol": address.ip.map(protocol),
        "address": address.ip.map(|ip| ip.to_string()),
        "prefix": address.prefix,
    })
}

/// virsh's columns have fixed widths here.
fn as_table(addresses: &[Address], full: bool) -> String {
    let line = |cells: [&str; 4]| {
        let [name, mac, protocol, address] = cells;
        format!(" {name:<10} {mac:<20} {protocol:<8}     {address}\n")
    };
    let mut text = line(["Name", "MAC address", "Protocol", "Address"]);
    text.push_str(&format!("{}\n", "-".repeat(79)));
    let mut before: Option<&str> = None;
    for address in addresses {
        let repeated = !full && before == Some(address.interface.as_str());
        before = Some(&address.interface);
        let name = if repeated { "-" } else { &address.interface };
        let mac = if repeated { "-" } else { address.mac.as_deref().unwrap_or("N/A") };
        text.push_str(&match address.ip {
            None => line([name, mac, "N/A", "N/A"]),
            Some(ip) => line([name, mac, protocol(ip), &format!("{ip}/{}", address.prefix)]),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_with_two_addresses_is_named_once() {
        let address = |ip: &str| Address {
            interface: "eth0".to_owned(),
            mac: Some("52:54:00:00:00:01".to_owned()),
            ip: Some(ip.parse().unwrap()),
            prefix: 24,
        };

        let text = as_table(&[address("10.0.2.15"), address("fe80::1")], false);

        assert_eq!(
            text.lines().skip(2).collect::<Vec<_>>(),
            [
                " eth0       52:54:00:00:00:01    ipv4         10.0.2.15/24",
                " -          -                    ipv6         fe80::1/24",
            ]
        );
        assert!(!is_reachable(&address("fe80::1")) && is_reachable(&address("10.0.2.15")));
    }
}
