//! What QEMU takes when: each type of device is added to a machine that has been made, and QEMU accepts
//! or refuses it as `qemu::plan::why_type_is_cold` says; and a device is added to each kind of PCI bus,
//! which accepts it where the plan of such a guest adds it over QMP.
//!
//! One QEMU for each machine and version, with all the buses that devices sit on. What needs a device,
//! a server or a process of the host is not tried.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]
#![allow(clippy::print_stdout, reason = "a test says what it lacks")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "other tests define guests and see refusals")]
mod common;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::Home;
use qemu::plan::why_type_is_cold;
use qmp::Client;
use serde_json::{Map, Value, json};
use sys::runtime::block_on;

/// How long QEMU may take to listen, on a machine that does other things besides.
const LIMIT: Duration = Duration::from_secs(60);

/// QEMU 7.2 of Debian 12 or whichever the distribution has, and a newer one beside it.
const QEMUS: [&str; 2] = ["/usr/bin/qemu-system-x86_64", "/opt/qemu10/qemu-system-x86_64"];

/// Types that QEMU would accept, and that are cold for what the guest would see of it.
const COLD_FOR_THE_GUEST: &[&str] = &[
    "bochs-display",
    "i82801b11-bridge",
    "ioh3420",
    "pci-bridge",
    "pcie-pci-bridge",
    "pcie-root-port",
    "qxl",
    "x3130-upstream",
    "xio3130-downstream",
];

/// What is there from the start, of both machines: the buses are `conventional0` and `1`, `usb.0`, `scsi.0`, `serial.0`, `ahci.0`, `fdc`, `hda.0`, `ccid.0`.
const COMMON: &str = "-S -nodefaults -display none -m size=128M,slots=4,maxmem=1G
    -chardev null,id=chr0 -chardev null,id=chr1 -chardev null,id=chr2 -chardev null,id=chr3
    -audiodev none,id=audio0
    -blockdev null-co,node-name=node0,read-zeroes=on -blockdev null-co,node-name=node1,read-zeroes=on
    -blockdev null-co,node-name=node2,read-zeroes=on -blockdev null-co,node-name=node3,read-zeroes=on
    -blockdev null-co,node-name=node4,read-zeroes=on -blockdev null-co,node-name=node5,read-zeroes=on
    -blockdev null-co,node-name=node6,read-zeroes=on
    -object memory-backend-ram,id=memory0,size=128M -object memory-backend-ram,id=memory1,size=128M
    -object memory-backend-ram,id=memory2,size=128M
    -object cryptodev-backend-builtin,id=crypto0
    -device qemu-xhci,id=usb,p2=15,p3=15 -device virtio-scsi-pci,id=scsi
    -device virtio-serial-pci,id=serial -device ahci,id=ahci -device intel-hda,id=hda
    -device usb-ccid,id=ccid,bus=usb.0 -device nvme,id=nvme,serial=1";

const Q35: &str = "-machine q35,acpi=on,usb=off -device pcie-root-port,id=root,chassis=1
    -device pcie-pci-bridge,id=conventional0,bus=root -device isa-fdc,id=fdc
    -device pci-bridge,id=conventional1,chassis_nr=1,bus=conventional0,addr=1
    -device pcie-root-port,id=express0,chassis=2 -device pcie-root-port,id=express1,chassis=3
    -device pcie-root-port,id=express2,chassis=4 -device pcie-root-port,id=express3,chassis=5
    -device pcie-root-port,id=express4,chassis=6 -device pcie-root-port,id=express5,chassis=7
    -device x3130-upstream,id=upstream,bus=express0";

const PC: &str = "-machine pc,acpi=on,usb=off -device pci-bridge,id=conventional0,chassis_nr=1
    -device pci-bridge,id=conventional1,chassis_nr=2";

