//! `<launchSecurity>`: guests whose memory the host cannot read.

use std::fmt::Write;

use base::{BadValue, Datatype, NonEmpty, Value, YesNo};
use xml::{Origin, Xml};

/// `<launchSecurity>`.
///
/// libvirt: `virDomainSecDefParseXML`, `virDomainSecDefFormat`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(key = "type")]
pub enum LaunchSecurity {
    /// AMD SEV, perhaps with encrypted registers.
    #[xml(word = "sev")]
    Sev(Sev),
    /// AMD SEV-SNP.
    #[xml(word = "sev-snp")]
    SevSnp(Box<SevSnp>),
    /// IBM Secure Execution.
    #[xml(word = "s390-pv")]
    S390Pv,
}

/// Flags, read and written as a hexadecimal number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy<const WIDTH: usize>(pub u64);

impl<const WIDTH: usize> Value for Policy<WIDTH> {
    fn parse(text: &str) -> Result<Option<Self>, BadValue> {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").or(digits.strip_prefix("0X")).unwrap_or(digits);
        u64::from_str_radix(digits, 16)
            .map(|flags| Some(Self(flags)))
            .map_err(|_| BadValue::new("a hexadecimal number such as 0x0001"))
    }

    fn write(&self, out: &mut String) {
        write!(out, "0x{:0WIDTH$x}", self.0).expect("a String takes everything");
    }

    fn datatype() -> Datatype {
        Datatype::Pattern("(0[xX])?[0-9a-fA-F]+")
    }
}

/// `type='sev'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Sev {
    /// Where it was written.
    pub origin: Origin,
    /// Whether the kernel, its initial RAM disk and its command line are measured, too.
    #[xml(attribute, name = "kernelHashes")]
    pub kernel_hashes: Option<YesNo>,
    /// The address bit that says that a page is encrypted. Absent: the host's.
    #[xml(text_child, name = "cbitpos")]
    pub c_bit_position: Option<u32>,
    /// How many address bits encryption takes. Absent: the host's number.
    #[xml(text_child, name = "reducedPhysBits")]
    pub reduced_phys_bits: Option<u32>,
    /// What the firmware of the processor allows.
    #[xml(text_child, required)]
    pub policy: Policy<4>,
    /// The owner's certificate, in base64.
    #[xml(text_child, name = "dhCert")]
    pub dh_certificate: Option<NonEmpty>,
    /// The owner's session, in base64.
    #[xml(text_child)]
    pub session: Option<NonEmpty>,
}

/// `type='sev-snp'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct SevSnp {
    /// Where it was written.
    pub origin: Origin,
    /// Whether the kernel, its initial RAM disk and its command line are measured, too.
    #[xml(attribute, name = "kernelHashes")]
    pub kernel_hashes: Option<YesNo>,
    /// Whether `id_auth` holds the author's key.
    #[xml(attribute, name = "authorKey")]
    pub author_key: Option<YesNo>,
    /// Whether reports are signed with the chip's key.
    #[xml(attribute)]
    pub vcek: Option<YesNo>,
    /// The address bit that says that a page is encrypted. Absent: the host's.
    #[xml(text_child, name = "cbitpos")]
    pub c_bit_position: Option<u32>,
    /// How many address bits encryption takes. Absent: the host's number.
    #[xml(text_child, name = "reducedPhysBits")]
    pub reduced_phys_bits: Option<u32>,
    /// What the firmware of the processor allows.
    #[xml(text_child, required)]
    pub policy: Policy<8>,
    /// What the hypervisor tells the guest about its workarounds: 16 bytes in base64.
    #[xml(text_child, name = "guestVisibleWorkarounds")]
    pub guest_visible_workarounds: Option<NonEmpty>,
    /// What the guest must measure as: 96 bytes in base64.
    #[xml(text_child, name = "idBlock")]
    pub id_block: Option<NonEmpty>,
    /// Signatures of that: 4096 bytes in base64.
    #[xml(text_child, name = "idAuth")]
    pub id_auth: Option<NonEmpty>,
    /// What the hypervisor adds to reports: 32 bytes in base64.
    #[xml(text_child, name = "hostData")]
    pub host_data: Option<NonEmpty>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    #[test]
    fn a_policy_is_hexadecimal_with_or_without_its_prefix() {
        let policy = |kind: &str, policy: &str| {
            let text =
                format!("<launchSecurity type='{kind}'><policy>{policy}</policy></launchSecurity>");
            reprint::<LaunchSecurity>("launchSecurity", &text)
        };
        assert!(policy("sev", "30").unwrap().contains("<policy>0x0030</policy>"));
        assert!(policy("sev-snp", "0x30000").unwrap().contains("<policy>0x00030000</policy>"));
        assert!(policy("sev", "g").is_err());
    }
}
