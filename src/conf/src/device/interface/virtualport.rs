//! `<virtualport>` of an interface: what the switch it is connected to wants to know.

use base::{NonEmpty, Uuid, words};
use xml::{El, Origin, Part, Problem, Reader, Xml};

use crate::address::AnyBase;

/// `<virtualport>`.
///
/// libvirt: `virNetDevVPortProfileParse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Virtualport::finish)]
pub struct Virtualport {
    /// Where it was written.
    pub origin: Origin,
    /// The kind of switch. Absent: that of the network.
    #[xml(attribute, name = "type")]
    pub kind: Option<VirtualportKind>,
    /// What it wants to know.
    #[xml(child)]
    pub parameters: VirtualportParameters,
}

impl Virtualport {
    /// What a kind of switch does not want to know is refused, but for MidoNet's profile, which is
    /// not kept.
    ///
    /// libvirt: `virNetDevVPortProfileCheckNoExtras`, `virNetDevVPortProfileFormat`.
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let Some(kind) = self.kind else { return };
        let origin = el.child("parameters").map_or(el.origin(), El::origin);
        let VirtualportParameters {
            managerid,
            typeid,
            typeidversion,
            instanceid,
            interfaceid,
            profileid,
        } = &mut self.parameters;
        let (qbg, qbh) =
            (kind == VirtualportKind::Ieee8021Qbg, kind == VirtualportKind::Ieee8021Qbh);
        let given = [
            ("managerid", managerid.is_some(), qbg),
            ("typeid", typeid.is_some(), qbg),
            ("typeidversion", typeidversion.is_some(), qbg),
            ("instanceid", instanceid.is_some(), qbg),
            ("interfaceid", interfaceid.is_some(), !qbg && !qbh),
            ("profileid", profileid.is_some(), !qbg),
        ];
        for (name, _, _) in given.into_iter().filter(|(_, given, wanted)| *given && !wanted) {
            let part = Part::AttributeName(name.to_owned());
            let message = format!("<virtualport type='{kind}'> has no '{name}'");
            reader.push(Problem::error(origin, part, message).help("leave it out"));
        }
        if kind == VirtualportKind::Midonet && profileid.take().is_some() {
            let part = Part::AttributeName("profileid".to_owned());
            reader.warning(origin, part, "'profileid' has no effect for MidoNet");
        }
    }
}

words! {
    /// The kind of switch, and which parameters go with it.
    ///
    /// libvirt: `virNetDevVPortType`.
    pub enum VirtualportKind unset "none" {
        /// IEEE 802.1Qbg: `managerid`, `typeid`, `typeidversion`, `instanceid`.
        Ieee8021Qbg = "802.1Qbg",
        /// IEEE 802.1Qbh: `profileid`.
        Ieee8021Qbh = "802.1Qbh",
        /// Open vSwitch: `interfaceid`, `profileid`.
        Openvswitch = "openvswitch",
        /// MidoNet: `interfaceid`.
        Midonet = "midonet",
    }
}

/// `<parameters>` of `<virtualport>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct VirtualportParameters {
    /// The manager of the types.
    #[xml(attribute)]
    pub managerid: Option<AnyBase<0xff>>,
    /// The type.
    #[xml(attribute)]
    pub typeid: Option<AnyBase<0xff_ffff>>,
    /// The version of the type.
    #[xml(attribute)]
    pub typeidversion: Option<AnyBase<0xff>>,
    /// This instance. Absent: completion makes one where the kind has it.
    #[xml(attribute)]
    pub instanceid: Option<Uuid>,
    /// This interface. Absent: completion makes one where the kind has it.
    #[xml(attribute)]
    pub interfaceid: Option<Uuid>,
    /// The profile.
    #[xml(attribute)]
    pub profileid: Option<NonEmpty>,
}
