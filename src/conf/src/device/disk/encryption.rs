//! `<encryption>`: how an image is encrypted.

use base::words;
use xml::{Origin, Xml};

use crate::device::disk::auth::SecretLookup;

/// How an image is encrypted.
///
/// libvirt: `virStorageEncryptionParseNode`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Encryption {
    /// Where it was written.
    pub origin: Origin,
    /// The format.
    #[xml(attribute, required)]
    pub format: EncryptionFormat,
    /// Who encrypts. Absent: `qemu`, which completion fills in for disks.
    #[xml(attribute)]
    pub engine: Option<EncryptionEngine>,
    /// The passphrases, one for each layer of librbd, else one.
    #[xml(child, name = "secret")]
    pub secrets: Vec<EncryptionSecret>,
    /// How the image was made; of no use to a disk, and refused there.
    #[xml(child, read_if = Encryption::is_luks)]
    pub cipher: Option<Cipher>,
    /// How the image was made; of no use to a disk, and refused there.
    #[xml(child, read_if = Encryption::is_luks)]
    pub ivgen: Option<Ivgen>,
}

impl Encryption {
    fn is_luks(&self) -> bool {
        self.format == EncryptionFormat::Luks
    }
}

words! {
    /// The format of encryption.
    ///
    /// libvirt: `virStorageEncryptionFormatType`.
    pub enum EncryptionFormat {
        /// That of the image format.
        Default = "default",
        /// That of old qcow and qcow2 images.
        Qcow = "qcow",
        /// LUKS.
        Luks = "luks",
        /// LUKS version 2; only librbd.
        Luks2 = "luks2",
        /// LUKS of any version; only librbd.
        LuksAny = "luks-any",
    }
}

words! {
    /// Who encrypts.
    ///
    /// libvirt: `virStorageEncryptionEngine`.
    pub enum EncryptionEngine {
        /// QEMU.
        Qemu = "qemu",
        /// Ceph's library.
        Librbd = "librbd",
    }
}

/// `<secret>` of `<encryption>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct EncryptionSecret {
    /// Where it was written.
    pub origin: Origin,
    /// What it is.
    #[xml(attribute, name = "type", required)]
    pub kind: SecretKind,
    /// Which one it is.
    #[xml(flatten)]
    pub lookup: SecretLookup,
}

words! {
    /// What a secret of encryption is.
    ///
    /// libvirt: `virStorageEncryptionSecretType`.
    pub enum SecretKind {
        /// A passphrase.
        Passphrase = "passphrase",
    }
}

/// `<cipher>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Cipher {
    /// The cipher, such as `aes`.
    #[xml(attribute, required)]
    pub name: String,
    /// The size of the key in bits.
    #[xml(attribute, required)]
    pub size: u32,
    /// The mode, such as `xts`.
    #[xml(attribute)]
    pub mode: Option<String>,
    /// The hash, such as `sha256`.
    #[xml(attribute)]
    pub hash: Option<String>,
}

/// `<ivgen>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Xml)]
pub struct Ivgen {
    /// The generator of initialisation vectors, such as `plain64`.
    #[xml(attribute, required)]
    pub name: String,
    /// The hash that it uses.
    #[xml(attribute)]
    pub hash: Option<String>,
}
