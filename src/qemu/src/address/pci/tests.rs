//! Small guests, and where their devices end up.

use conf::Domain;
use xml::Source;

use super::assign;
use crate::capabilities::Capabilities;
use crate::host::{Host, PciKind};

const Q35_ROOT: &str = "<controller type='pci' index='0' model='pcie-root'/>";
const I440FX_ROOT: &str = "<controller type='pci' index='0' model='pci-root'/>";

fn capabilities() -> Capabilities {
    let types = ["virtio-blk-pci-transitional", "pcie-pci-bridge", "pcie-root-port", "virtio-mmio"];
    Capabilities { types: types.into_iter().collect(), ..Capabilities::default() }
}

fn domain(machine: &str, devices: &str) -> Domain {
    let text = format!(
        "<domain type='qemu'><name>t</name><os><type arch='x86_64' machine='{machine}'>hvm</type>\
         </os><devices>{devices}</devices></domain>"
    );
    let (mut domain, _) = conf::parse(&Source::new("t.xml", text)).unwrap();
    domain.devices.sort_controllers();
    domain
}

/// Each device that has a PCI address, with it; or what was found wrong.
fn assigned(machine: &str, devices: &str) -> Result<Vec<String>, Vec<String>> {
    assigned_on(&Host::default(), machine, devices)
}

fn assigned_on(host: &Host, machine: &str, devices: &str) -> Result<Vec<String>, Vec<String>> {
    let mut domain = domain(machine, devices);
    let result = assign(&mut domain, &capabilities(), host);
    result.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok(domain
        .devices
        .iter()
        .filter_map(|(id, device)| {
            let address = device.info()?.address.as_ref()?.pci()?;
            let conf::device::Device::Controller(controller) = device else {
                return Some(format!("{} {address}", id.kind));
            };
            let model = controller.pci().and_then(|pci| pci.model);
            let model = model.map_or_else(|| "controller".to_owned(), |model| model.to_string());
            Some(format!("{model} {} {address}", controller.index.unwrap()))
        })
        .collect())
}

#[test]
fn a_minimal_q35_guest_gets_three_root_ports() {
    let devices = format!(
        "{Q35_ROOT}<controller type='usb' index='0' model='qemu-xhci'/>\
         <controller type='sata' index='0'/><memballoon model='virtio'/>"
    );
    assert_eq!(
        assigned("q35", &devices).unwrap(),
        [
            "pcie-root-port 1 0000:00:01.0",
            "pcie-root-port 2 0000:00:01.1",
            "pcie-root-port 3 0000:00:01.2",
            "controller 0 0000:01:00.0",
            "controller 0 0000:00:1f.2",
            "memballoon 0000:02:00.0",
        ]
    );
}

#[test]
fn a_root_port_is_numbered_by_its_place_and_says_that_its_slot_has_more() {
    let mut domain = domain("q35", &format!("{Q35_ROOT}<memballoon model='virtio'/>"));
    assign(&mut domain, &capabilities(), &Host::default()).unwrap();
    let text = conf::print(&domain);
    let first = "    <controller type='pci' index='1' model='pcie-root-port'>
      <model name='pcie-root-port'/>
      <target chassis='1' port='0x8'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x0' \
                 multifunction='on'/>
    </controller>";
    assert!(text.contains(first), "{text}");
    assert!(text.contains("<target chassis='2' port='0x9'/>"), "{text}");
}

#[test]
fn assigning_twice_changes_nothing() {
    let devices = format!(
        "{Q35_ROOT}<memballoon model='virtio'/><controller type='scsi' index='0' model='lsilogic'/>"
    );
    let mut once = domain("q35", &devices);
    assign(&mut once, &capabilities(), &Host::default()).unwrap();
    let mut twice = once.clone();
    assign(&mut twice, &capabilities(), &Host::default()).unwrap();
    assert_eq!(once, twice);
}

#[test]
fn a_conventional_device_brings_a_way_to_conventional_pci_into_a_q35_guest() {
    let devices = format!("{Q35_ROOT}<controller type='scsi' index='0' model='lsilogic'/>");
    assert_eq!(
        assigned("q35", &devices).unwrap(),
        [
            "pcie-root-port 1 0000:00:01.0",
            "pcie-to-pci-bridge 2 0000:01:00.0",
            "pcie-root-port 3 0000:00:01.1",
            "controller 0 0000:02:01.0",
        ]
    );
}

