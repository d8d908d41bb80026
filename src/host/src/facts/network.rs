//! Networks that libvirt defined: which bridge each stands for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use qemu::host::{Network, PortBandwidth, PortGroup, PortRate, PortSettings, PortVlan};
use xml::{Source, Subtree};

use super::directory;

/// The networks by name. libvirt keeps their XML where only root, or the user, can read it.
pub(super) fn networks(config: Option<&Path>, privileged: bool) -> BTreeMap<String, Network> {
    let path = match config {
        _ if privileged => Path::new("/etc/libvirt/qemu/networks").to_owned(),
        Some(config) => config.join("libvirt/qemu/networks"),
        None => return BTreeMap::new(),
    };
    directory(path)
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .filter_map(|path| network(&fs::read_to_string(path).ok()?))
        .collect()
}

fn network(text: &str) -> Option<(String, Network)> {
    let (network, _) = xml::read::<Subtree>(&Source::new("network", text), "network", &[]).ok()?;
    let name = network.child("name")?.text.trim().to_owned();
    let attribute =
        |element: &str, name: &str| network.child(element)?.attribute(name).map(str::to_owned);
    let forward = network
        .child("forward")
        .map(|forward| forward.attribute("mode").unwrap_or("nat").to_owned());
    let devices = || network.child("forward").into_iter().flat_map(|forward| &forward.children);
    let facts = Network {
        bridge: attribute("bridge", "name"),
        forward,
        address: attribute("ip", "address"),
        devices: devices()
            .filter(|(name, _)| name == "interface")
            .filter_map(|(_, device)| device.attribute("dev").map(str::to_owned))
            .collect(),
        pci_addresses: devices()
            .filter(|(name, _)| name == "address")
            .filter_map(|(_, address)| pci_address(address))
            .collect(),
        managed: attribute("forward", "managed").as_deref() == Some("yes"),
        port: PortSettings { bandwidth: None, ..port(&network) },
        portgroups: network
            .children
            .iter()
            .filter(|(name, _)| name == "portgroup")
            .filter_map(|(_, group)| {
                let is_default = group.attribute("default") == Some("yes");
                let name = group.attribute("name")?.to_owned();
                Some((name, PortGroup { is_default, port: port(group) }))
            })
            .collect(),
    };
    Some((name, facts))
}

/// An address as sysfs writes it, such as `0000:06:12.5`.
fn pci_address(address: &Subtree) -> Option<String> {
    let number = |name: &str| {
        let text = address.attribute(name)?;
        u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    let address = base::PciAddress {
        domain: number("domain").unwrap_or_default(),
        bus: number("bus")?,
        slot: number("slot")?,
        function: number("function")?,
    };
    Some(address.to_string())
}

/// What holds for interfaces of a network, or of a group of it.
fn port(parent: &Subtree) -> PortSettings {
    let virtualport = parent.child("virtualport");
    let profile = virtualport.and_then(|port| port.child("parameters")?.attribute("profileid"));
    PortSettings {
        virtualport: virtualport.and_then(|port| port.attribute("type")).map(str::to_owned),
        profile: profile.map(str::to_owned),
        vlan: parent.child("vlan").map(vlan),
        bandwidth: parent.child("bandwidth").map(|bandwidth| PortBandwidth {
            inbound: bandwidth.child("inbound").map(rate),
            outbound: bandwidth.child("outbound").map(rate),
        }),
    }
}

fn vlan(vlan: &Subtree) -> PortVlan {
    let tags = || vlan.children.iter().filter(|(name, _)| name == "tag").map(|(_, tag)| tag);
    let id = |tag: &Subtree| tag.attribute("id")?.parse().ok();
    let native = tags().find(|tag| tag.attribute("nativeMode").is_some());
    let tags: Vec<u16> = tags().filter_map(id).collect();
    PortVlan {
        trunk: vlan.attribute("trunk") == Some("yes") || tags.len() > 1 || native.is_some(),
        tags,
        native: native.and_then(id),
        native_is_tagged: native.and_then(|tag| tag.attribute("nativeMode")) == Some("tagged"),
    }
}

fn rate(rate: &Subtree) -> PortRate {
    let number = |name: &str| rate.attribute(name)?.parse().ok();
    PortRate { average: number("average"), peak: number("peak"), burst: number("burst") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_stands_for_its_bridge() {
        let (name, network) = network(
            "<network><name>default</name><forward/><bridge name='virbr0' stp='on'/></network>",
        )
        .unwrap();
        assert_eq!(name, "default");
        assert_eq!(network.bridge.as_deref(), Some("virbr0"));
        assert_eq!(network.forward.as_deref(), Some("nat"));
    }

    #[test]
    fn a_network_says_what_holds_for_its_interfaces() {
        let (_, network) = network(
            "<network><name>lan</name><forward mode='bridge'/><bridge name='ovsbr0'/>\
             <virtualport type='openvswitch'/>\
             <portgroup name='red' default='yes'><vlan><tag id='42'/></vlan>\
             <bandwidth><inbound average='100' burst='8'/></bandwidth></portgroup></network>",
        )
        .unwrap();
        assert_eq!(network.port.virtualport.as_deref(), Some("openvswitch"));
        let red = &network.portgroups["red"];
        assert!(red.is_default);
        assert_eq!(red.port.vlan.as_ref().unwrap().tags, [42]);
        let inbound = red.port.bandwidth.as_ref().unwrap().inbound.unwrap();
        assert_eq!((inbound.average, inbound.burst), (Some(100), Some(8)));
    }

    #[test]
    fn a_network_hands_out_devices_of_the_host() {
        let (_, network) = network(
            "<network><name>vf</name><forward mode='hostdev'>\
             <address type='pci' domain='0x0000' bus='0x03' slot='0x10' function='0x2'/>\
             </forward></network>",
        )
        .unwrap();
        assert_eq!(network.pci_addresses, ["0000:03:10.2"]);
    }

    #[test]
    fn an_isolated_network_has_no_forwarding() {
        let (_, network) = network("<network><name>x</name></network>").unwrap();
        assert_eq!(network, Network::default());
    }
}