/// What is added to both machines, with the properties that it needs.
fn of_both() -> Vec<(&'static str, Value)> {
    let with = |more: Value| {
        let mut properties = json!({"bus": "conventional1"});
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        properties
    };
    let usb = || json!({"bus": "usb.0"});
    let mut devices: Vec<_> = [
        "VGA",
        "cirrus-vga",
        "vmware-svga",
        "qxl-vga",
        "qxl",
        "bochs-display",
        "virtio-vga",
        "virtio-gpu-pci",
        "virtio-vga-gl",
        "virtio-gpu-gl-pci",
        "virtio-scsi-pci",
        "virtio-serial-pci",
        "virtio-balloon-pci",
        "virtio-rng-pci",
        "virtio-keyboard-pci",
        "virtio-mouse-pci",
        "virtio-tablet-pci",
        "virtio-net-pci",
        "e1000",
        "rtl8139",
        "ne2k_pci",
        "pcnet",
        "vmxnet3",
        "lsi",
        "megasas",
        "mptsas1068",
        "pvscsi",
        "am53c974",
        "ahci",
        "piix3-usb-uhci",
        "piix4-usb-uhci",
        "usb-ehci",
        "nec-usb-xhci",
        "qemu-xhci",
        "ich9-usb-ehci1",
        "ich9-usb-uhci1",
        "ich9-usb-uhci2",
        "ich9-usb-uhci3",
        "pci-ohci",
        "intel-hda",
        "ich9-intel-hda",
        "i6300esb",
        "pvpanic-pci",
        "virtio-iommu",
    ]
    .into_iter()
    .map(|driver| (driver, json!({"bus": "conventional0"})))
    .collect();
    devices.extend([
        ("virtio-blk-pci", with(json!({"drive": "node0"}))),
        ("virtio-net-pci-transitional", with(json!({}))),
        ("virtio-sound-pci", with(json!({"audiodev": "audio0"}))),
        ("virtio-crypto-pci", with(json!({"cryptodev": "crypto0"}))),
        ("virtio-pmem-pci", with(json!({"memdev": "memory0"}))),
        ("AC97", with(json!({"audiodev": "audio0"}))),
        ("ES1370", with(json!({"audiodev": "audio0"}))),
        ("pci-serial", with(json!({"chardev": "chr0"}))),
        ("nvme", with(json!({"serial": "2"}))),
        ("pci-bridge", with(json!({"chassis_nr": 77}))),
        ("ivshmem-plain", with(json!({"memdev": "memory1"}))),
        ("usb-tablet", usb()),
        ("usb-mouse", usb()),
        ("usb-kbd", usb()),
        ("usb-hub", usb()),
        ("usb-net", usb()),
        ("usb-bot", usb()),
        ("usb-ccid", usb()),
        ("usb-audio", json!({"bus": "usb.0", "audiodev": "audio0"})),
        ("usb-storage", json!({"bus": "usb.0", "drive": "node1"})),
        ("usb-serial", json!({"bus": "usb.0", "chardev": "chr1"})),
        ("usb-redir", json!({"bus": "usb.0", "chardev": "chr2"})),
        ("scsi-hd", json!({"bus": "scsi.0", "drive": "node2"})),
        ("scsi-cd", json!({"bus": "scsi.0"})),
        ("virtserialport", json!({"bus": "serial.0", "nr": 3})),
        ("virtconsole", json!({"bus": "serial.0", "nr": 4, "chardev": "chr3"})),
        ("ide-hd", json!({"bus": "ahci.0", "drive": "node3"})),
        ("ide-cd", json!({"bus": "ahci.1"})),
        ("floppy", json!({"drive-type": "144", "unit": 0, "drive": "node4"})),
        ("hda-duplex", json!({"bus": "hda.0", "audiodev": "audio0"})),
        ("hda-micro", json!({"bus": "hda.0", "audiodev": "audio0"})),
        ("hda-output", json!({"bus": "hda.0", "audiodev": "audio0"})),
        ("nvme-ns", json!({"bus": "nvme", "nsid": 1, "drive": "node5"})),
        ("pc-dimm", json!({"memdev": "memory2"})),
        ("isa-serial", json!({})),
        ("isa-parallel", json!({})),
        ("isa-debugcon", json!({})),
        ("pvpanic", json!({})),
        ("ib700", json!({})),
        ("sb16", json!({"audiodev": "audio0"})),
        ("ne2k_isa", json!({})),
        ("isa-fdc", json!({})),
        ("vmgenid", json!({})),
        ("vmcoreinfo", json!({})),
        ("ramfb", json!({})),
        ("acpi-erst", with(json!({"memdev": "memory2"}))),
    ]);
    devices
}

/// What is added to q35 besides.
fn of_q35() -> Vec<(&'static str, Value)> {
    vec![
        ("e1000e", json!({"bus": "express1"})),
        ("igb", json!({"bus": "express2"})),
        ("pcie-pci-bridge", json!({"bus": "express3"})),
        ("i82801b11-bridge", json!({"bus": "express4"})),
        ("x3130-upstream", json!({"bus": "express5"})),
        ("xio3130-downstream", json!({"bus": "upstream", "chassis": 78})),
        ("pxb-pcie", json!({"bus_nr": 200})),
        ("intel-iommu", json!({})),
    ]
}

#[test]
fn devices_are_accepted_and_refused_as_the_plan_takes_them_to_be_by_q35() {
    let devices: Vec<_> = of_both().into_iter().chain(of_q35()).collect();
    agree(Q35, &devices);
}