#[test]
fn ports_that_the_document_lists_are_used_and_none_is_added_to_spare() {
    let devices = format!(
        "{Q35_ROOT}<controller type='pci' index='1' model='pcie-root-port'/>\
         <memballoon model='virtio'/>"
    );
    assert_eq!(
        assigned("q35", &devices).unwrap(),
        ["pcie-root-port 1 0000:00:01.0", "memballoon 0000:01:00.0"]
    );
}

#[test]
fn a_gap_among_the_buses_is_filled() {
    let devices = format!("{I440FX_ROOT}<controller type='pci' index='2' model='pci-bridge'/>");
    assert_eq!(
        assigned("pc", &devices).unwrap(),
        ["pci-bridge 1 0000:00:02.0", "pci-bridge 2 0000:00:03.0"]
    );
}

#[test]
fn an_i440fx_machine_has_ide_and_usb_at_their_places() {
    let devices = format!(
        "{I440FX_ROOT}<controller type='usb' index='0'/><controller type='ide' index='0'/>\
         <controller type='ide' index='1'/>"
    );
    assert_eq!(
        assigned("pc", &devices).unwrap(),
        ["controller 0 0000:00:01.2", "controller 0 0000:00:01.1", "controller 1 0000:00:02.0"]
    );
}

#[test]
fn the_parts_of_a_usb_2_controller_share_a_slot() {
    let part = |model| format!("<controller type='usb' index='1' model='{model}'/>");
    let devices =
        [I440FX_ROOT, &part("ich9-ehci1"), &part("ich9-uhci1"), &part("ich9-uhci3")].concat();
    assert_eq!(
        assigned("pc", &devices).unwrap(),
        ["controller 1 0000:00:02.7", "controller 1 0000:00:02.0", "controller 1 0000:00:02.2"]
    );
}

#[test]
fn a_full_bus_keeps_a_slot_for_a_bridge_and_gets_it() {
    // Slot 1 is the chipset's; the document takes the others but two.
    let mut devices = I440FX_ROOT.to_owned();
    for slot in 2..30 {
        devices.push_str(&format!(
            "<watchdog model='i6300esb'><address type='pci' slot='{slot}'/></watchdog>"
        ));
    }
    let with = |count: usize| {
        let more = "<controller type='virtio-serial' index='{}'/>";
        let more: String = (0..count).map(|at| more.replace("{}", &at.to_string())).collect();
        assigned("pc", &format!("{devices}{more}")).unwrap()
    };
    assert!(with(1).contains(&"controller 0 0000:00:1e.0".to_owned()));
    let two = with(2);
    assert!(two.contains(&"pci-bridge 1 0000:00:1e.0".to_owned()), "{two:?}");
    assert!(two.contains(&"controller 0 0000:00:1f.0".to_owned()), "{two:?}");
    assert!(two.contains(&"controller 1 0000:01:01.0".to_owned()), "{two:?}");
}

#[test]
fn second_taker_of_a_pci_slot_is_refused() {
    let devices = format!(
        "{I440FX_ROOT}<memballoon model='virtio'><address type='pci' slot='5'/></memballoon>\
         <controller type='scsi' index='0' model='lsilogic'><address type='pci' slot='5'/>\
         </controller>"
    );
    assert_eq!(
        assigned("pc", &devices).unwrap_err(),
        ["PCI address 0000:00:05.0 is taken by <controller>; \
          leave the <address> out to have a free one chosen"]
    );
}

#[test]
fn the_places_of_the_chipset_are_refused_to_others() {
    let at = |function| {
        let devices = format!(
            "{I440FX_ROOT}<memballoon model='virtio'>\
             <address type='pci' slot='1' function='{function}'/></memballoon>"
        );
        assigned("pc", &devices).map_err(|problems| problems[0].clone())
    };
    let taken = "; leave the <address> out to have a free one chosen";
    assert_eq!(
        at(3).unwrap_err(),
        format!("PCI address 0000:00:01.3 is taken by the machine's power management{taken}")
    );
    assert!(at(4).is_ok());
}

