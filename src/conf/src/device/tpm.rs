//! `<tpm>`: a trusted platform module.

use std::num::NonZeroU32;

use base::{NonEmpty, Uuid, Yes, words};
use xml::{El, Origin, Part, Problem, Reader, Xml};

use crate::device::chardev::SourceMode;
use crate::device_info::DeviceInfo;

/// A trusted platform module.
///
/// libvirt: `virDomainTPMDefParseXML`, `virDomainTPMDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
pub struct Tpm {
    /// Where it was written.
    pub origin: Origin,
    /// What the guest sees. Absent: completion chooses the one of the machine.
    #[xml(attribute)]
    pub model: Option<TpmModel>,
    /// What is behind it.
    #[xml(child, required, repeat = "error")]
    pub backend: TpmBackend,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Tpm {
    /// What emulates it, if that is started with the guest.
    pub fn emulator(&self) -> Option<&Emulator> {
        match &self.backend {
            TpmBackend::Emulator(emulator) => Some(emulator),
            TpmBackend::Passthrough(_) | TpmBackend::External(_) => None,
        }
    }

    /// What emulates it, if that is started with the guest.
    pub fn emulator_mut(&mut self) -> Option<&mut Emulator> {
        match &mut self.backend {
            TpmBackend::Emulator(emulator) => Some(emulator),
            TpmBackend::Passthrough(_) | TpmBackend::External(_) => None,
        }
    }
}

/// What is behind a TPM.
///
/// libvirt: `virDomainTPMBackendType`.
#[derive(Clone, Debug, PartialEq, Eq, Xml)]
#[xml(key = "type")]
pub enum TpmBackend {
    /// The host's. QEMU: `-tpmdev passthrough`.
    #[xml(word = "passthrough")]
    Passthrough(Passthrough),
    /// swtpm, started with the guest. QEMU: `-tpmdev emulator`.
    #[xml(word = "emulator")]
    Emulator(Emulator),
    /// swtpm, or something that speaks like it, started by somebody else.
    #[xml(word = "external")]
    External(External),
}

/// `<backend type='passthrough'>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Passthrough::finish)]
pub struct Passthrough {
    /// The host's device: `/dev/tpm0`, unless another was written.
    #[xml(attribute_child = "path", name = "device", absent = "")]
    pub device: Option<NonEmpty>,
}

impl Passthrough {
    /// libvirt: `VIR_DOMAIN_TPM_DEFAULT_DEVICE`.
    const DEFAULT_DEVICE: &str = "/dev/tpm0";

    /// The host's device.
    pub fn device(&self) -> &str {
        self.device.as_deref().unwrap_or(Self::DEFAULT_DEVICE)
    }

    fn finish(&mut self, _el: El<'_>, _reader: &mut Reader) {
        self.device.get_or_insert_with(|| NonEmpty(Self::DEFAULT_DEVICE.to_owned()));
    }
}

/// `<backend type='emulator'>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Emulator {
    /// The version of the TPM's specification. Absent: completion chooses the one of the model.
    #[xml(attribute)]
    pub version: Option<TpmVersion>,
    /// Whether the state outlives the guest's definition when the guest is transient. Absent: no.
    #[xml(attribute)]
    pub persistent_state: Option<Yes>,
    /// How much swtpm writes to its log. Absent: nothing but errors.
    #[xml(attribute)]
    pub debug: Option<NonZeroU32>,
    /// The secret with which the state is encrypted. Absent: it is not.
    #[xml(child)]
    pub encryption: Option<TpmEncryption>,
    /// Which PCR banks are active when the guest starts. Absent: those that were.
    #[xml(child)]
    pub active_pcr_banks: Option<PcrBanks>,
    /// Where the state is kept. Absent: in a folder of the guest.
    #[xml(child, print_if = Emulator::has_source)]
    pub source: Option<TpmSource>,
    /// Which algorithms a new TPM has. Absent: all that swtpm knows.
    #[xml(child, print_if = Emulator::has_profile)]
    pub profile: Option<TpmProfile>,
}

impl Emulator {
    fn has_source(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.kind.is_some())
    }

    fn has_profile(&self) -> bool {
        self.profile.as_ref().is_some_and(TpmProfile::is_named)
    }
}

/// `<encryption>` of a TPM's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct TpmEncryption {
    /// The secret.
    #[xml(attribute)]
    pub secret: Option<Uuid>,
}

/// `<active_pcr_banks>`: a bank for each hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(closed)]
pub struct PcrBanks {
    /// SHA-1.
    #[xml(flag)]
    pub sha1: bool,
    /// SHA-256.
    #[xml(flag)]
    pub sha256: bool,
    /// SHA-384.
    #[xml(flag)]
    pub sha384: bool,
    /// SHA-512.
    #[xml(flag)]
    pub sha512: bool,
}

impl PcrBanks {
    /// The names of those that are active, as swtpm spells them.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let banks = [
            ("sha1", self.sha1),
            ("sha256", self.sha256),
            ("sha384", self.sha384),
            ("sha512", self.sha512),
        ];
        banks.into_iter().filter(|(_, active)| *active).map(|(name, _)| name)
    }
}