#[test]
fn devices_are_accepted_and_refused_as_the_plan_takes_them_to_be_by_pc() {
    let mut devices = of_both();
    devices.push(("pxb", json!({"bus_nr": 200})));
    agree(PC, &devices);
}

/// Buses: the machine, the controllers that make bus 1, and the address of a device.
const BUSES: &[(&str, &str, &str)] = &[
    ("pc acpi", "", "bus='0' slot='0x8'"),
    ("pc", "", "bus='0' slot='0x8'"),
    (
        "pc acpi",
        "<controller type='pci' index='0' model='pci-root'><target hotplug='off'/></controller>",
        "bus='0' slot='0x8'",
    ),
    ("pc acpi", "<controller type='pci' index='1' model='pci-bridge'/>", "bus='1' slot='0x8'"),
    ("pc", "<controller type='pci' index='1' model='pci-bridge'/>", "bus='1' slot='0x8'"),
    (
        "pc acpi",
        "<controller type='pci' index='1' model='pci-expander-bus'/>",
        "bus='1' slot='0x1'",
    ),
    ("q35 acpi", "", "bus='0' slot='0x8'"),
    ("q35 acpi", "<controller type='pci' index='1' model='pcie-root-port'/>", "bus='1' slot='0'"),
    ("q35", "<controller type='pci' index='1' model='pcie-root-port'/>", "bus='1' slot='0'"),
    (
        "q35 acpi",
        "<controller type='pci' index='1' model='pcie-root-port'><model name='ioh3420'/></controller>",
        "bus='1' slot='0'",
    ),
    (
        "q35 acpi",
        "<controller type='pci' index='1' model='pcie-root-port'><target hotplug='off'/></controller>",
        "bus='1' slot='0'",
    ),
    (
        "q35 acpi",
        "<controller type='pci' index='1' model='pcie-root-port'/><controller type='pci' index='2' model='pcie-switch-upstream-port'/><controller type='pci' index='3' model='pcie-switch-downstream-port'/>",
        "bus='3' slot='0'",
    ),
    (
        "q35 acpi",
        "<controller type='pci' index='1' model='pcie-root-port'/><controller type='pci' index='2' model='pcie-to-pci-bridge'/>",
        "bus='2' slot='0x8'",
    ),
    (
        "q35 acpi",
        "<controller type='pci' index='1' model='dmi-to-pci-bridge'/><controller type='pci' index='2' model='pci-bridge'/>",
        "bus='2' slot='0x8'",
    ),
    (
        "q35 acpi",
        "<controller type='pci' index='1' model='dmi-to-pci-bridge'/>",
        "bus='1' slot='0x8'",
    ),
];

#[test]
fn buses_accept_and_refuse_devices_as_the_plan_takes_them_to() {
    for binary in QEMUS {
        let Some(home) = Home::with_qemu() else { return };
        if !Path::new(binary).exists() {
            println!("not tested: there is no {binary}");
            continue;
        }
        for (machine, controllers, address) in BUSES {
            let (machine, acpi) = machine.split_once(' ').unwrap_or((machine, ""));
            let features = if acpi.is_empty() { "" } else { "<features><acpi/></features>" };
            home.write(
                "guest.xml",
                format!(
                    "<domain type='qemu'><name>guest</name><memory unit='MiB'>128</memory>
                    <os><type arch='x86_64' machine='{machine}'>hvm</type></os>{features}
                    <devices><emulator>{binary}</emulator>{controllers}
                    <controller type='usb' model='none'/><memballoon model='none'/>
                    <rng model='virtio'><backend model='builtin'/>
                    <address type='pci' {address}/></rng></devices></domain>"
                ),
            );
            let plan = home.vdomain(&["plan", "--json", "guest.xml"]).done().out;
            let plan: Value = serde_json::from_str(&plan).unwrap();

            let (cold, over_qmp) = rng_of(&plan);
            let acpi = if acpi.is_empty() { "off" } else { "on" };
            let qemu = Qemu::start(
                binary,
                &format!(
                    "-machine {machine},acpi={acpi},usb=off -S -nodefaults -display none {cold}"
                ),
            );
            // The bus is tried with a device that needs no backend.
            let mut device = over_qmp.clone().unwrap_or_else(|| rng_on_command_line(&plan));
            device["driver"] = "virtio-balloon-pci".into();
            device.as_object_mut().unwrap().remove("rng");
            let answer = block_on(qemu.qmp.execute("device_add", &device));

            let case = format!("{binary} {machine} {controllers} {address}");
            match answer {
                Ok(_) => assert!(over_qmp.is_some(), "{case}: QEMU accepts it"),
                Err(error) => {
                    assert!(says_not_hot(&error), "{case}: {error}");
                    assert_eq!(over_qmp, None, "{case}: {error}");
                }
            }
        }
    }
}

