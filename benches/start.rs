//! From the command to a guest that runs, and what its supervisor takes then.

use std::process::Command;

use crate::peers::{Bare, Peer, Vdomain, Virsh, run};
use crate::{Times, compare};

const ROUNDS: usize = 20;

pub(super) fn measure(kind: &str) {
    let directory = tempfile::Builder::new().prefix("vdomain-bench-").tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let disk = file("disk.qcow2");
    run(Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("1G"));
    let document = file("bench.xml");
    std::fs::write(&document, guest(kind, &disk.display().to_string())).unwrap();

    let mut vdomain = Vdomain::new(file("home"), &document);
    let mut bare = Bare::new(&vdomain.plan(), &file("channel.sock"));
    let mut virsh = Virsh::new(&document);
    vdomain.start();
    let memory = vdomain.supervisor_memory();
    vdomain.end();

    let mut peers: Vec<&mut dyn Peer> = vec![&mut bare, &mut vdomain];
    match &mut virsh {
        Some(virsh) => peers.push(virsh),
        None => println!(
            "not measured: virsh start, since 'virsh -c qemu:///session' defines nothing here"
        ),
    }
    let mut all: Vec<Times> =
        peers.iter().map(|peer| Times { peer: peer.name(), times: Vec::new() }).collect();
    for _ in 0..ROUNDS {
        for (peer, times) in peers.iter_mut().zip(&mut all) {
            times.times.push(peer.start());
            peer.end();
        }
    }
    compare(&format!("a guest of type '{kind}' until it runs"), &all);
    println!("\nthe supervisor of the guest\n{}", memory.join("\n"));
}

/// A guest with what virt-manager gives to one, but for its screen.
pub(super) fn guest(kind: &str, disk: &str) -> String {
    format!(
        "<domain type='{kind}'>
  <name>bench</name>
  <memory unit='MiB'>512</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
  </os>
  <features>
    <acpi/>
  </features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none' discard='unmap'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='user'>
      <model type='virtio'/>
    </interface>
    <serial type='pty'/>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <input type='tablet' bus='usb'/>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
    </rng>
  </devices>
</domain>
"
    )
}
