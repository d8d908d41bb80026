//! Interfaces: addresses, models, identifiers that switches want.

use base::{Mac, Uuid};
use conf::Domain;
use conf::device::Interface;
use conf::device::interface::kind::SocketMode;
use conf::device::interface::model::KnownModel;
use conf::device::interface::virtualport::{Virtualport, VirtualportKind};
use conf::device::interface::{InterfaceKind, InterfaceModel, MacElement};
use xml::Origin;

use super::context::Context;

/// An interface without an Ethernet address gets one.
///
/// libvirt: `virDomainNetGenerateMAC`.
pub(super) fn macs(domain: &mut Domain, context: &mut Context<'_>) {
    for (at, interface) in domain.devices.interfaces.iter_mut().enumerate() {
        if interface.mac().is_some() {
            continue;
        }
        let (Some([a]), Some([b]), Some([c])) =
            (context.random(), context.random(), context.random())
        else {
            return;
        };
        let address = Mac::generated([a, b, c]);
        context.made.push(format!("MAC address {address} of interface {at}"));
        let mac = interface.mac.get_or_insert_with(|| MacElement {
            origin: Origin::Step("MAC"),
            ..Default::default()
        });
        mac.address = address;
    }
}

/// Switches of some kinds know an interface by a UUID, which is made where it is missing.
///
/// libvirt: `virNetDevVPortProfileParse`.
pub(super) fn virtualports(domain: &mut Domain, context: &mut Context<'_>) {
    for (at, interface) in domain.devices.interfaces.iter_mut().enumerate() {
        let Some(Virtualport { kind, parameters, .. }) = &mut interface.virtualport else {
            continue;
        };
        let is_qbg = matches!(kind, None | Some(VirtualportKind::Ieee8021Qbg));
        let is_openvswitch = matches!(kind, None | Some(VirtualportKind::Openvswitch));
        let mut make = |wanted: bool, place: &mut Option<Uuid>, name: &str| {
            if wanted
                && place.is_none()
                && let Some(bytes) = context.random()
            {
                let uuid = Uuid::from_random(bytes);
                context.made.push(format!("{name} {uuid} of interface {at}"));
                *place = Some(uuid);
            }
        };
        make(is_qbg, &mut parameters.instanceid, "instanceid");
        make(is_openvswitch, &mut parameters.interfaceid, "interfaceid");
    }
}

/// Fills in what the guest sees, and QEMU's part where it talks to another process.
///
/// libvirt: `qemuDomainDeviceNetDefPostParse`, `qemuDomainDefaultNetModel`.
pub(super) fn defaults(domain: &mut Domain, context: &mut Context<'_>) {
    let default = default_model(context);
    for interface in &mut domain.devices.interfaces {
        let is_passt = interface.is_passt();
        if let InterfaceKind::VhostUser(vhost) = &mut interface.kind
            && !is_passt
        {
            vhost.mode.get_or_insert(SocketMode::Client);
        }
        if interface.model.is_none() {
            interface.model = match &interface.kind {
                InterfaceKind::Vdpa(_) | InterfaceKind::VhostUser(_) => {
                    Some(InterfaceModel::VIRTIO)
                }
                InterfaceKind::Hostdev(_) => None,
                _ if is_of_host(interface, context) => None,
                _ => default.map(InterfaceModel::Known),
            };
        }
    }
}

/// Whether the network hands out devices of the host.
fn is_of_host(interface: &Interface, context: &Context<'_>) -> bool {
    interface
        .kind
        .network()
        .and_then(|name| context.host.networks.get(name))
        .is_some_and(|network| network.forward.as_deref() == Some("hostdev"))
}

fn default_model(context: &Context<'_>) -> Option<KnownModel> {
    [
        ("rtl8139", KnownModel::Rtl8139),
        ("e1000", KnownModel::E1000),
        ("virtio-net-pci", KnownModel::Virtio),
    ]
    .into_iter()
    .find_map(|(device, model)| context.capabilities.has(device).then_some(model))
}