/// The PCI controllers and settings of a plan's command line, and the RNG if it is added over QMP.
fn rng_of(plan: &Value) -> (String, Option<Value>) {
    let argv: Vec<&str> =
        plan["argv"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let is_bus = |value: &str| {
        ["pci-bridge", "pcie-", "ioh3420", "x3130", "xio3130", "i82801b11", "pxb", "PIIX4_PM"]
            .iter()
            .any(|word| value.contains(word))
            && !value.contains("virtio-rng")
    };
    let cold =
        argv.windows(2).filter(|pair| matches!(pair[0], "-device" | "-global") && is_bus(pair[1]));
    let cold: Vec<String> = cold.map(|pair| pair.join(" ")).collect();
    let commands = plan["qmp"].as_array().unwrap().iter();
    let hot = commands.filter(|command| command["execute"] == "device_add");
    let rng = hot.map(|command| &command["arguments"]).find(|device| device["id"] == "rng0");
    (cold.join(" "), rng.cloned())
}

fn rng_on_command_line(plan: &Value) -> Value {
    let mut arguments = plan["argv"].as_array().unwrap().iter().filter_map(Value::as_str);
    let device = arguments.find(|argument| argument.contains("\"id\":\"rng0\"")).unwrap();
    serde_json::from_str(device).unwrap()
}

fn agree(machine: &str, devices: &[(&str, Value)]) {
    for binary in QEMUS {
        if !Path::new(binary).exists() {
            println!("not tested: there is no {binary}");
            continue;
        }
        let qemu = Qemu::start(binary, &format!("{machine} {COMMON}"));
        let wrong: Vec<String> = devices
            .iter()
            .enumerate()
            .filter_map(|(at, (driver, properties))| qemu.disagrees(at, driver, properties))
            .collect();
        assert!(wrong.is_empty(), "{binary} {machine}:\n{}", wrong.join("\n"));
    }
}

/// A QEMU that waits for its guest to be started.
struct Qemu {
    qmp: Client,
    _process: Process,
    /// With its monitor.
    _directory: tempfile::TempDir,
}

/// A process that ends with the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, or nobody needs it any more.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Qemu {
    fn start(binary: &str, arguments: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let monitor: PathBuf = directory.path().join("monitor");
        let chardev = format!("socket,id=monitor,path={},server=on,wait=off", monitor.display());
        let mut command = Command::new(binary);
        command.args(arguments.split_whitespace());
        command.args(["-chardev", &chardev, "-mon", "chardev=monitor,mode=control"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        let mut process = Process(command.spawn().unwrap());
        let began = Instant::now();
        loop {
            // The socket has its name before it listens.
            if let Ok((qmp, _)) = block_on(Client::connect(&monitor, LIMIT)) {
                return Self { qmp, _process: process, _directory: directory };
            }
            assert!(process.0.try_wait().unwrap().is_none(), "{binary} ends: {arguments}");
            assert!(began.elapsed() < LIMIT, "QEMU has no monitor");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What is wrong with what is said of a type of device, if this QEMU has it.
    fn disagrees(&self, at: usize, driver: &str, properties: &Value) -> Option<String> {
        let mut arguments: Map<String, Value> = properties.as_object().unwrap().clone();
        arguments.insert("driver".to_owned(), driver.into());
        arguments.insert("id".to_owned(), format!("added{at}").into());
        let answer = block_on(self.qmp.execute("device_add", &arguments.into()));
        let is_refused_hot = match answer {
            Ok(_) => false,
            Err(error) if error.to_string().contains("not a valid device model name") => {
                return None;
            }
            Err(error) if says_not_hot(&error) => true,
            Err(error) => return Some(format!("{driver} is refused for another reason: {error}")),
        };
        let is_cold = why_type_is_cold(driver).is_some();
        let expected = is_cold && !COLD_FOR_THE_GUEST.contains(&driver);
        let word = |is_refused| if is_refused { "refuses" } else { "accepts" };
        (is_refused_hot != expected).then(|| {
            format!(
                "QEMU {} {driver}, but the table says it {}",
                word(is_refused_hot),
                word(expected)
            )
        })
    }
}

/// Whether QEMU says that a device or its bus is for the time only when the machine is made.
fn says_not_hot(error: &qmp::Error) -> bool {
    let words = [
        "does not support hotplug",
        "not hotpluggable",
        "not be hotplugged",
        "expects a pluggable device",
    ];
    words.iter().any(|words| error.to_string().contains(words))
}