#[test]
fn a_controller_that_is_built_in_stays_where_it_is() {
    let devices = format!(
        "{I440FX_ROOT}<controller type='ide' index='0'><address type='pci' slot='7'/></controller>"
    );
    assert_eq!(
        assigned("pc", &devices).unwrap_err(),
        ["the controller is part of the machine: its PCI address is 0000:00:01.1, not \
          0000:00:07.0; leave the <address> out"]
    );
}

#[test]
fn a_bridge_needs_a_bus_that_takes_it() {
    let devices = format!(
        "{Q35_ROOT}<controller type='pci' index='1' model='pcie-root-port'/>\
         <controller type='pci' index='2' model='dmi-to-pci-bridge'>\
         <address type='pci' bus='1' slot='0'/></controller>"
    );
    assert_eq!(
        assigned("q35", &devices).unwrap_err(),
        ["<controller> cannot have the PCI address 0000:01:00.0: it needs a bus that accepts a \
          dmi-to-pci-bridge, and bus 0x01 is a pcie-root-port"]
    );
}

#[test]
fn there_is_no_place_on_buses_that_do_not_exist() {
    let at = |place: &str| {
        let devices = format!(
            "{Q35_ROOT}<controller type='pci' index='1' model='pcie-root-port'/>\
             <memballoon model='virtio'><address type='pci' {place}/></memballoon>"
        );
        assigned("q35", &devices).map_err(|problems| problems[0].clone())
    };
    assert_eq!(
        at("domain='1' bus='1'").unwrap_err(),
        "<memballoon> cannot have the PCI address 0001:01:00.0: a guest has only the PCI domain 0"
    );
    assert_eq!(
        at("bus='1' slot='2'").unwrap_err(),
        "<memballoon> cannot have the PCI address 0000:01:02.0: a pcie-root-port has only slot 0x00"
    );
    // A bus that is only named gets a controller.
    assert!(at("bus='2'").unwrap().contains(&"pcie-root-port 2 0000:00:01.1".to_owned()));
}

#[test]
fn a_machine_without_pci_has_no_place_for_a_pci_device() {
    assert_eq!(
        assigned("isapc", "<memballoon model='virtio'/>").unwrap_err(),
        [
            "<memballoon> needs PCI, and the machine has none; choose a machine with PCI, such as q35"
        ]
    );
}

#[test]
fn root_ports_beyond_what_the_root_holds_are_refused() {
    let mut devices = Q35_ROOT.to_owned();
    for index in 1..=245 {
        devices
            .push_str(&format!("<controller type='pci' index='{index}' model='pcie-root-port'/>"));
    }
    let problems = assigned("q35", &devices).unwrap_err();
    assert_eq!(
        problems,
        ["there is no PCI slot left for <controller> on a bus that accepts a pcie-root-port, \
          and none can be added"]
    );
}

#[test]
fn an_index_beyond_the_last_bus_is_refused() {
    let devices =
        format!("{Q35_ROOT}<controller type='pci' index='4000000000' model='pci-bridge'/>");
    assert_eq!(
        assigned("q35", &devices).unwrap_err(),
        ["the index of a PCI controller is the number of its bus, 0 to 255"]
    );
}

#[test]
fn a_bridge_has_a_higher_number_than_the_bus_it_sits_on() {
    let devices = format!(
        "{I440FX_ROOT}<controller type='pci' index='1' model='pci-bridge'>\
         <address type='pci' bus='2' slot='1'/></controller>\
         <controller type='pci' index='2' model='pci-bridge'/>"
    );
    assert_eq!(
        assigned("pc", &devices).unwrap_err(),
        ["the PCI bridge with index 1 sits on bus 2; the number of its own bus must be higher"]
    );
}

#[test]
fn expander_buses_are_numbered_from_the_top_down() {
    let devices = format!(
        "{I440FX_ROOT}<controller type='pci' index='1' model='pci-expander-bus'/>\
         <controller type='pci' index='2' model='pci-expander-bus'/>"
    );
    let mut domain = domain("pc", &devices);
    assign(&mut domain, &capabilities(), &Host::default()).unwrap();
    let numbers: Vec<_> = domain
        .devices
        .controllers
        .iter()
        .filter_map(|controller| controller.pci()?.target.bus_nr)
        .collect();
    assert_eq!(numbers, [254, 252]);
}

