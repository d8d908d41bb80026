//! `<vsock>`: sockets between guest and host.

use base::{Positive, YesNo};
use xml::{Origin, Xml};

use crate::device::virtio::{VirtioModel, VirtioOptions};
use crate::device_info::DeviceInfo;

/// The device behind `AF_VSOCK` in the guest.
///
/// libvirt: `virDomainVsockDefParseXML`, `virDomainVsockDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Vsock {
    /// Where it was written.
    pub origin: Origin,
    /// Its model. Absent: `virtio`.
    #[xml(attribute)]
    pub model: Option<VirtioModel>,
    /// The number that the host reaches the guest by.
    #[xml(child)]
    pub cid: Option<Cid>,
    /// Its name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
    /// Virtio options.
    #[xml(child)]
    pub driver: Option<VirtioOptions>,
}

/// `<cid>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Cid {
    /// Where it was written.
    pub origin: Origin,
    /// Whether any free number is taken at start; then `address` has no effect.
    #[xml(attribute)]
    pub auto: Option<YesNo>,
    /// The number: 3 or more.
    #[xml(attribute)]
    pub address: Option<Positive>,
}

impl Vsock {
    /// The fixed number, unless a free one is to be taken.
    pub fn fixed_cid(&self) -> Option<u32> {
        let cid = self.cid.as_ref()?;
        (cid.auto != Some(YesNo::Yes)).then_some(cid.address)?.map(Positive::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    #[test]
    fn a_number_that_is_taken_at_start_is_not_fixed() {
        let fixed = |text| read::<Vsock>("vsock", text).unwrap().0.fixed_cid();
        assert_eq!(fixed("<vsock><cid auto='no' address='5'/></vsock>"), Some(5));
        assert_eq!(fixed("<vsock><cid auto='yes' address='5'/></vsock>"), None);
        assert_eq!(fixed("<vsock><cid auto='no'/></vsock>"), None);
        assert_eq!(fixed("<vsock/>"), None);
    }
}
