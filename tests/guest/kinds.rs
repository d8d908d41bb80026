//! Kinds of devices beside disks, interfaces and shares: each comes to a guest that runs, is used in it,
//! and goes.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pretty_assertions::assert_eq;

use crate::asking::listen;
use crate::common::Home;
use crate::machine::{document, home, stays};
use crate::running::Console;

/// The controllers of a guest that has places for devices of PCI Express, of conventional PCI and of USB.
const PLACES: &str = "    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <controller type='pci' index='2' model='pcie-root-port'/>
    <controller type='pci' index='3' model='pcie-root-port'/>
    <controller type='pci' index='4' model='pcie-root-port'/>
    <controller type='pci' index='5' model='pcie-root-port'/>
    <controller type='pci' index='6' model='pcie-to-pci-bridge'/>
    <controller type='usb' model='qemu-xhci'/>
";

/// What the guest prints when a line of the shell has come true. Memory that a kernel uses by itself, as
/// that of Debian 13 does, it does not let go of.
const ONCE: &str = "echo offline >/sys/devices/system/memory/auto_online_blocks; once() { while ! eval \"$1\"; do sleep 1; done; echo \"$2.\"; }; \
    has() { cat /sys/bus/pci/devices/*/device | grep -q \"$1\"; }; \
    port() { for p in /sys/class/virtio-ports/*; do \
    [ \"$(cat $p/name)\" = org.example.0 ] && echo ${p##*/}; done; }; \
    total() { [ $(awk '/MemTotal/ {print $2}' /proc/meminfo) $1 200000 ]; }";

#[test]
fn each_kind_comes_is_used_and_goes() {
    let Some(home) = home() else { return };
    let memory =
        "<cpu mode='maximum'><numa><cell id='0' cpus='0' memory='256' unit='MiB'/></numa></cpu>";
    let slots = "<maxMemory slots='2' unit='MiB'>1024</maxMemory>\n  <memory unit='MiB'>";
    let document = document("kinds", &stays("modprobe -a virtio_rng virtio_console"), PLACES)
        .replace("<cpu mode='maximum'/>", memory)
        .replace("<memory unit='MiB'>", slots);
    home.define(&document);
    let mut console = Console::start(&home, "kinds");
    console.script();
    console.types(ONCE);
    let before = home.vdomain(&["dumpxml", "kinds"]).done().out;
    let image = home.write("disk.img", vec![0; 1 << 20]).display().to_string();
    let socket = home.path("socket");
    let kinds = [
        ("rng", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>".into()),
        ("watchdog", "<watchdog model='i6300esb' action='reset'/>".to_owned()),
        ("tablet", "<input type='tablet' bus='usb'/>".to_owned()),
        (
            "dimm",
            "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"
                .to_owned(),
        ),
        (
            "channel",
            format!(
                "<channel type='unix'><source mode='bind' path='{}'/>\
                 <target type='virtio' name='org.example.0'/></channel>",
                socket.display()
            ),
        ),
        (
            "disk",
            format!(
                "<disk type='file'><driver name='qemu' type='raw'/><source file='{image}'/>\
                 <target dev='sdb' bus='usb'/></disk>"
            ),
        ),
    ];
    let files = kinds.map(|(name, text)| home.write(name, text).display().to_string());

    for file in &files {
        home.vdomain(&["attach-device", "kinds", file]).done();
    }
    console.types("once '[ -s /dev/hwrng ] || [ $(head -c 16 /dev/hwrng | wc -c) = 16 ]' 'random'");
    console.wait_for("random.");
    console.types("once 'has 0x25ab' watchdog");
    console.wait_for("watchdog.");
    // The guest has no driver for USB.
    let usb = ["QEMU USB Tablet", "QEMU USB MSD"];
    let plugged = || {
        let info = ["qemu-monitor-command", "kinds", "--hmp", "info usb"];
        let info = home.vdomain(&info).done().out;
        usb.map(|product| info.contains(product))
    };
    assert_eq!(plugged(), [true, true]);
    console.types(
        "once 'for m in /sys/devices/system/memory/memory*/state; do grep -q off $m && \
         echo online_movable >$m; done; total -gt' memory",
    );
    console.wait_for("memory.");
    let mut channel = UnixStream::connect(&socket).unwrap();
    channel.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    console.types("once '[ -n \"$(port)\" ]' port; echo said >/dev/$(port)");
    let mut said = [0; 5];
    channel.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"said\n");

    for file in files.iter().rev() {
        home.vdomain(&["detach-device", "kinds", file]).done();
    }
    console.types(
        "once '! has 0x25ab && total -lt && [ -z \"$(port)\" ] && \
         grep -q none /sys/class/misc/hw_random/rng_current' gone",
    );
    console.wait_for("gone.");
    assert_eq!(plugged(), [false, false]);
    let mut after = home.vdomain(&["dumpxml", "kinds"]).done().out;
    // The controller of the channel stays.
    let begin = after.find("    <controller type='virtio-serial'").unwrap();
    let end = "    </controller>\n";
    let length = after[begin..].find(end).unwrap() + end.len();
    after.replace_range(begin..begin + length, "");
    assert_eq!(after, before);
    threshold(&home, &mut console, &image);
    home.vdomain(&["destroy", "kinds"]).done();
}

/// Whoever listens is told which disk is filled beyond a point, by its name and its image.
fn threshold(home: &Home, console: &mut Console<'_>, image: &str) {
    console.types("modprobe virtio_blk; echo 'loaded'.");
    console.wait_for("loaded.");
    let (mut listener, mut lines) =
        listen(home, &["kinds", "--loop", "--event", "block-threshold"]);
    home.vdomain(&["attach-disk", "kinds", image, "vdb"]).done();
    console.types("once '[ -b /dev/vda ]' block");
    console.wait_for("block.");
    home.vdomain(&["domblkthreshold", "kinds", "vdb", "524288"]).done();
    console.types("dd if=/dev/zero of=/dev/vda bs=1M count=1 conv=fsync");
    let said = lines.next().unwrap();
    let expected = format!("event 'block-threshold' for domain 'kinds': dev: vdb({image}) 524288 ");
    assert!(said.starts_with(&expected), "{said}");
    listener.kill().unwrap();
    listener.wait().unwrap();
}
