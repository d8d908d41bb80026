//! `<virtualport>` of an interface: what the switch it is connected to wants to know.

use base::{NonEmpty, Uuid, words};
use xml::{Origin, Xml};

use crate::address::AnyBase;

/// `<virtualport>`.
///
/// libvirt: `virNetDevVPortProfileParse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
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
