//! `<auth>` and `<secret>`: who QEMU is to a server.

use base::{Uuid, words};
use xml::{El, Origin, Part, Reader, Xml};

/// Who QEMU is to the server of an image.
///
/// libvirt: `virStorageAuthDefParse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = Auth::finish)]
pub struct Auth {
    /// Where it was written.
    pub origin: Origin,
    /// How it is proved. Absent: as the kind of the secret says.
    #[xml(attribute, name = "type")]
    pub kind: Option<AuthKind>,
    /// The user's name.
    #[xml(attribute, required)]
    pub username: String,
    /// The password.
    #[xml(child, required)]
    pub secret: AuthSecret,
}

impl Auth {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        if el.attribute("username") == Some("") {
            let part = Part::Attribute("username".to_owned());
            reader.error(el.origin(), part, "a user needs a name");
        }
    }
}

words! {
    /// How a user is proved.
    ///
    /// libvirt: `virStorageAuthType`.
    pub enum AuthKind {
        /// As iSCSI does.
        Chap = "chap",
        /// As Ceph does.
        Ceph = "ceph",
    }
}

/// `<secret>` of `<auth>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct AuthSecret {
    /// What the secret is for: `iscsi` or `ceph`, of which validation takes what fits the protocol.
    #[xml(attribute, name = "type")]
    pub kind: Option<String>,
    /// Which one it is.
    #[xml(flatten)]
    pub lookup: SecretLookup,
}

/// Which secret is meant: its UUID or what it is used for, not both.
///
/// libvirt: `virSecretLookupParseSecret`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
#[xml(finish = SecretLookup::finish)]
pub struct SecretLookup {
    /// Its UUID.
    #[xml(attribute)]
    pub uuid: Option<Uuid>,
    /// What it is used for.
    #[xml(attribute)]
    pub usage: Option<String>,
}

impl SecretLookup {
    fn finish(&mut self, el: El<'_>, reader: &mut Reader) {
        let given = el.attribute("uuid").iter().count() + el.attribute("usage").iter().count();
        if given != 1 {
            let message = "<secret> needs either attribute 'uuid' or attribute 'usage'";
            reader.error(el.origin(), Part::Name, message);
        }
    }
}