#[test]
fn a_q35_machine_has_what_is_in_its_chipset_where_real_boards_have_it() {
    let devices = format!(
        "{Q35_ROOT}<controller type='sata' index='0'/>\
         <controller type='usb' index='0' model='ich9-uhci1'/>\
         <controller type='usb' index='0' model='ich9-ehci1'/>\
         <sound model='ich9'/><sound model='ich9'/><video><model type='vga'/></video>"
    );
    let places = assigned("q35", &devices).unwrap();
    for place in [
        "video 0000:00:01.0",
        "sound 0000:00:1b.0",
        "controller 0 0000:00:1d.0",
        "controller 0 0000:00:1d.7",
        "controller 0 0000:00:1f.2",
    ] {
        assert!(places.iter().any(|found| found == place), "{place} in {places:?}");
    }
}

#[test]
fn the_first_video_card_of_an_i440fx_machine_is_in_slot_2() {
    let devices = format!(
        "{I440FX_ROOT}<memballoon model='virtio'/><video><model type='cirrus'/></video>\
         <video><model type='qxl'/></video>"
    );
    assert_eq!(
        assigned("pc", &devices).unwrap(),
        ["video 0000:00:02.0", "video 0000:00:04.0", "memballoon 0000:00:03.0"]
    );
}

#[test]
fn a_device_of_the_host_goes_to_a_bus_of_its_own_kind() {
    let mut host = Host::default();
    host.pci_devices.insert("0000:06:12.5".to_owned(), PciKind::Conventional);
    let hostdev = |bus, slot, function| {
        format!(
            "<hostdev type='pci'><source><address domain='0' bus='{bus}' slot='{slot}' \
             function='{function}'/></source></hostdev>"
        )
    };
    let devices = [Q35_ROOT, &hostdev(6, 18, 5), &hostdev(7, 0, 0)].concat();
    assert_eq!(
        assigned_on(&host, "q35", &devices).unwrap(),
        [
            "hostdev 0000:02:01.0",
            "hostdev 0000:03:00.0",
            "pcie-root-port 1 0000:00:01.0",
            "pcie-to-pci-bridge 2 0000:01:00.0",
            "pcie-root-port 3 0000:00:01.1",
            "pcie-root-port 4 0000:00:01.2",
        ]
    );
}

#[test]
fn a_virtio_iommu_is_part_of_the_machine() {
    let iommu = |address| format!("{Q35_ROOT}<iommu model='virtio'>{address}</iommu>");
    assert_eq!(assigned("q35", &iommu("")).unwrap(), ["iommu 0000:00:01.0"]);
    assert_eq!(
        assigned("q35", &iommu("<address type='pci' bus='1'/>")).unwrap_err(),
        [
            "<iommu> cannot have the PCI address 0000:01:00.0: it is part of the machine and must be \
          on bus 0"
        ]
    );
}

#[test]
fn a_virtio_disk_is_nowhere_but_on_a_pci_bus() {
    let devices = format!(
        "{I440FX_ROOT}<disk><target dev='vda' bus='virtio'/><address type='drive'/></disk>"
    );
    assert_eq!(
        assigned("pc", &devices).unwrap_err(),
        ["a virtio disk needs an address of type 'pci'"]
    );
}

#[test]
fn a_slot_says_that_it_has_more_unless_the_document_says_otherwise() {
    let slot = |multifunction| {
        let devices = format!(
            "{I440FX_ROOT}<memballoon model='virtio'><address type='pci' slot='5' {multifunction}/>\
             </memballoon><rng model='virtio'><backend model='random'/>\
             <address type='pci' slot='5' function='1'/></rng>"
        );
        let mut domain = domain("pc", &devices);
        assign(&mut domain, &capabilities(), &Host::default()).unwrap();
        conf::print(&domain)
    };
    assert!(slot("").contains("slot='0x05' function='0x0' multifunction='on'/>"));
    assert!(slot("multifunction='off'").contains("function='0x0' multifunction='off'/>"));
}
