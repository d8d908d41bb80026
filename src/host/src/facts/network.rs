//! Networks that libvirt defined: which bridge each stands for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use qemu::host::Network;
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
    let network = Network {
        bridge: attribute("bridge", "name"),
        forward,
        address: attribute("ip", "address"),
    };
    Some((name, network))
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
    fn an_isolated_network_has_no_forwarding() {
        let (_, network) = network("<network><name>x</name></network>").unwrap();
        assert_eq!(network, Network::default());
    }
}
