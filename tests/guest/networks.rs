//! Interfaces: QEMU's own network, passt, a tap on a bridge.

use std::process::Command;

use crate::common::{Home, run};
use crate::machine::{document, has, has_passt, home, is_root, runs, with_shared_memory};
use crate::running::Console;

/// An interface of QEMU's own network.
fn user(mac: &str, model: &str) -> String {
    format!(
        "    <interface type='user'>
      <mac address='{mac}'/>
      <model type='{model}'/>
    </interface>
"
    )
}

#[test]
fn every_model_gets_an_address_from_a_user_network() {
    let Some(home) = home() else { return };
    let models = ["virtio", "e1000e", "e1000", "rtl8139"];
    let mac = |at: usize| format!("52:54:00:00:00:0{at}");
    let devices: String =
        models.iter().enumerate().map(|(at, model)| user(&mac(at), model)).collect();
    home.define(&document("models", &runs("interfaces; dhcp"), &devices));

    let said = Console::start(&home, "models").run();

    for (at, driver) in ["virtio_net", "e1000e", "e1000", "8139cp"].iter().enumerate() {
        let line = format!("mac={} driver={driver} ", mac(at));
        assert!(said.contains(&line), "no {line}: {said}");
    }
    assert_eq!(said.matches(" 10.0.2.15/24 router=10.0.2.2").count(), models.len(), "{said}");
}

#[test]
fn passt_gives_an_address() {
    let Some(home) = home() else { return };
    if !has_passt(&home) {
        return;
    }
    let devices =
        user("52:54:00:00:00:01", "virtio").replace("<mac", "<backend type='passt'/>\n      <mac");
    home.define(&with_shared_memory(&document("passt", &runs("dhcp"), &devices)));

    let said = Console::start(&home, "passt").run();

    assert!(said.contains("address eth0 ") && !said.contains("none"), "{said}");
}

/// A network of its own with a bridge in it, as long as this lives.
struct Bridged(String);

impl Bridged {
    fn new() -> Self {
        let network = Self(format!("vdomain-test-{}", std::process::id()));
        network.ip(&["netns", "add", &network.0]);
        network.ip(&["-n", &network.0, "link", "add", "br0", "type", "bridge"]);
        network.ip(&["-n", &network.0, "address", "add", "10.9.8.1/24", "dev", "br0"]);
        network.ip(&["-n", &network.0, "link", "set", "br0", "up"]);
        network
    }

    fn ip(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("ip");
        command.args(arguments);
        run(command).done().out
    }

    fn links(&self) -> String {
        self.ip(&["-n", &self.0, "-brief", "link"])
    }

    /// Runs the program in this network.
    fn vdomain(&self, home: &Home, arguments: &[&str]) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, env!("CARGO_BIN_EXE_vdomain")]).args(arguments);
        home.inside(&mut command);
        run(command).done();
    }
}

impl Drop for Bridged {
    fn drop(&mut self) {
        let mut command = Command::new("ip");
        command.args(["netns", "delete", &self.0]);
        run(command);
    }
}

#[test]
fn taps_on_a_bridge_carry_packets_and_go_away() {
    let Some(home) = home() else { return };
    if !is_root("making a bridge") || !has(&home, "ip") {
        return;
    }
    let network = Bridged::new();
    let devices = "    <interface type='bridge'>
      <mac address='52:54:00:00:00:01'/>
      <source bridge='br0'/>
      <model type='virtio'/>
      <driver queues='2'/>
    </interface>
    <interface type='ethernet'>
      <mac address='52:54:00:00:00:02'/>
      <target dev='mytap'/>
      <model type='e1000e'/>
      <mtu size='1400'/>
    </interface>
";
    let script = "interfaces
        for eth in /sys/class/net/eth*; do grep -q 01$ $eth/address && break; done
        ip address add 10.9.8.2/24 dev ${eth##*/}; ip link set ${eth##*/} up
        ping -c 3 -W 20 10.9.8.1 >/dev/null && echo the bridge answers
        ls $eth/queues";
    let given = document("bridged", &runs(script), devices).replace("<vcpu>1<", "<vcpu>2<");
    home.define(&given);
    network.vdomain(&home, &["start", "--paused", "bridged"]);
    let links = network.links();
    let mut console = Console::attach(&home, "bridged");
    home.vdomain(&["resume", "bridged"]).done();

    let said = console.script();

    assert!(said.contains("the bridge answers"), "{said}");
    assert!(said.contains("rx-0\nrx-1\n"), "{said}");
    assert!(said.contains("mac=52:54:00:00:00:02 driver=e1000e"), "{said}");
    assert!(links.contains("vnet0") && links.contains("mytap"), "{links}");
    console.end();
    let links = network.links();
    assert!(!links.contains("vnet") && !links.contains("mytap"), "{links}");
}