/// `<source>` of an emulator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct TpmSource {
    /// Where it was written.
    pub origin: Origin,
    /// What the path is. Absent: it has no effect.
    #[xml(attribute, name = "type")]
    pub kind: Option<TpmSourceType>,
    /// The path.
    #[xml(attribute, required)]
    pub path: String,
}

/// `<profile>`: which algorithms a new TPM has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct TpmProfile {
    /// Where it was written.
    pub origin: Origin,
    /// The profile that it is made from, such as `local:restricted` or `default-v1`.
    #[xml(attribute)]
    pub source: Option<String>,
    /// How algorithms are dealt with that the host's library has disabled. Absent: as if it had not.
    #[xml(attribute, name = "removeDisabled")]
    pub remove_disabled: Option<RemoveDisabled>,
    /// Its name, once it is made. Absent: completion of a start asks swtpm.
    #[xml(attribute)]
    pub name: Option<String>,
}

impl TpmProfile {
    fn is_named(&self) -> bool {
        self.source.is_some() || self.name.is_some()
    }
}

/// `<backend type='external'>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct External {
    /// `<source>`.
    #[xml(child, required, repeat = "error")]
    pub source: ExternalSource,
}

/// `<source>` of an emulator that somebody else starts: a unix socket to connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = ExternalSource::finish)]
pub struct ExternalSource {
    /// Where it was written.
    pub origin: Origin,
    /// What it is.
    #[xml(attribute, name = "type", required)]
    pub kind: ExternalSourceType,
    /// QEMU can only connect.
    #[xml(attribute)]
    pub mode: SourceMode,
    /// The socket.
    #[xml(attribute, required)]
    pub path: String,
}

impl ExternalSource {
    fn finish(&mut self, _el: El<'_>, reader: &mut Reader) {
        if self.mode == SourceMode::Bind {
            let message = "QEMU cannot listen for an external TPM";
            let part = Part::Attribute("mode".to_owned());
            reader.push(Problem::error(self.origin, part, message).expected("mode='connect'"));
        }
    }
}

words! {
    /// What the source of an external emulator is.
    pub enum ExternalSourceType {
        /// A unix socket.
        Unix = "unix",
    }
}

words! {
    /// What the guest sees of a TPM.
    ///
    /// libvirt: `virDomainTPMModel`.
    pub enum TpmModel {
        /// The interface of TPM 1.2 and 2.0. QEMU: `tpm-tis`.
        TpmTis = "tpm-tis",
        /// That of TPM 2.0 alone. QEMU: `tpm-crb`.
        TpmCrb = "tpm-crb",
        /// That of PowerPC. QEMU: `tpm-spapr`.
        TpmSpapr = "tpm-spapr",
        /// Calls of the firmware of PowerPC, beside another TPM. QEMU: `spapr-tpm-proxy`.
        SpaprTpmProxy = "spapr-tpm-proxy",
    }
}

words! {
    /// A version of the TPM's specification.
    ///
    /// libvirt: `virDomainTPMVersion`.
    pub enum TpmVersion {
        /// 1.2.
        V1_2 = "1.2",
        /// 2.0.
        V2_0 = "2.0",
    }
}

words! {
    /// What the state of an emulator is kept in.
    ///
    /// libvirt: `virDomainTPMSourceType`.
    pub enum TpmSourceType {
        /// A file or block device.
        File = "file",
        /// A folder.
        Dir = "dir",
    }
}

words! {
    /// How algorithms are dealt with that the host's library has disabled.
    ///
    /// libvirt: `virDomainTPMProfileRemoveDisabled`.
    pub enum RemoveDisabled {
        /// Each is tried, and left out if it does not work.
        Check = "check",
        /// Those are left out that FIPS forbids, if the host is in that mode.
        FipsHost = "fips-host",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, reprint};

    #[test]
    fn the_first_tpm_of_the_host_is_passed_through_where_none_is_named() {
        for device in ["", "<device path=''/>", "<device/>"] {
            let text = format!("<tpm><backend type='passthrough'>{device}</backend></tpm>");
            let printed = reprint::<Tpm>("tpm", &text).unwrap();
            assert!(printed.contains("<device path='/dev/tpm0'/>"), "{device}: {printed}");
        }
    }

    #[test]
    fn a_bank_that_is_unknown_is_refused() {
        let text = "<tpm><backend type='emulator'>\
            <active_pcr_banks><sha512/><sha1/><md5/></active_pcr_banks></backend></tpm>";
        assert_eq!(
            reprint::<Tpm>("tpm", text).unwrap_err(),
            ["unknown element <md5> in <active_pcr_banks>"]
        );
        let text = text.replace("<md5/>", "");
        let (tpm, _) = read::<Tpm>("tpm", &text).unwrap();
        let banks = tpm.emulator().unwrap().active_pcr_banks.as_ref().unwrap();
        assert_eq!(banks.names().collect::<Vec<_>>(), ["sha1", "sha512"]);
    }

    #[test]
    fn an_external_emulator_is_connected_to() {
        let text = "<tpm><backend type='external'>\
            <source type='unix' mode='bind' path='/a'/></backend></tpm>";
        assert_eq!(
            reprint::<Tpm>("tpm", text).unwrap_err(),
            ["QEMU cannot listen for an external TPM: expected mode='connect'"]
        );
    }
}
