//! Rules of interfaces that the derive does not know.

use super::*;
use crate::testing::{read, reprint};

fn interface(inside: &str) -> (Interface, Vec<String>) {
    read("interface", &format!("<interface type='bridge'><source bridge='b'/>{inside}</interface>"))
        .unwrap()
}

fn errors(text: &str) -> Vec<String> {
    reprint::<Interface>("interface", text).unwrap_err()
}

#[test]
fn names_of_taps_that_look_made_are_not_kept() {
    assert_eq!(interface("<target dev='vnet3'/>").0.target_dev(), None);
    assert_eq!(interface("<target dev='macvtap0'/>").0.target_dev(), None);
    assert_eq!(interface("<target dev='vnet3' managed='no'/>").0.target_dev(), Some("vnet3"));
    assert_eq!(interface("<target dev='tap0'/>").0.target_dev(), Some("tap0"));
}

#[test]
fn one_queue_goes_without_saying() {
    let (one, _) = interface("<model type='virtio'/><driver queues='1'/>");
    assert_eq!(one.driver.unwrap().queues, None);
    let (four, _) = interface("<model type='virtio'/><driver queues='4'/>");
    assert_eq!(four.driver.unwrap().queues.map(NonZeroU32::get), Some(4));
}

#[test]
fn without_a_virtio_model_only_virtio_options_of_the_driver_may_count() {
    let (none, problems) = interface("<driver name='vhost' iommu='on'/>");
    assert_eq!(problems, ["<driver> has no effect without <model type='virtio'/>"]);
    let driver = none.driver.unwrap();
    assert_eq!((driver.name, driver.virtio.iommu.is_some()), (None, true));

    let (_, problems) = interface("<backend tap='/dev/net/tun' vhost='/dev/vhost-net'/>");
    assert_eq!(problems, ["'vhost' has no effect without <model type='virtio'/>"]);

    let (other, problems) = interface("<model type='e1000'/><driver queues='4'/>");
    assert_eq!(other.driver, None);
    assert_eq!(problems, ["<driver> has no effect without <model type='virtio'/>"]);
    let (other, problems) = interface("<model type='e1000'/><driver iommu='on'/>");
    assert!(other.driver.is_some_and(|driver| driver.virtio.iommu.is_some()));
    assert_eq!(problems, [""; 0]);
}

#[test]
fn the_family_of_an_address_is_always_printed() {
    let (interface, _) = interface("<ip address='2001:0DB8::1' prefix='64'/>");
    assert!(
        xml::print(&interface, "interface")
            .contains("<ip address='2001:db8::1' family='ipv6' prefix='64'/>")
    );
}

#[test]
fn an_address_of_another_family_is_refused() {
    let text = "<interface><ip address='10.0.0.1' family='ipv6'/></interface>";
    assert_eq!(errors(text), ["'family' of <ip> does not go with 10.0.0.1"]);
}

#[test]
fn values_for_a_filter_are_sorted_by_name_and_keep_their_order() {
    let (interface, _) = interface(
        "<filterref filter='f'><parameter name='IP' value='2'/><parameter name='A' value='9'/>\
         <parameter name='IP' value='1'/></filterref>",
    );
    let values: Vec<String> =
        interface.filterref.unwrap().parameters.into_iter().map(|p| p.name + &p.value).collect();
    assert_eq!(values, ["A9", "IP2", "IP1"]);
}

#[test]
fn a_filter_needs_a_tap() {
    let text = "<interface><filterref filter='f'/></interface>";
    let (interface, problems) = read::<Interface>("interface", text).unwrap();
    assert_eq!(interface.filterref, None);
    assert_eq!(problems, ["<filterref> has no effect in this <interface>"]);
}

#[test]
fn more_than_one_tag_makes_a_trunk() {
    let trunk = |inside: &str| interface(inside).0.vlan.unwrap().trunk;
    assert_eq!(trunk("<vlan><tag id='1'/><tag id='2'/></vlan>"), Some(YesNo::Yes));
    assert_eq!(trunk("<vlan trunk='no'><tag id='1'/></vlan>"), None);
    assert_eq!(
        errors("<interface><vlan trunk='no'><tag id='1'/><tag id='2'/></vlan></interface>"),
        ["trunk='no' contradicts more than one <tag>, or a nativeMode"]
    );
    assert_eq!(errors("<interface><vlan><tag id='4096'/></vlan></interface>").len(), 1);
}

#[test]
fn a_source_must_say_what_its_kind_needs() {
    for (text, problem) in [
        ("<interface type='bridge'/>", "<interface> needs <source>"),
        ("<interface type='bridge'><source/></interface>", "<source> needs attribute 'bridge'"),
        (
            "<interface type='mcast'><source port='1'/></interface>",
            "<source> needs attribute 'address'",
        ),
        (
            "<interface type='vhostuser'><source path='/s'/></interface>",
            "<interface type='vhostuser'> needs <source type='unix' path='…'/> or \
             <backend type='passt'/>",
        ),
    ] {
        assert_eq!(errors(text), [problem]);
    }
    let passt = "<interface type='vhostuser'><backend type='passt'/></interface>";
    assert!(read::<Interface>("interface", passt).is_ok());
    assert!(read::<Interface>("interface", "<interface/>").is_ok());
}

#[test]
fn the_device_of_the_host_is_for_passt_alone() {
    let (interface, problems) =
        read::<Interface>("interface", "<interface><source dev='eth0'/></interface>").unwrap();
    assert_eq!(interface.kind, InterfaceKind::default());
    assert_eq!(problems, ["'dev' has no effect without <backend type='passt'/>"]);
}

#[test]
fn a_virtualport_needs_a_switch() {
    assert_eq!(
        errors("<interface type='user'><virtualport type='openvswitch'/></interface>"),
        ["<interface type='user'> cannot have a <virtualport>"]
    );
}

#[test]
fn an_address_of_a_group_is_no_interfaces_own() {
    let problems = errors("<interface><mac address='01:00:5e:00:00:01'/></interface>");
    assert_eq!(
        problems,
        [
            "'01:00:5e:00:00:01' is the address of a group of hosts: expected one whose first byte is \
             even"
        ]
    );
}

#[test]
fn the_driver_of_a_device_of_the_host_stands_before_its_source() {
    let text = "<interface type='hostdev' managed='no'>\
                <source><address type='pci' bus='3'/></source><driver name='vfio'/></interface>";
    assert_eq!(
        reprint::<Interface>("interface", text).unwrap(),
        "<interface type='hostdev'>\n  <driver name='vfio'/>\n  <source>\n    \
         <address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/>\n  \
         </source>\n</interface>\n"
    );
}
