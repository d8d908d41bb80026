//! Secrets and certificates that QEMU proves itself with, or opens images with.
//!
//! A value never stands in a plan or among QEMU's arguments: it is a late value, which goes into the
//! object over QMP, or into sealed memory that QEMU inherits.

use conf::device::disk::auth::SecretLookup;
use conf::device::disk::network_source::Network;
use serde::{Deserialize, Serialize};
use serde_json::json;
use xml::Origin;

use super::{Builder, Open};
use crate::answers::{Answer, Question, Secret, SecretFile};
use crate::host::{Host, TlsSettings};

/// A value that QEMU gets without it being written down anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSecret {
    /// The late value that it becomes, in base64.
    pub late: String,
    /// Where it comes from.
    pub from: SecretOrigin,
    /// What it is for, in the user's words: `disk vda`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// The element that asks for it.
    #[serde(skip)]
    pub origin: Origin,
    /// Where that element stands, as `FILE:LINE:COLUMN`; known when the plan is located.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Where a secret value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SecretOrigin {
    /// A file of this host.
    File(SecretFile),
    /// The document itself, as the cookies of a disk do.
    Document {
        /// The value.
        value: String,
    },
    /// Nobody has looked where it is.
    NotExamined {
        /// Which one it is, in words.
        secret: String,
    },
}

impl Default for SecretOrigin {
    fn default() -> Self {
        Self::NotExamined { secret: String::new() }
    }
}

/// The question for a secret. `kind`: what it is used for, in libvirt's words.
pub(super) fn question(host: &Host, kind: &str, lookup: &SecretLookup) -> Question {
    Question::Secret(wanted(host, kind, lookup))
}

fn wanted(host: &Host, kind: &str, lookup: &SecretLookup) -> Secret {
    Secret {
        directories: host.secrets.clone(),
        uuid: lookup.uuid.map(|uuid| uuid.to_string()),
        kind: kind.to_owned(),
        usage: lookup.usage.clone(),
    }
}

/// An object `id` with a secret of the host. Nothing is made where it is missing, which refuses the
/// start.
///
/// libvirt: `qemuDomainSecretInfoSetupFromSecret`.
pub(super) fn of_host(builder: &mut Builder<'_>, id: &str, kind: &str, lookup: &SecretLookup) {
    if let Some(from) = find(builder, kind, lookup) {
        builder.secret(id, from);
    }
}

/// Where a secret of the host is. `None`: it is missing, which refuses the start.
pub(super) fn find(
    builder: &mut Builder<'_>,
    kind: &str,
    lookup: &SecretLookup,
) -> Option<SecretOrigin> {
    let wanted = wanted(builder.host, kind, lookup);
    let secret = wanted.to_string();
    match builder.ask(&Question::Secret(wanted)) {
        Some(Answer::Secret(Some(file))) => Some(SecretOrigin::File(file.clone())),
        None => Some(SecretOrigin::NotExamined { secret }),
        Some(answer) => {
            let reason = match answer {
                Answer::Failed(reason) => format!("the {secret} cannot be read: {reason}"),
                _ => format!("this host has no {secret}"),
            };
            let places = match builder.host.secrets.as_slice() {
                [] => "the directory of secrets".to_owned(),
                directories => directories.join("' or '"),
            };
            builder.refuse(reason).help =
                Some(format!("put its value into a file named as its UUID in '{places}'"));
            None
        }
    }
}

/// An object `id` with a value that the document itself holds.
pub(super) fn of_document(builder: &mut Builder<'_>, id: &str, value: String) {
    builder.secret(id, SecretOrigin::Document { value });
}

/// The certificates of a connection to an NBD server. `None`: it uses none.
///
/// libvirt: `qemuDomainPrepareStorageSourceTLS`.
pub(super) fn nbd_tls<'a>(host: &'a Host, network: &Network) -> Option<Option<&'a TlsSettings>> {
    let is_wanted = match network.tls {
        Some(tls) => tls.into(),
        None => host.settings.nbd_uses_tls,
    };
    is_wanted.then_some(host.settings.nbd_tls.as_ref())
}

/// The secret that the key of certificates is encrypted with.
pub(super) fn tls_lookup(tls: &TlsSettings) -> Option<SecretLookup> {
    let uuid = tls.secret.as_deref()?;
    Some(SecretLookup { uuid: base::Value::parse(uuid).ok().flatten(), usage: None })
}

/// An object with the certificates of a client; its id.
///
/// libvirt: `qemuBuildTLSx509CommandLine`.
pub(super) fn tls_client(builder: &mut Builder<'_>, node: &str, tls: &TlsSettings) -> String {
    certificates(builder, node, &format!("obj{node}_tls0-secret0"), tls, false)
}

/// An object with the certificates of a character device; its id.
///
/// libvirt: `qemuBuildChardevCommand`, `qemuDomainSecretChardevPrepare`.
pub(super) fn tls_chardev(
    builder: &mut Builder<'_>,
    chardev: &str,
    tls: &TlsSettings,
    is_server: bool,
) -> String {
    certificates(builder, chardev, &format!("{chardev}-secret0"), tls, is_server)
}

/// An object with certificates, and one called `secret` with what their key is encrypted with; the
/// id of the first.
fn certificates(
    builder: &mut Builder<'_>,
    node: &str,
    secret: &str,
    tls: &TlsSettings,
    is_server: bool,
) -> String {
    let id = format!("obj{node}_tls0");
    let passphrase = tls_lookup(tls).map(|lookup| {
        of_host(builder, secret, "tls", &lookup);
        secret.to_owned()
    });
    let fd = builder.fd(format!("{node}-tls"), tls.directory.clone(), Open::Directory);
    let directory = builder.inherited_path(fd);
    let mut object = json!({
        "qom-type": "tls-creds-x509", "id": id, "dir": directory,
        "endpoint": if is_server { "server" } else { "client" },
        "verify-peer": !is_server || tls.verify,
    });
    if let Some(secret) = passphrase {
        object["passwordid"] = secret.into();
    }
    builder.object(object);
    id
}
