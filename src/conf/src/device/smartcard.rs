//! `<smartcard>`: a smartcard in the guest's reader.

use xml::{El, Origin, Part, Problem, Reader, Xml};

use crate::device::chardev::Chardev;
use crate::device_info::DeviceInfo;

/// A smartcard.
///
/// libvirt: `virDomainSmartcardDefParseXML`, `virDomainSmartcardDefFormat`.
#[derive(Clone, Debug, Default, PartialEq, Xml)]
#[xml(finish = Smartcard::finish)]
pub struct Smartcard {
    /// Where it was written.
    pub origin: Origin,
    /// Where the card comes from.
    #[xml(flatten, key_first)]
    pub mode: SmartcardMode,
    /// Name and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Smartcard {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        match &mut self.mode {
            SmartcardMode::Host => {}
            SmartcardMode::HostCertificates(card) => card.check(el, reader),
            SmartcardMode::Passthrough(chardev) => chardev.finish_backend(el, reader),
        }
    }
}

/// Where a smartcard comes from.
///
/// libvirt: `virDomainSmartcardType`.
#[derive(Clone, Debug, PartialEq, Xml)]
#[xml(key = "mode")]
pub enum SmartcardMode {
    /// A card in a reader of the host. QEMU: `ccid-card-emulated`, `backend=nss-emulated`.
    #[xml(word = "host")]
    Host,
    /// Certificates of the host stand in for a card. QEMU: `backend=certificates`.
    #[xml(word = "host-certificates")]
    HostCertificates(HostCertificates),
    /// A program elsewhere plays the card. QEMU: `ccid-card-passthru`.
    #[xml(word = "passthrough")]
    Passthrough(Chardev),
}

/// `mode='host-certificates'`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct HostCertificates {
    /// The names of three certificates.
    #[xml(text_child, name = "certificate")]
    pub certificates: Vec<String>,
    /// The folder of the NSS database that has them. Absent: `/etc/pki/nssdb`.
    #[xml(text_child)]
    pub database: Option<String>,
}

impl HostCertificates {
    fn check(&self, el: El<'_>, reader: &mut Reader) {
        let count = self.certificates.len();
        if count != 3 {
            let message = format!("<smartcard mode='host-certificates'> has {count} certificates");
            let problem = Problem::error(el.origin(), Part::Name, message);
            reader.push(problem.expected("three <certificate> elements"));
        }
        if let Some(database) = self.database.as_ref().filter(|path| !path.starts_with('/')) {
            let origin = el.child("database").map_or(el.origin(), El::origin);
            let message = format!("'{database}' is not an absolute path");
            reader.error(origin, Part::Text, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::reprint;

    #[test]
    fn certificates_of_the_host_are_three_and_their_database_has_an_absolute_path() {
        let text = "<smartcard mode='host-certificates'>\
            <certificate>a</certificate><database>nss</database></smartcard>";
        assert_eq!(
            reprint::<Smartcard>("smartcard", text).unwrap_err(),
            [
                "<smartcard mode='host-certificates'> has 1 certificates: \
                 expected three <certificate> elements",
                "'nss' is not an absolute path",
            ]
        );
    }
}
